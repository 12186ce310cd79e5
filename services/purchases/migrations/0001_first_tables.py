"""first tables, with what contracts knows of organisations and SKUs so far

Events that arrive while this runs may be missing in the copied rows. Purchases therefore reads the events again from
one day earlier. A SKU is copied with a version one lower than its own, so that its event can be applied again.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SCHEMA = "purchases"


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
        "skus",
        sa.Column("sku_id", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("archived", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("sku_id", name=op.f("pk_skus")),
        schema=SCHEMA,
    )
    op.execute(
        "insert into purchases.organisations (organisation_id, state, body)"
        " select organisation_id, state, body from contracts.organisations"
    )
    op.execute(
        "insert into purchases.skus (sku_id, version, archived, body) select sku_id, version - 1, archived, body from contracts.skus"
    )
    op.execute(
        "insert into purchases.forgotten (topic, before) select topic, now() - interval '1 day'"
        " from unnest(array['lonja.accounts', 'lonja.catalogue', 'lonja.contracts']) as topic"
        " where exists (select from purchases.organisations)"
    )
