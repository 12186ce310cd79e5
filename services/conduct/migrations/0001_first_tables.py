"""first tables, with what contracts knows of organisations, contracts, orders and deliveries so far

Events that arrive while this runs may be missing in the copied rows. Conduct therefore reads the events again from one
day earlier. If there is nothing to copy, it reads them from the beginning.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "conduct"


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
        "organisations",
        sa.Column("organisation_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("organisation_id", name=op.f("pk_organisations")),
        schema=SCHEMA,
    )
    op.create_table(
        "contracts",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("process_id", sa.Text(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("buyer_id", sa.Text(), nullable=False),
        sa.Column("buyer_name", sa.Text(), nullable=False),
        sa.Column("supplier_id", sa.Text(), nullable=False),
        sa.Column("supplier_name", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("over_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_contracts")),
        schema=SCHEMA,
    )
    op.create_table(
        "deliveries",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("order", sa.Integer(), nullable=False),
        sa.Column("late", sa.Boolean(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("accepted", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", "number", name=op.f("pk_deliveries")),
        schema=SCHEMA,
    )
    op.create_index(
        op.f("ix_deliveries_contract_id_order"), "deliveries", ["contract_id", "order"], unique=False, schema=SCHEMA
    )
    op.create_table(
        "orders",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", "number", name=op.f("pk_orders")),
        schema=SCHEMA,
    )
    op.create_table(
        "disputes",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("assessed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", "number", name=op.f("pk_disputes")),
        schema=SCHEMA,
    )
    op.execute(
        "insert into conduct.organisations (organisation_id, state, body)"
        " select organisation_id, state, body from contracts.organisations"
    )
    op.execute(
        "insert into conduct.contracts (contract_id, process_id, origin, title, buyer_id, buyer_name, supplier_id, supplier_name,"
        " currency, amount, state, over_at) select contract_id, process_id, drafted->>'origin', drafted->>'title', buyer_id,"
        " drafted->>'buyer_name', supplier_id, drafted->>'supplier_name', drafted->>'currency', (drafted->>'amount')::numeric,"
        " state, over_at from contracts.contracts"
    )
    op.execute(
        "insert into conduct.orders (contract_id, number, lines)"
        f" select contract_id, (each->>'number')::int, each->'lines' from {_all('orders')}"
    )
    op.execute(
        'insert into conduct.deliveries (contract_id, number, "order", late, status, accepted)'
        " select contract_id, (each->>'number')::int, (each->>'order')::int, (each->>'late')::boolean, each->>'status',"
        f" each->'accepted' from {_all('deliveries')}"
    )
    op.execute(
        "insert into conduct.disputes (contract_id, number, assessed)"
        f" select contract_id, (each->>'number')::int, each->>'word' = 'assessed' from {_all('disputes')}"
        " where each->>'about' = 'delivery'"
    )
    op.execute(
        "insert into conduct.forgotten (topic, before) select topic, now() - interval '1 day'"
        " from unnest(array['lonja.accounts', 'lonja.contracts']) as topic where exists (select from conduct.organisations)"
    )


def _all(parts: str) -> str:
    """Return the SQL that lists each element of ``parts`` in all contracts that are carried out."""
    found = f"case jsonb_typeof(state->'{parts}') when 'array' then state->'{parts}' else '[]' end"
    return f"fulfilment.executions, jsonb_array_elements({found}) as each"
