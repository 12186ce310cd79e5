"""the latest contracts are read from an index"""

from sqlalchemy import text

from infra.large_tables import add_index

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_contracts_latest", "contracts", [text("signed_at desc"), "contract_id"], schema="portal")
