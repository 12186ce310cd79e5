"""What was bought before."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "past_contracts",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("buyer_id", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("body", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", name=op.f("pk_past_contracts")),
        schema="auctions",
    )
    op.create_index("ix_past_contracts_buyer", "past_contracts", ["buyer_id", "signed_at"], schema="auctions")
    op.create_table(
        "last_prices",
        sa.Column("contract_id", sa.Text(), nullable=False),
        sa.Column("line_id", sa.Text(), nullable=False),
        sa.Column("sku_id", sa.Text(), nullable=False),
        sa.Column("buyer_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("contract_id", "line_id", name=op.f("pk_last_prices")),
        schema="auctions",
    )
    op.create_index("ix_last_prices_market", "last_prices", ["sku_id", "currency", "signed_at"], schema="auctions")
    op.create_index(
        "ix_last_prices_buyer", "last_prices", ["sku_id", "buyer_id", "currency", "signed_at"], schema="auctions"
    )


def downgrade() -> None:
    op.drop_table("last_prices", schema="auctions")
    op.drop_table("past_contracts", schema="auctions")
