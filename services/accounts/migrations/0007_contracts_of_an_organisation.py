"""contracts of an organisation are listed from an index"""

from sqlalchemy import text

from infra.large_tables import add_index

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for side in ("buyer", "supplier"):
        columns = [f"{side}_id", text("signed_at desc"), "contract_id"]
        add_index(f"ix_contracts_of_{side}", "contracts", columns, schema="accounts")
