"""Changes of the common tables (outbox, inbox, requests, forgotten), which the schema of every service contains.

Each change is written once here and called by one migration of every service.
"""

import sqlalchemy as sa
from alembic import op


def set_rows_aside_and_know_callers(schema: str) -> None:
    """An outbox row that can never be sent is set aside with its reason. A request key belongs to one caller and one body."""
    op.add_column("outbox", sa.Column("set_aside_at", sa.DateTime(timezone=True)), schema=schema)
    op.add_column("outbox", sa.Column("set_aside_reason", sa.Text()), schema=schema)
    op.add_column("requests", sa.Column("caller", sa.Text(), nullable=False, server_default=""), schema=schema)
    op.add_column(
        "requests",
        sa.Column("body_digest", sa.LargeBinary(), nullable=False, server_default=sa.text("''::bytea")),
        schema=schema,
    )


def remember_what_was_forgotten(schema: str) -> None:
    """Inbox claims are deleted after a time. This table holds, by topic, the instant before which they may have been
    deleted."""
    op.create_table(
        "forgotten",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("before", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_forgotten")),
        schema=schema,
    )
