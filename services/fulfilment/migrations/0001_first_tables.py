"""first tables, with the names of the contracts concluded so far

Events that arrive while this runs may be missing in the copied rows. Fulfilment therefore reads the events again from
one day earlier. If there is nothing to copy, it reads them from the beginning.
"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "fulfilment"


def upgrade() -> None:
    op.create_table(
        "outbox",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("envelope", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_aside_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("set_aside_reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_outbox")),
        sa.UniqueConstraint("event_id", name=op.f("uq_outbox_event_id")),
        schema=SCHEMA,
    )
    op.create_index(
        "ix_outbox_unpublished",
        "outbox",
        ["position"],
        schema=SCHEMA,
        postgresql_where=sa.text("published_at IS NULL"),
    )
    op.create_table(
        "inbox",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("handled_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_inbox")),
        schema=SCHEMA,
    )
    op.create_table(
        "requests",
        sa.Column("request_key", sa.Text(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.Column("caller", sa.Text(), server_default="", nullable=False),
        sa.Column("body_digest", sa.LargeBinary(), server_default=sa.text("''::bytea"), nullable=False),
        sa.PrimaryKeyConstraint("request_key", name=op.f("pk_requests")),
        schema=SCHEMA,
    )
    op.create_table(
        "forgotten",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("before", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("pk_forgotten")),
        schema=SCHEMA,
    )
    op.create_table(
        "contracts",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("buyer_name", sa.Text(), nullable=False),
        sa.Column("supplier_name", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_contracts")),
        schema=SCHEMA,
    )
    op.execute(
        "insert into fulfilment.contracts (contract_id, title, buyer_name, supplier_name)"
        " select contract_id, drafted->>'title', drafted->>'buyer_name', drafted->>'supplier_name' from contracts.contracts"
        " where state = 'concluded'"
    )
    op.execute(
        "insert into fulfilment.forgotten (topic, before) select 'lonja.contracts', now() - interval '1 day'"
        " where exists (select from fulfilment.contracts)"
    )
