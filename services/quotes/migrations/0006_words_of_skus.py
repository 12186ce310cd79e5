"""SKUs are found by the words of their names from an index, for buyers that write a request"""

from sqlalchemy import text

from infra.large_tables import add_index
from infra.listing import OF_WORDS

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    words = text("to_tsvector('simple', body->>'name')")
    add_index("ix_skus_words", "skus", [words], schema="quotes", postgresql_where=text("not archived"), **OF_WORDS)
