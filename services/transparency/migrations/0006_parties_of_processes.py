"""one row for the roles of each party of a process; the feed's figures are updated once per statement

Triggers maintain both, so they are right whichever release publishes.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy import text
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

STEP = 5_000
"""The number of releases whose parties are read in one statement."""
GIVE = """
insert into transparency.process_parties as known (ocid, organisation_id, roles)
select ocid, party->>'id', array_agg(distinct role order by role)
from {releases}, jsonb_array_elements(body->'parties') as party, jsonb_array_elements_text(party->'roles') as role
where {condition} group by 1, 2 order by 1, 2
on conflict (ocid, organisation_id) do update
set roles = array(select distinct unnest(known.roles || excluded.roles) order by 1) where not known.roles @> excluded.roles
"""
"""All writers sort the rows, so that two that name the same parties cannot deadlock."""
KEEP = f"""
create or replace function transparency.releases_were_added() returns trigger language plpgsql as $$
begin
    update transparency.feed_figures set
        releases = releases + (select count(*) from added),
        processes = processes + (
            select count(*) from (select ocid, min(position) as first from added group by ocid) as process
            left join lateral (
                select true as there from transparency.releases as former
                where former.ocid = process.ocid and (- former.position) > (- process.first)
                order by (- former.position) limit 1) as known on true
            where known.there is null)
    where exists (select from added);
    {GIVE.format(releases="added", condition="true")};
    return null;
end $$
"""
KEPT = """
create or replace trigger releases_were_added after insert on transparency.releases referencing new table as added
for each statement execute function transparency.releases_were_added()
"""
FORMER = text(GIVE.format(releases="transparency.releases", condition="position > :after and position <= :last"))


def upgrade() -> None:
    op.create_table(
        "process_parties",
        sa.Column("ocid", sa.Text(), nullable=False),
        sa.Column("organisation_id", sa.Text(), nullable=False),
        sa.Column("roles", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("ocid", "organisation_id", name=op.f("pk_process_parties")),
        schema="transparency",
        if_not_exists=True,
    )
    op.execute(KEEP)
    op.execute(KEPT)
    op.execute("drop trigger if exists count_release on transparency.releases")
    with op.get_context().autocommit_block():
        database = op.get_bind()
        newest = database.execute(text("select coalesce(max(position), 0) from transparency.releases")).scalar_one()
        for after in range(0, newest, STEP):
            database.execute(FORMER, {"after": after, "last": after + STEP})
