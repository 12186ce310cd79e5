"""lists, and the newest entries of a pool's log, are answered from indexes"""

from sqlalchemy import text

from infra.large_tables import add_index

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_log_in_order", "log", ["pool_id", "position"], schema="pools")
    add_index("ix_pools_category", "pools", [text("category text_pattern_ops")], schema="pools")
    add_index("ix_pools_regions", "pools", ["regions"], schema="pools", postgresql_using="gin")
    anywhere = text("cardinality(regions) = 0")
    add_index("ix_pools_anywhere", "pools", ["opened_at"], schema="pools", postgresql_where=anywhere)
