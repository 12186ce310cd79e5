"""each sign that bids can be decided is a row of its own: nobody who keeps one locked keeps lanes from the next

The row of ``pulse`` is still written, for lanes and clocks of the former release. It goes in a later one.
"""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "beats",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_beats")),
        schema="auctions",
    )


def downgrade() -> None:
    op.drop_table("beats", schema="auctions")
