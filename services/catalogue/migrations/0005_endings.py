"""offers of a supplier or SKU that have still to be ended; a supplier's standing offers in their order"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "endings",
        sa.Column("of", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("of", "subject", name=op.f("pk_endings")),
        schema="catalogue",
    )
    op.create_index(
        "ix_offers_of_supplier",
        "offers",
        ["supplier_id", "offer_id"],
        unique=False,
        schema="catalogue",
        postgresql_where=sa.text("ended is null"),
    )
