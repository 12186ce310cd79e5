"""A page or a new release reads few rows, even if the feed has the releases of many years."""

import asyncpg
import pytest

from infra.database import Transaction
from infra.ids import new_id
from services.transparency import store
from services.transparency.ocds.history import AskedContract, ReleaseHistory
from services.transparency.store import auctions
from services.transparency.views import SHOWN, SOURCES
from tests.explained import recording_queries, rolled_back
from tests.market import Market

pytestmark = pytest.mark.servers
MANY = 20_000
"""The number of releases. Half of them belong to one process, which has a hundred releases for each contract. Each
other release has its own process."""


async def _years_of_releases(db: asyncpg.Connection) -> None:
    await db.execute("delete from transparency.releases")
    await db.execute("update transparency.feed_figures set releases = 0, processes = 0")
    await db.execute(
        """insert into transparency.releases (release_id, ocid, process_id, tags, released_at, body)
           select 'release-' || n, ocid, ocid, '{implementationUpdate}', now(), jsonb_build_object('id', 'release-' || n, 'ocid', ocid,
               'parties', jsonb_build_array(jsonb_build_object('id', 'buyer', 'roles', jsonb_build_array('buyer', 'payer')),
                   jsonb_build_object('id', 'supplier-' || n / 100, 'roles', jsonb_build_array('supplier'))),
               'contracts', jsonb_build_array(jsonb_build_object('id', 'contract-' || n / 100, 'items', '[]'::jsonb) || carried_out))
           from generate_series(1, $1::int) n, lateral (select 'ocid-' || case when n <= $1 / 2 then 0 else n end as ocid) as process,
           lateral (select case when n % 100 < 3 then '{}' else jsonb_build_object('implementation', jsonb_build_object(
               'milestones', jsonb_build_array(jsonb_build_object('id', 'order-' || n % 100)))) end as carried_out) as contract""",
        MANY,
    )
    await db.execute("analyze transparency.releases")


async def test_the_page_reads_only_the_releases_that_it_shows(market: Market) -> None:
    async with rolled_back(market.resources.database, store.NAME) as (tx, db):
        await _years_of_releases(db)
        async with recording_queries(db) as reading:
            state = await store.feed_state(tx)
            latest = await store.latest(tx, SHOWN)
        assert await reading.rows_of(db, "releases") <= SHOWN
        assert (state.releases, state.processes) == (MANY, MANY // 2 + 1)
        assert state.position == latest[0]["position"] and latest[0]["release_id"] == f"release-{MANY}"


async def test_the_stored_figures_agree_with_the_feed(market: Market) -> None:
    async with rolled_back(market.resources.database, store.NAME) as (tx, db):
        before = await store.feed_state(tx)
        counted = await db.fetchrow(
            "select count(*) as n, count(distinct ocid) as processes from transparency.releases"
        )
        assert (before.releases, before.processes) == tuple(counted)
        ocid = f"ocid-{new_id()}"
        for number in (1, 2, 2):
            release = {"id": f"{ocid}-{number}", "ocid": ocid, "tag": ["tender"]}
            await store.publish(tx, [store.New(ocid, release, tx.now)])
        state = await store.feed_state(tx)
        assert (state.releases - before.releases, state.processes - before.processes) == (2, 1)
        assert state.released_at == tx.now


async def test_a_release_reads_few_rows_of_a_process_with_many_contracts(market: Market) -> None:
    async with rolled_back(market.resources.database, store.NAME) as (tx, db):
        await _years_of_releases(db)
        async with recording_queries(db) as reading:
            contracts = [AskedContract("ocid-0", f"contract-{number}", "order-50") for number in range(1, 91)]
            history = ReleaseHistory(await store.earlier_releases(tx, contracts))
            roles = await store.roles_before(tx, [("ocid-0", "buyer"), ("ocid-0", "nobody"), ("ocid-1", "buyer")])
        assert await reading.rows_of(db, "releases") <= 6 * len(contracts)
        assert roles == {("ocid-0", "buyer"): ["buyer", "payer"]}
        for asked in contracts:
            said = history.of(asked)
            milestones = [
                each["contracts"][0].get("implementation", {}).get("milestones", [{}])[0].get("id") for each in said
            ]
            assert milestones.count(None) == 3 and milestones[-1] == "order-50"
            assert len(said) == 5 and not any("items" in each["contracts"][0] for each in said)


async def test_only_the_largest_of_thousands_of_publications_are_listed(market: Market) -> None:
    async with rolled_back(market.resources.database, store.NAME) as (tx, db):
        await db.execute("delete from transparency.sources")
        await db.execute(
            "insert into transparency.sources (source, publisher, licence, records, imported_at)"
            " select 's' || n, 'p', '', n, now() from generate_series(1, 3000) n"
        )
        found = await store.imported(tx, SOURCES)
        assert (found.sources, found.records, len(found.largest)) == (3000, 4_501_500, SOURCES)
        assert found.largest[0].records == 3000


async def test_the_timer_reads_only_the_auctions_whose_end_moved(market: Market) -> None:
    async with rolled_back(market.resources.database, store.NAME) as (tx, db):
        await _years_of_sessions(tx, db)
        async with recording_queries(db) as reading:
            moved = await auctions.lock_moved(tx, 100)
        assert [each.auction_id for each in moved] == [
            "years-1000",
            "years-2000",
            "years-3000",
            "years-4000",
            "years-5000",
        ]
        assert await reading.rows_of(db, "sessions") <= 10


async def _years_of_sessions(tx: Transaction, db: asyncpg.Connection) -> None:
    await db.execute("delete from transparency.sessions")
    await db.execute(
        "insert into transparency.sessions (auction_id, process_id, opens_at, closes_at, told) select 'years-' || n, 'p', $1, $1,"
        " $1::timestamptz + case when n % 1000 = 0 then interval '1 second' else interval '0' end from generate_series(1, 5000) n",
        tx.now,
    )
    await db.execute("analyze transparency.sessions")
