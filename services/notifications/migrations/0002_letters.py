"""letters about duties of an organisation, besides digests; buyer officers get letters as well"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SCHEMA = "notifications"
AGENTS = sa.text("'{supplier_agent}'")
"""Only they got letters so far."""


def upgrade() -> None:
    op.add_column(
        "members", sa.Column("roles", postgresql.ARRAY(sa.Text()), nullable=False, server_default=AGENTS), schema=SCHEMA
    )
    op.alter_column("members", "roles", server_default=None, schema=SCHEMA)
    op.execute("update notifications.members set topics = topics || '{duties}'::text[]")
    op.create_table(
        "contracts",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("buyer_id", sa.Text(), nullable=False),
        sa.Column("buyer_name", sa.Text(), nullable=False),
        sa.Column("supplier_id", sa.Text(), nullable=False),
        sa.Column("supplier_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_contracts")),
        schema=SCHEMA,
    )
    _rename("digests", "letters", "digest_id", "letter_id")
    op.execute(
        "update notifications.letters set body = (body - 'digest_id')"
        " || jsonb_build_object('letter_id', body -> 'digest_id', 'topic', 'digest')"
    )
    for name, value in (("topic", "digest"), ("about", "")):
        op.add_column("letters", sa.Column(name, sa.Text(), nullable=False, server_default=value), schema=SCHEMA)
        op.alter_column("letters", name, server_default=None, schema=SCHEMA)
    op.add_column("letters", sa.Column("moot", sa.Boolean(), nullable=False, server_default=sa.false()), schema=SCHEMA)
    op.alter_column("letters", "moot", server_default=None, schema=SCHEMA)
    op.create_index(
        "ix_letters_about",
        "letters",
        ["about"],
        unique=False,
        schema=SCHEMA,
        postgresql_where=sa.text("state in ('claimed', 'sending')"),
    )


def downgrade() -> None:
    op.drop_index("ix_letters_about", table_name="letters", schema=SCHEMA)
    op.execute("delete from notifications.letters where topic <> 'digest'")
    op.execute(
        "update notifications.letters set body = (body - 'letter_id' - 'topic')"
        " || jsonb_build_object('digest_id', body -> 'letter_id')"
    )
    op.drop_column("letters", "moot", schema=SCHEMA)
    op.drop_column("letters", "about", schema=SCHEMA)
    op.drop_column("letters", "topic", schema=SCHEMA)
    _rename("letters", "digests", "letter_id", "digest_id")
    op.drop_table("contracts", schema=SCHEMA)
    op.execute("delete from notifications.members where not roles @> '{supplier_agent}'")
    op.execute("update notifications.members set topics = array_remove(topics, 'duties')")
    op.drop_column("members", "roles", schema=SCHEMA)


def _rename(table: str, new_table: str, column: str, new_column: str) -> None:
    op.rename_table(table, new_table, schema=SCHEMA)
    op.alter_column(new_table, column, new_column_name=new_column, schema=SCHEMA)
    op.alter_column("mailed", column, new_column_name=new_column, schema=SCHEMA)
    for old, new in (
        (f"pk_{table}", f"pk_{new_table}"),
        (f"ix_{table}_waiting", f"ix_{new_table}_waiting"),
        (f"uq_{table}_member_id_slot", f"uq_{new_table}_member_id_slot"),
        (f"ix_mailed_{column}", f"ix_mailed_{new_column}"),
    ):
        op.execute(f"alter index notifications.{old} rename to {new}")
