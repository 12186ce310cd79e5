"""past contracts are found by the words of their titles from an index"""

from sqlalchemy import text

from infra.large_tables import add_index
from infra.listing import OF_WORDS

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    words = [text("to_tsvector('simple', coalesce(body->>'title', ''))")]
    add_index("ix_past_contracts_words", "past_contracts", words, schema="auctions", **OF_WORDS)
