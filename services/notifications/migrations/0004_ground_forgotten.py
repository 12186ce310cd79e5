"""common tables: the time before which inbox claims were deleted"""

from infra.common_tables import remember_what_was_forgotten

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    remember_what_was_forgotten("notifications")
