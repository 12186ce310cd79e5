"""Lists of contracts in a market that is years old, with a buyer that has half of everything: what each query reads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from infra.database import Transaction
from infra.listing import COUNTED, PAGES
from services.contracts.store import deals, listing, replicas
from services.contracts.store.listing import ContractFilter
from services.contracts.timers import AT_ONCE
from services.purchases.store import purchases
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_town
from tests.services.fulfilment.test_contracts_carried_out import a_signed_contract
from tests.services.purchases.test_purchases_bought import asked

MANY = 12_000
BOUND = 3_500
"""How many rows one query may read: a page of each part of a list, and the rows that are counted."""
AGENCY, MILL = "agency", "mill"


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


@asynccontextmanager
async def years(
    town: Town, table: str, pattern: tuple[str, str], changes: str, schema: str = "contracts"
) -> AsyncIterator[tuple[Transaction, asyncpg.Connection]]:
    """Insert MANY copies of a row, numbered ``n``, and delete them afterwards."""
    key, of = pattern
    async with rolled_back(town.market.resources.database, schema) as (tx, db):
        await db.execute(
            f"insert into {schema}.{table} select made.* from {schema}.{table} a, generate_series(1, {MANY}) n,"
            f" jsonb_populate_record(a, jsonb_build_object('{key}', 'years-' || n, {changes})) made where a.{key} = $1",
            of,
        )
        await db.execute(f"analyze {schema}.{table}")
        yield tx, db


CONTRACTS = f"""
    'process_id', 'process-' || n / 3, 'rank', n % 3 + 1,
    'buyer_id', case when n % 2 = 0 then '{AGENCY}' else 'buyer-' || n % 500 end,
    'supplier_id', case when n % 3 = 0 then '{MILL}' else 'supplier-' || n % 700 end,
    'state', case when n > {MANY} - 40 then 'running' when n % 10 = 1 then 'ended' else 'concluded' end,
    'waits_for', case when n % 4 = 0 then '{AGENCY}' else '' end,
    'drafted_at', a.drafted_at - n * interval '1 minute', 'due_at', a.drafted_at + n * interval '1 minute',
    'over_at', case when n > {MANY} - 40 then null else a.drafted_at - n * interval '1 minute' end,
    'drafted', a.drafted || jsonb_build_object('contract_id', 'years-' || n, 'buyer_name', 'Town ' || n % 500,
        'title', case when n % 1000 = 0 then 'Telescope ' else 'Paper ' end || n || ' lot' || n % 300)
