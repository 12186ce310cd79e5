"""lists are answered from indexes"""

from sqlalchemy import text

from infra.large_tables import add_index
from infra.listing import OF_WORDS

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

OVER = text("result is not null")
WORDS = "to_tsvector('simple', title || ' ' || coalesce(opened->>'buyer_name', ''))"


def upgrade() -> None:
    add_index(
        "ix_auctions_running",
        "auctions",
        ["closes_at", "auction_id"],
        schema="auctions",
        postgresql_where=text("result is null"),
    )
    latest = [text("closes_at desc"), "auction_id"]
    for name, columns in (
        ("ix_auctions_over", latest),
        ("ix_auctions_over_of_buyer", ["buyer_id", *latest]),
        ("ix_auctions_over_in_region", ["region", *latest]),
        ("ix_auctions_over_in_country", ["country", *latest]),
        ("ix_auctions_over_category", [text("category text_pattern_ops")]),
    ):
        add_index(name, "auctions", columns, schema="auctions", postgresql_where=OVER)
    add_index("ix_auctions_words", "auctions", [text(WORDS)], schema="auctions", **OF_WORDS)
