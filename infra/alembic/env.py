"""The entry point for Alembic, the same for every service: each service has its own history, in its own schema."""

from alembic import context
from sqlalchemy import text

attributes = context.config.attributes
connection, metadata = attributes["connection"], attributes["metadata"]
connection.execute(text(f"create schema if not exists {metadata.schema}"))
connection.commit()


def include_name(name: str | None, kind: str, parents: object) -> bool:
    return name == metadata.schema if kind == "schema" else True


context.configure(
    connection=connection,
    target_metadata=metadata,
    version_table="migrations",
    version_table_schema=metadata.schema,
    include_schemas=True,
    include_name=include_name,
    compare_type=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
