"""the feed's figures are updated as it grows; queries on a process use indexes

A trigger maintains the figures, so they are right whichever release publishes.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import text

from infra.large_tables import add_index

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

COUNT = """
create or replace function transparency.count_release() returns trigger language plpgsql as $$
begin
    update transparency.feed_figures set releases = releases + 1, processes = processes + case when exists (
        select from transparency.releases where ocid = new.ocid and position < new.position) then 0 else 1 end;
    return null;
end $$
"""
COUNTED = """
create or replace trigger count_release after insert on transparency.releases for each row
execute function transparency.count_release()
"""
BEGIN = """
insert into transparency.feed_figures (feed, releases, processes, uncounted)
select 'ocds', 0, 0, max(position) from transparency.releases on conflict do nothing
"""
"""Executed in one transaction with the trigger, whose creation blocks publishing: the trigger counts new releases, and
the existing ones are counted here."""
FORMER = """
select count(*) as releases, count(distinct ocid) as processes from transparency.releases
where position <= (select uncounted from transparency.feed_figures)
"""
ADD = """
update transparency.feed_figures set releases = releases + :releases, processes = processes + :processes, uncounted = null
where uncounted is not null
"""
CONTRACT = text("(body->'contracts'->0->>'id')")
MILESTONE = text("(body->'contracts'->0->'implementation'->'milestones'->0->>'id')")


def upgrade() -> None:
    op.create_table(
        "feed_figures",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("releases", sa.BigInteger(), nullable=False),
        sa.Column("processes", sa.BigInteger(), nullable=False),
        sa.Column("uncounted", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("feed", name=op.f("pk_feed_figures")),
        schema="transparency",
        if_not_exists=True,
    )
    op.execute(COUNT)
    op.execute(COUNTED)
    op.execute(BEGIN)
    with op.get_context().autocommit_block():
        database = op.get_bind()
        database.execute(text(ADD), dict(database.execute(text(FORMER)).mappings().one()))
    add_index("ix_releases_of_process", "releases", ["ocid", text("(- position)")], schema="transparency")
    add_index(
        "ix_releases_of_contract",
        "releases",
        ["ocid", CONTRACT, MILESTONE],
        schema="transparency",
        postgresql_where=text("body ? 'contracts'"),
    )
    add_index(
        "ix_sessions_moved",
        "sessions",
        ["auction_id"],
        schema="transparency",
        postgresql_where=text("closes_at <> told"),
    )
    with op.get_context().autocommit_block():
        op.drop_index(
            "ix_releases_ocid", "releases", schema="transparency", if_exists=True, postgresql_concurrently=True
        )
