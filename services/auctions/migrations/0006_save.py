"""One call writes a batch: the states of auctions, and the new lines and events of their logs.

A function never changes while a release that calls it may run: another set of columns needs a new function beside this
one.
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

TYPES = (
    "create type auctions.known_version as (auction_id text, version bigint)",
    "create type auctions.known_standing as (organisation_id text, state text)",
    """
    create type auctions.saved_state as (
        auction_id text, price numeric, closes_at timestamptz, due_at timestamptz, leader_id text, sequence int,
        participants text, course text, autobids text, lines int, head bytea, result text, version bigint
    )
    """,
    """
    create type auctions.saved_bid as (
        bid_id text, auction_id text, supplier_id text, request_key text, amount numeric, arrived_at timestamptz,
        standing text, sequence int, extended boolean, verdict bytea, line int, previous bytea, choices int[],
        automatic boolean, withheld boolean
    )
    """,
    "create type auctions.saved_fact as (auction_id text, line int, type text, data bytea, previous bytea)",
    "create type auctions.saved_event as (event_id text, topic text, envelope text, data bytea)",
)

UNCHANGED = """
create function auctions.unchanged(versions auctions.known_version[], standings auctions.known_standing[])
returns boolean language plpgsql as $$
begin
    -- In the order of the ids, so that two processes cannot deadlock.
    perform from auctions.auctions where auction_id in (select auction_id from unnest(versions))
        order by auction_id for update;
    return not exists (
        select from unnest(versions) known left join auctions.auctions found using (auction_id)
        where found.version is distinct from known.version
    ) and not exists (
        select from unnest(standings) known left join auctions.organisations found using (organisation_id)
        where found.state is distinct from known.state
    );
end $$
"""

SAVE = """
create function auctions.save(
    versions auctions.known_version[],
    standings auctions.known_standing[],
    states auctions.saved_state[],
    bids auctions.saved_bid[],
    facts auctions.saved_fact[],
    events auctions.saved_event[],
    announcements text[]
) returns boolean language plpgsql as $$
#variable_conflict use_column
begin
    -- False: a version or a standing is no longer what the caller knew, and nothing is written.
    if not auctions.unchanged(save.versions, save.standings) then
        return false;
    end if;

    update auctions.auctions a set
        price = s.price, closes_at = s.closes_at, due_at = s.due_at, leader_id = s.leader_id, sequence = s.sequence,
        participants = s.participants::jsonb, course = s.course::jsonb, autobids = s.autobids::jsonb,
        lines = s.lines, head = s.head, result = s.result::jsonb, version = s.version
    from unnest(save.states) s where a.auction_id = s.auction_id;

    insert into auctions.bids (
        bid_id, auction_id, supplier_id, request_key, amount, arrived_at, standing, sequence, extended, verdict, line,
        previous, choices, automatic, withheld
    ) select * from unnest(save.bids);

    insert into auctions.facts (auction_id, line, type, data, previous) select * from unnest(save.facts);

    -- An event that is there already is the same event, written again by a repeat.
    insert into auctions.outbox (event_id, topic, envelope, data) select * from unnest(save.events)
        on conflict (event_id) do nothing;

    -- Live pages and the relay hear these with the commit.
    perform pg_notify('lonja_live', announcement) from unnest(save.announcements) announcement;
    perform pg_notify('auctions_outbox', '');
    return true;
end $$
"""


def upgrade() -> None:
    for statement in (*TYPES, UNCHANGED, SAVE):
        op.execute(statement)
