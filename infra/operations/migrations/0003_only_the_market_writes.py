"""only the market's own role writes the states of processes and resumes stopped consumers: services only read"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("revoke insert, update, delete on operations.processes, operations.resumes from public")


def downgrade() -> None:
    op.execute("grant insert, update, delete on operations.processes, operations.resumes to public")
