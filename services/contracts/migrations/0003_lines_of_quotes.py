"""lines of quotes"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "bids",
        sa.Column("lines", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        schema="contracts",
    )


def downgrade() -> None:
    op.drop_column("bids", "lines", schema="contracts")
