"""marks letters that may have been sent: their content does not change any more"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A former release does not mark them: for its letters it stays unknown whether they were sent."""
    op.execute("alter table notifications.letters add column if not exists handed boolean not null default false")
