"""who used an invitation"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("joinings", sa.Column("member_id", sa.Text(), nullable=True), schema="accounts")
