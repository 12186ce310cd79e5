"""common tables: rows set aside, callers of requests"""

from infra.common_tables import set_rows_aside_and_know_callers

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    set_rows_aside_and_know_callers("observatory")
