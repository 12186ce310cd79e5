"""the requests of a buyer that nobody answered yet are counted from an index"""

from sqlalchemy import text

from infra.large_tables import add_index

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index(
        "ix_purchases_unanswered",
        "purchases",
        ["buyer_id", "supplier_id"],
        schema="contracts",
        postgresql_where=text("due_at is not null"),
    )
