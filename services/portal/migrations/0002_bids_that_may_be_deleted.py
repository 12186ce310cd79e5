"""bids that may be deleted"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("openings", sa.Column("standing", postgresql.JSONB(), nullable=True), schema="portal")


def downgrade() -> None:
    op.drop_column("openings", "standing", schema="portal")
