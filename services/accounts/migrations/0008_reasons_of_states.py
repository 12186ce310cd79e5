"""why an organisation is in its state"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("state_reason", "reason_of"):
        op.add_column("organisations", sa.Column(column, sa.Text(), nullable=True), schema="accounts")
