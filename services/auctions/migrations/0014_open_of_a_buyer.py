"""a buyer's open sessions are counted from an index"""

from sqlalchemy import text

from infra.large_tables import add_index

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index(
        "ix_auctions_open_of_buyer",
        "auctions",
        ["buyer_id"],
        schema="auctions",
        postgresql_where=text("result is null"),
    )
