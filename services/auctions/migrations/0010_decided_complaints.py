"""decided complaints are listed from an index"""

from sqlalchemy import text

from infra.large_tables import add_index

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index(
        "ix_complaints_decided",
        "complaints",
        [text("decided_at desc"), "complaint_id"],
        schema="auctions",
        postgresql_where=text("decision <> ''"),
    )
