"""auctions that closed"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "auctions",
        sa.Column("closed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema="contracts",
    )
    # bids are disclosed only at the close
    op.execute(
        "update contracts.auctions a set closed = true"
        " where exists (select from contracts.bids b where b.auction_id = a.auction_id)"
    )


def downgrade() -> None:
    op.drop_column("auctions", "closed", schema="contracts")
