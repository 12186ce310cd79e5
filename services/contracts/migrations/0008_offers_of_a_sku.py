"""offers of a SKU"""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("offers", sa.Column("sku_id", sa.Text(), nullable=True), schema="contracts")
    op.execute("update contracts.offers set sku_id = body ->> 'sku_id'")
    op.alter_column("offers", "sku_id", nullable=False, schema="contracts")
    op.create_index(op.f("ix_offers_sku_id"), "offers", ["sku_id"], unique=False, schema="contracts")


def downgrade() -> None:
    op.drop_column("offers", "sku_id", schema="contracts")
