"""the register is searched by an index of words"""

from sqlalchemy import text

from infra.large_tables import add_index

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    words = text("to_tsvector('simple', name)")
    add_index("ix_organisations_words", "organisations", [words], schema="accounts", postgresql_using="gin")
