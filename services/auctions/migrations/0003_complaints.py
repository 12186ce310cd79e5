"""Complaints."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "complaints",
        sa.Column("complaint_id", sa.Text(), nullable=False),
        sa.Column("auction_id", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Text(), nullable=False),
        sa.Column("grounds", sa.Text(), nullable=False),
        sa.Column("evidence", sa.Text(), nullable=False),
        sa.Column("filed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["auction_id"], ["auctions.auctions.auction_id"], name=op.f("fk_complaints_auction_id")
        ),
        sa.PrimaryKeyConstraint("complaint_id", name=op.f("pk_complaints")),
        schema="auctions",
    )
    op.create_index(op.f("ix_complaints_auction_id"), "complaints", ["auction_id"], schema="auctions")
    op.create_index(
        "ix_complaints_undecided",
        "complaints",
        ["filed_at"],
        schema="auctions",
        postgresql_where=sa.text("decision = ''"),
    )


def downgrade() -> None:
    op.drop_table("complaints", schema="auctions")
