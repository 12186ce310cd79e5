"""lists are answered from indexes"""

from sqlalchemy import text

from infra.large_tables import add_index
from infra.listing import OF_WORDS

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    latest = [text("closes_at desc"), "request_id"]
    for name, columns in (
        ("ix_quote_requests_latest", latest),
        ("ix_quote_requests_of_buyer", ["buyer_id", *latest]),
        ("ix_quote_requests_in_region", ["region", *latest]),
        ("ix_quote_requests_in_country", ["country", *latest]),
        ("ix_quote_requests_category", [text("category text_pattern_ops")]),
    ):
        add_index(name, "quote_requests", columns, schema="quotes")
    words = text("to_tsvector('simple', title)")
    add_index("ix_quote_requests_words", "quote_requests", [words], schema="quotes", **OF_WORDS)
