"""indexes for the lists of an organisation, of a SKU and of moderators, for any number of offers and cards"""

from alembic import op
from sqlalchemy import text

from infra.large_tables import add_index

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STANDING = text("ended is null")
AWAITING = text("state = 'moderation'")
OPEN = text("state in ('moderation', 'returned')")


def upgrade() -> None:
    for name, table, columns, where in (
        ("ix_offers_on_sku", "offers", ["sku_id", "offer_id"], STANDING),
        ("ix_offers_own", "offers", ["supplier_id", "sku_id"], STANDING),
        ("ix_offers_listed", "offers", ["supplier_id", text("(ended is not null)"), text("published_at desc")], None),
        ("ix_skus_in_turn", "skus", ["decide_by", "sku_id"], AWAITING),
        ("ix_skus_awaiting_of", "skus", ["proposed_by"], AWAITING),
        ("ix_skus_awaiting_in", "skus", ["category", "decide_by", "sku_id"], AWAITING),
        ("ix_skus_proposals", "skus", ["proposed_by", text("proposed_at desc")], OPEN),
        ("ix_changes_in_turn", "changes", ["transaction", "sku_id"], None),
    ):
        add_index(name, table, columns, schema="catalogue", **({} if where is None else {"postgresql_where": where}))
    with op.get_context().autocommit_block():  # other names begin in the same way
        for name, table in (
            ("ix_offers_standing", "offers"),
            ("ix_offers_supplier_id", "offers"),
            ("ix_changes_transaction", "changes"),
            ("ix_skus_queue", "skus"),
        ):
            op.drop_index(name, table, schema="catalogue", if_exists=True, postgresql_concurrently=True)
