"""the market's log stores the hashes of its complete subtrees, so that signing it or proving a leaf does not read it
whole

The worker makes them for the existing leaves, in portions. A former release does not read them; the subtrees of leaves
that it appends are made later.
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
