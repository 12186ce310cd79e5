"""verdicts are rows that stay from version to version, and an item rests after it was judged

A snapshot of this release has its verdicts in the rows, one of the former release has them in its body; readers accept
both. Both releases may judge the same item in turn: the rows are compared with the next snapshot of this release,
whatever came in between.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("snapshots", sa.Column("terms", postgresql.JSONB()), schema="observatory", if_not_exists=True)
    op.add_column("snapshots", sa.Column("digest", sa.Text()), schema="observatory", if_not_exists=True)
    op.add_column(
        "items", sa.Column("rests_until", sa.DateTime(timezone=True)), schema="observatory", if_not_exists=True
    )
    op.add_column("items", sa.Column("rest", sa.Interval()), schema="observatory", if_not_exists=True)
    op.create_table(
        "judged",
        sa.Column("item_key", sa.Text(), nullable=False),
        sa.Column("observation_id", sa.Text(), nullable=False),
        sa.Column("edition", sa.LargeBinary(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("item_key", "observation_id", "edition", name=op.f("pk_judged")),
        schema="observatory",
    )
    op.create_table(
        "verdicts",
        sa.Column("item_key", sa.Text(), nullable=False),
        sa.Column("observation_id", sa.Text(), nullable=False),
        sa.Column("from_version", sa.Integer(), nullable=False),
        sa.Column("until_version", sa.Integer()),
        sa.Column("edition", sa.LargeBinary(), nullable=False),
        sa.Column("date", sa.Date(), nullable=False),
        sa.Column("dropped", sa.Boolean(), nullable=False),
        sa.Column("price", sa.Text()),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("own", postgresql.JSONB()),
        sa.PrimaryKeyConstraint("item_key", "observation_id", "from_version", name=op.f("pk_verdicts")),
        schema="observatory",
    )
    op.create_index(
        "ix_verdicts_in_order",
        "verdicts",
        ["item_key", "dropped", sa.literal_column("date DESC"), sa.literal_column("observation_id DESC")],
        schema="observatory",
    )
    op.create_index(
        "ix_verdicts_standing",
        "verdicts",
        ["item_key"],
        schema="observatory",
        postgresql_where=sa.text("until_version IS NULL"),
    )
