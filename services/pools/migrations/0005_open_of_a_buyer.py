"""a lead's open pools are counted from an index"""

from sqlalchemy import text

from infra.large_tables import add_index

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index(
        "ix_pools_open_of_lead",
        "pools",
        [text("(state->'opened'->>'lead_id')")],
        schema="pools",
        postgresql_where=text("stage not in ('closed', 'cancelled')"),
    )