"""
"""The 40 running ones are the oldest. Every thousandth has a rare title. Titles have realistic words."""
VIEWERS = {
    "visitor": ContractFilter(),
    "the agency's own": ContractFilter(viewer_id=AGENCY, mine=True),
    "the mill's own": ContractFilter(viewer_id=MILL, mine=True),
    "the agency's and concluded ones": ContractFilter(viewer_id=AGENCY),
    "who has none": ContractFilter(viewer_id="nobody", mine=True),
    "a moderator": ContractFilter(viewer_id="market", all=True),
}


def variants(wanted: ContractFilter) -> list[tuple[ContractFilter, int]]:
    from msgspec.structs import replace

    found = [(wanted, 0), (wanted, 400)]
    for state in ("", *listing.STATES):
        for q in ("", "paper", "telescope", "lot7 town", "nothing of that name"):
            for process_id in ("", "process-77"):
                found.append((replace(wanted, state=state, q=q, process_id=process_id), 0))
    return found


@pytest.mark.parametrize("who", VIEWERS)
async def test_no_list_of_contracts_reads_all_that_ever_was(town: Town, who: str) -> None:
    work = await a_signed_contract(town)
    async with years(town, "contracts", ("contract_id", work.contract_id), CONTRACTS) as (_, db):
        for wanted, offset in variants(VIEWERS[who]):
            async with recording_queries(db) as reading:
                found = await listing.search(db, wanted, limit=50, offset=offset)
            assert not reading.queries or await reading.rows_of(db, "contracts") <= BOUND, (wanted, offset)
            if found.next:
                async with recording_queries(db) as reading:
                    await listing.search(db, wanted, limit=50, after=found.next)
                assert await reading.rows_of(db, "contracts") <= BOUND, (wanted, found.next)
            if wanted == VIEWERS["visitor"]:
                assert (found.total, found.more, len(found.rows)) == (COUNTED, True, 50)


@pytest.mark.parametrize("who", VIEWERS)
async def test_a_list_has_what_fits_each_once_and_in_order(town: Town, who: str) -> None:
    """The list is compared with the plain condition, over all pages."""
    work = await a_signed_contract(town)
    wanted = VIEWERS[who]
    sees = {"visitor": "state = 'concluded'", "a moderator": "true"}.get(
        who, "$1 in (buyer_id, supplier_id)" + ("" if wanted.mine else " or state = 'concluded'")
    )
    async with years(town, "contracts", ("contract_id", work.contract_id), CONTRACTS) as (_, db):
        values = [wanted.viewer_id] if "$1" in sees else []
        rows = await db.fetch(
            f"select contract_id from contracts.contracts where {sees} order by coalesce(over_at, drafted_at) desc, contract_id",
            *values,
        )
        expected = [row["contract_id"] for row in rows]
        found = await listing.search(db, wanted, limit=700)
        by_offset = await listing.search(db, wanted, limit=700, offset=700)
        read = list(found.rows)
        while found.next:
            found = await listing.search(db, wanted, limit=700, after=found.next)
            read += found.rows
        assert [each.contract_id for each in read] == expected
        assert [each.contract_id for each in by_offset.rows] == expected[700:1400]


async def test_a_page_behind_the_last_leads_to_the_last(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.contracts.pages.PER_PAGE", 1)
    contract_ids = [(await a_signed_contract(town)).contract_id for _ in range(2)]
    async with town.market.browser() as browser:
        oldest = await browser.get("/contracts", state="concluded", page="500")
        assert oldest.url.params["state"] == "concluded" and 'rel="next"' not in oldest.text
        last = int(oldest.url.params["page"])
        assert last >= 2 and f"Page {last} of {last}" in oldest.text and 'href="/contracts/' in oldest.text
        before = await browser.get("/contracts", state="concluded", page=str(last - 1))
        assert 'href="/contracts/' in before.text
        newest = await browser.get("/contracts", state="concluded")
        assert contract_ids[-1] in newest.text


async def test_the_end_of_a_long_list_is_known_behind_it(town: Town) -> None:
    work = await a_signed_contract(town)
    async with years(town, "contracts", ("contract_id", work.contract_id), CONTRACTS) as (_, db):
        concluded = await db.fetchval("select count(*) from contracts.contracts where state = 'concluded'")
        last = -(-concluded // 50)
        for number, pages in ((1, PAGES), (last - 1, PAGES), (last, last), (last + 1, last), (PAGES, last)):
            found = await listing.search(db, VIEWERS["visitor"], limit=50, offset=50 * (number - 1))
            assert (found.pages(50), found.total, bool(found.rows)) == (pages, COUNTED, number <= last)


async def test_leafing_repeats_and_misses_nothing_while_contracts_are_added_and_concluded(town: Town) -> None:
    work = await a_signed_contract(town)
    wanted = VIEWERS["the agency's own"]
    async with years(town, "contracts", ("contract_id", work.contract_id), CONTRACTS) as (_, db):
        before = [each.contract_id for each in (await listing.search(db, wanted, limit=150)).rows]
        page = await listing.search(db, wanted, limit=50)
        read = [each.contract_id for each in page.rows]
        for number in range(2):
            await db.execute(
                "insert into contracts.contracts select made.* from contracts.contracts a, jsonb_populate_record(a,"
                " jsonb_build_object('contract_id', $2::text, 'over_at', a.over_at + interval '1 day')) made"
                " where a.contract_id = $1",
                before[0],
                f"new-{number}",
            )
            await db.execute(
                "update contracts.contracts set over_at = over_at + interval '1 day' where contract_id = any($1::text[])",
                before[10:13],
            )
            page = await listing.search(db, wanted, limit=50, after=page.next)
            read += [each.contract_id for each in page.rows]
        assert read == before


async def test_what_waits_for_somebody_is_read_from_an_index_the_most_urgent(town: Town) -> None:
    work = await a_signed_contract(town)
    async with years(town, "contracts", ("contract_id", work.contract_id), CONTRACTS) as (_, db):
        async with recording_queries(db) as reading:
            found = await listing.waiting_for(db, AGENCY, limit=50)
        assert await reading.rows_of(db, "contracts") <= COUNTED + 1
        assert [each.contract_id for each in found.rows] == [f"years-{4 * n}" for n in range(1, 51)]
        assert (found.total, found.more) == (COUNTED, True)


async def test_which_contracts_of_a_list_are_over_is_read_by_their_ids(town: Town) -> None:
    async with rolled_back(town.market.resources.database, "contracts") as (_, db):
        await db.execute(
            "insert into contracts.carried_out (contract_id, status)"
            f" select 'years-' || n, case when n % 7 = 0 then 'closed' else 'terminated' end from generate_series(1, {MANY}) n"
            " where n % 5 <> 0"
        )
        await db.execute("analyze contracts.carried_out")
        async with recording_queries(db) as reading:
            found = await replicas.carried_out(db, [f"years-{n}" for n in range(5, 9)])
        assert found == {"years-6": "terminated", "years-7": "closed", "years-8": "terminated"}
        assert await reading.rows_of(db, "carried_out") <= 4


async def test_the_clock_takes_what_is_due_from_an_index_in_portions(town: Town) -> None:
    work = await a_signed_contract(town)
    purchase = await asked(town)
    now = town.market.clock()
    due = "'due_at', now() - n * interval '1 minute'"
    for schema, table, pattern, lock_due in (
        ("contracts", "deals", ("process_id", work.process_id), deals.lock_due),
        ("purchases", "purchases", ("process_id", purchase), purchases.lock_due),
    ):
        async with years(town, table, pattern, due, schema) as (tx, db):
            trouble = f"years-{MANY}" + (f"/{town.school.organisation_id}" if table == "deals" else "")
            for moment in (now + timedelta(days=9), now - timedelta(days=999)):
                tx.now = moment
                for but in ((), (trouble,)):
                    async with recording_queries(db) as reading:
                        found = await lock_due(tx, AT_ONCE, but)
                    assert len(found) == (AT_ONCE if moment > now else 0)
                    assert await reading.rows_of(db, table) <= 2 * AT_ONCE + 1, (table, but)
