"""sessions wait in ``blocked`` for the time of an outage with a fixed end, and get it back in portions, the earliest
end first

A former release writes neither column: its blocks last until it ends them. Its timer does not touch any blocked
session.
"""

from alembic import op
from sqlalchemy import text

from infra.large_tables import add_index

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for column in ("lost_until", "closes_at"):
        op.execute(f"alter table auctions.blocked add column if not exists {column} timestamptz")
    add_index(
        "ix_blocked_soonest", "blocked", [text("closes_at nulls first"), "auction_id"], schema="auctions", unique=False
    )


def downgrade() -> None:
    op.drop_index("ix_blocked_soonest", table_name="blocked", schema="auctions")
    for column in ("closes_at", "lost_until"):
        op.drop_column("blocked", column, schema="auctions")
