"""each sign that bids can be decided is a row of its own: a lock on one does not keep lanes from writing the next

The row of ``pulse`` is still written, for lanes and timers of the former release. A later release removes it.
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
