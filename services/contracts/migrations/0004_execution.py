"""execution"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "executions",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("buyer_id", sa.Text(), nullable=False),
        sa.Column("supplier_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("buyer_waits", sa.Boolean(), nullable=False),
        sa.Column("supplier_waits", sa.Boolean(), nullable=False),
        sa.Column("disputed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_executions")),
        schema="contracts",
    )
    for name, column, condition in (
        ("ix_executions_due", "due_at", "due_at is not null"),
        ("ix_executions_buyer", "buyer_id", "buyer_waits"),
        ("ix_executions_supplier", "supplier_id", "supplier_waits"),
        ("ix_executions_disputed", "disputed_at", "disputed_at is not null"),
    ):
        op.create_index(name, "executions", [column], schema="contracts", postgresql_where=sa.text(condition))
    op.create_table(
        "execution_events",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("member_name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", "position", name=op.f("pk_execution_events")),
        schema="contracts",
    )
    op.create_table(
        "performed",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", "organisation_id", "kind", "number", name=op.f("pk_performed")),
        schema="contracts",
    )
    op.create_index(op.f("ix_performed_organisation_id"), "performed", ["organisation_id"], schema="contracts")


def downgrade() -> None:
    for name in ("performed", "execution_events", "executions"):
        op.drop_table(name, schema="contracts")
