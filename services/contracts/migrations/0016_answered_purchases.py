"""a request that was answered stays answered, in whatever order its events arrive"""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "purchases_answered",
        sa.Column("process_id", sa.Text(), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("process_id", name=op.f("pk_purchases_answered")),
        schema="contracts",
    )
