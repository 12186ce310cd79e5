"""a buyer's undecided requests are counted from an index"""

from sqlalchemy import text

from infra.large_tables import add_index

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index(
        "ix_quote_requests_open_of_buyer",
        "quote_requests",
        ["buyer_id"],
        schema="quotes",
        postgresql_where=text("stage in ('open', 'choosing')"),
    )
