"""the duties of a contract that is carried out are read without its state"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("executions", sa.Column("agenda", postgresql.JSONB(), nullable=True), schema="contracts")
    op.add_column("executions", sa.Column("agenda_of", sa.BigInteger(), nullable=True), schema="contracts")


def downgrade() -> None:
    op.drop_column("executions", "agenda_of", schema="contracts")
    op.drop_column("executions", "agenda", schema="contracts")
