"""how many offers a supplier published on a SKU within a day is counted from an index"""

from infra.large_tables import add_index

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    add_index("ix_offers_of_day", "offers", ["sku_id", "supplier_id", "published_at"], schema="catalogue")
