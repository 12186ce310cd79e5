"""The log as a chain: lines, their hashes, facts other than bids; due times; the pulse.

Sessions from before this migration have no chain of their own. Those that run go on, with their participants taken from
the log.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "pulse",
        sa.Column("one", sa.Boolean(), nullable=False),
        sa.Column("beat_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("one", name=op.f("pk_pulse")),
        schema="auctions",
    )
    op.create_table(
        "facts",
        sa.Column("auction_id", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.Column("previous", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["auction_id"], ["auctions.auctions.auction_id"], name=op.f("fk_facts_auction_id")),
        sa.PrimaryKeyConstraint("auction_id", "line", name=op.f("pk_facts")),
        schema="auctions",
    )
    op.add_column("auctions", sa.Column("due_at", sa.DateTime(timezone=True), nullable=True), schema="auctions")
    op.create_table(
        "leaves",
        sa.Column("leaf", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("auction_id", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("leaf", name=op.f("pk_leaves")),
        sa.UniqueConstraint("auction_id", name=op.f("uq_leaves_auction_id")),
        schema="auctions",
    )
    op.create_table(
        "checkpoints",
        sa.Column("size", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("root", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("signature", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_checkpoints")),
        schema="auctions",
    )
    op.add_column("auctions", sa.Column("leaf", sa.BigInteger(), nullable=True), schema="auctions")
    op.create_index(
        "ix_auctions_not_in_log",
        "auctions",
        ["auction_id"],
        unique=False,
        schema="auctions",
        postgresql_where=sa.text("result is not null and leaf is null"),
    )
    op.add_column(
        "auctions",
        sa.Column("course", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        schema="auctions",
    )
    op.add_column(
        "auctions",
        sa.Column("autobids", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        schema="auctions",
    )
    op.add_column("auctions", sa.Column("lines", sa.Integer(), server_default="0", nullable=False), schema="auctions")
    op.add_column("auctions", sa.Column("head", sa.LargeBinary(), server_default="", nullable=False), schema="auctions")
    op.drop_index(
        op.f("ix_auctions_due"), table_name="auctions", schema="auctions", postgresql_where="(result IS NULL)"
    )
    op.create_index(
        "ix_auctions_due",
        "auctions",
        ["due_at"],
        unique=False,
        schema="auctions",
        postgresql_where=sa.text("result is null"),
    )
    op.execute("update auctions.auctions set due_at = settles_at, leaf = case when result is not null then 0 end")
    op.execute(
        "update auctions.auctions a set participants = p.all_of from (select auction_id, jsonb_object_agg(supplier_id,"
        " jsonb_build_array(number, jsonb_build_array(amount::text, sequence, arrived_at))) all_of from"
        " (select distinct on (auction_id, supplier_id) auction_id, supplier_id, amount, sequence, arrived_at,"
        " (convert_from(verdict, 'UTF8')::jsonb->>'participant')::int number from auctions.bids"
        " where sequence is not null order by auction_id, supplier_id, sequence desc) last group by auction_id) p"
        " where a.auction_id = p.auction_id"
    )
    op.drop_column("auctions", "verdicts", schema="auctions")
    op.drop_column("auctions", "settles_at", schema="auctions")
    op.add_column("bids", sa.Column("line", sa.Integer(), server_default="0", nullable=False), schema="auctions")
    op.add_column("bids", sa.Column("previous", sa.LargeBinary(), server_default="", nullable=False), schema="auctions")
    op.add_column(
        "bids", sa.Column("choices", sa.ARRAY(sa.Integer()), server_default="{}", nullable=False), schema="auctions"
    )
    op.add_column(
        "bids", sa.Column("automatic", sa.Boolean(), server_default="false", nullable=False), schema="auctions"
    )
    op.add_column(
        "bids", sa.Column("withheld", sa.Boolean(), server_default="false", nullable=False), schema="auctions"
    )
    op.execute(
        "update auctions.bids b set line = n.line from (select position, row_number() over"
        " (partition by auction_id order by position) line from auctions.bids) n where b.position = n.position"
    )
    op.execute(
        "update auctions.auctions a set lines = 1 + (select count(*) from auctions.bids b where b.auction_id = a.auction_id)"
    )
    op.drop_index("ix_bids_auction_id_position", table_name="bids", schema="auctions")
    op.create_index("ix_bids_auction_id_line", "bids", ["auction_id", "line"], unique=False, schema="auctions")
    op.create_index(
        "ix_bids_withheld",
        "bids",
        ["auction_id"],
        unique=False,
        schema="auctions",
        postgresql_where=sa.text("withheld"),
    )


def downgrade() -> None:
    op.drop_index("ix_bids_auction_id_line", table_name="bids", schema="auctions")
    op.create_index("ix_bids_auction_id_position", "bids", ["auction_id", "position"], unique=False, schema="auctions")
    op.drop_index("ix_bids_withheld", table_name="bids", schema="auctions", postgresql_where=sa.text("withheld"))
    op.drop_column("bids", "withheld", schema="auctions")
    op.drop_column("bids", "automatic", schema="auctions")
    op.drop_column("bids", "choices", schema="auctions")
    op.drop_column("bids", "previous", schema="auctions")
    op.drop_column("bids", "line", schema="auctions")
    op.add_column(
        "auctions",
        sa.Column("settles_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        schema="auctions",
    )
    op.add_column(
        "auctions", sa.Column("verdicts", sa.Integer(), nullable=False, server_default="0"), schema="auctions"
    )
    op.drop_index(
        "ix_auctions_due", table_name="auctions", schema="auctions", postgresql_where=sa.text("result is null")
    )
    op.create_index(
        op.f("ix_auctions_due"),
        "auctions",
        ["settles_at"],
        unique=False,
        schema="auctions",
        postgresql_where="(result IS NULL)",
    )
    op.drop_column("auctions", "head", schema="auctions")
    op.drop_column("auctions", "lines", schema="auctions")
    op.drop_column("auctions", "autobids", schema="auctions")
    op.drop_column("auctions", "course", schema="auctions")
    op.drop_column("auctions", "due_at", schema="auctions")
    op.drop_index("ix_auctions_not_in_log", table_name="auctions", schema="auctions")
    op.drop_column("auctions", "leaf", schema="auctions")
    op.drop_table("checkpoints", schema="auctions")
    op.drop_table("leaves", schema="auctions")
    op.drop_table("facts", schema="auctions")
    op.drop_table("pulse", schema="auctions")
