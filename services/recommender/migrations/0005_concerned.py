"""an opening marks the suppliers that it can concern, in portions, and a waiting supplier keeps its place"""

import sqlalchemy as sa
from alembic import op

from infra.large_tables import add_index
from recommender.trades import trades

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SCHEMA = "recommender"
PORTION = 10_000


def upgrade() -> None:
    """A former release stores suppliers without trades: these are added in the daily walk over all suppliers."""
    op.execute(
        "alter table recommender.work add column if not exists goal integer, add column if not exists reached text not null default '',"
        " add column if not exists begun_at timestamptz, add column if not exists walked_at timestamptz"
    )
    op.create_table(
        "trades",
        sa.Column("trade", sa.Text(), nullable=False),
        sa.Column("supplier_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("trade", "supplier_id", name=op.f("pk_trades")),
        schema=SCHEMA,
        if_not_exists=True,
    )
    op.create_table(
        "changes",
        sa.Column("position", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("opportunity_id", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_changes")),
        schema=SCHEMA,
        if_not_exists=True,
    )
    _fill()
    op.execute("insert into recommender.work (name, asked, done) values ('everyone', 0, 0) on conflict do nothing")
    add_index("ix_interest_category", "interest", ["category", "supplier_id"], schema=SCHEMA)
    add_index("ix_awards_buyer", "awards", [sa.text("left(buyer_name, 200)"), "supplier_id"], schema=SCHEMA)


def _fill() -> None:
    """Store the trades of the suppliers of this market, in portions."""
    db, last = op.get_bind(), ""
    while True:
        rows = db.execute(
            sa.text(
                "select supplier_id, declared from recommender.suppliers where supplier_id > :last order by supplier_id limit :most"
            ),
            {"last": last, "most": PORTION},
        ).all()
        if not rows:
            return
        last = rows[-1].supplier_id
        kept = sorted(
            {(trade, row.supplier_id) for row in rows for category in row.declared for trade in trades(category)}
        )
        db.execute(
            sa.text(
                "insert into recommender.trades (trade, supplier_id) select * from unnest(cast(:trades as text[]),"
                " cast(:suppliers as text[])) on conflict do nothing"
            ),
            {"trades": [trade for trade, _ in kept], "suppliers": [supplier_id for _, supplier_id in kept]},
        )
