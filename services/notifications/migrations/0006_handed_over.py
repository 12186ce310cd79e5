"""letters that may have gone out: what they say does not change any more"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """A former release does not mark them: what it sends is as it was, not known to have gone out."""
    op.execute("alter table notifications.letters add column if not exists handed boolean not null default false")
