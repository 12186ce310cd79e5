"""requests for purchases that wait are listed from a replica"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "purchase_requests",
        sa.Column("process_id", sa.Text(), nullable=False),
        sa.Column("buyer_id", sa.Text(), nullable=False),
        sa.Column("supplier_id", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_purchase_requests")),
        schema="contracts",
    )
    for side in ("buyer", "supplier"):
        op.create_index(
            op.f(f"ix_purchase_requests_{side}_id_due_at_process_id"),
            "purchase_requests",
            [f"{side}_id", "due_at", "process_id"],
            unique=False,
            schema="contracts",
        )
    op.execute(
        "insert into contracts.purchase_requests (process_id, buyer_id, supplier_id, due_at, body)"
        " select process_id, buyer_id, supplier_id, due_at, (state->'requested') || jsonb_build_object("
        "'supplier_name', state->'supplier_name', 'requested_at', to_char(requested_at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'))"
        " from contracts.purchases where due_at is not null and jsonb_typeof(state->'requested') = 'object'"
    )
