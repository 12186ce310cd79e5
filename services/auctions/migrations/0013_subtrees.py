"""the market's log keeps the hashes of its complete subtrees: nobody reads it whole to sign it, or to prove a leaf

The worker fills them for the leaves that are there, in portions. A former release does not read them; the leaves that it appends are
made up for.
"""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "subtrees",
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "number", name=op.f("pk_subtrees")),
        schema="auctions",
    )


def downgrade() -> None:
    op.drop_table("subtrees", schema="auctions")
