"""since when each process has written without a gap: while it did, the database was not away"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "processes",
        sa.Column("writes_since", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        schema="operations",
    )


def downgrade() -> None:
    op.drop_column("processes", "writes_since", schema="operations")
