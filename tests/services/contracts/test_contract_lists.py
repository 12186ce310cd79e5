"""Lists of contracts and purchases on a market that is years old, with a buyer that has half of everything: what each query reads."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from decimal import Decimal as D

import asyncpg
import pytest

from catalogue.money import Money
from infra.database import Transaction
from infra.listing import COUNTED
from services.contracts.store import deals, executions, listing, purchases, replicas
from services.contracts.store.listing import Filter
from services.contracts.timers import AT_ONCE
from tests.explained import listening, undone
from tests.market import Market
from tests.services.contracts.market_told import Town, a_town, an_offer
from tests.services.contracts.test_contracts_bought import asked
from tests.services.contracts.test_contracts_carried_out import a_signed_contract

MANY = 12_000
BOUND = 3_500
"""Rows that one query may read: a page of each part of a list, and what is counted."""
AGENCY, MILL = "agency", "mill"


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


@asynccontextmanager
async def years(
    town: Town, table: str, pattern: tuple[str, str], changes: str
) -> AsyncIterator[tuple[Transaction, asyncpg.Connection]]:
    """MANY copies of a row, numbered ``n``; gone afterwards."""
    key, of = pattern
    async with undone(town.market.ground.database, "contracts") as (tx, db):
        await db.execute(
            f"insert into contracts.{table} select made.* from contracts.{table} a, generate_series(1, {MANY}) n,"
            f" jsonb_populate_record(a, jsonb_build_object('{key}', 'years-' || n, {changes})) made where a.{key} = $1",
            of,
        )
        await db.execute(f"analyze contracts.{table}")
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
"""The 40 that still run are the oldest; every thousandth has a rare title, and as many words as titles have are made up."""
VIEWERS = {
    "visitor": Filter(),
    "the agency's own": Filter(viewer_id=AGENCY, mine=True),
    "the mill's own": Filter(viewer_id=MILL, mine=True),
    "the agency's and concluded ones": Filter(viewer_id=AGENCY),
    "who has none": Filter(viewer_id="nobody", mine=True),
    "a moderator": Filter(viewer_id="market", all=True),
}


def variants(wanted: Filter) -> list[tuple[Filter, int]]:
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
            async with listening(db) as reading:
                found = await listing.search(db, wanted, limit=50, offset=offset)
            assert not reading.queries or await reading.of(db, "contracts") <= BOUND, (wanted, offset)
            if found.next:
                async with listening(db) as reading:
                    await listing.search(db, wanted, limit=50, after=found.next)
                assert await reading.of(db, "contracts") <= BOUND, (wanted, found.next)
            if wanted == VIEWERS["visitor"]:
                assert (found.total, found.more, len(found.rows)) == (COUNTED, True, 50)


@pytest.mark.parametrize("who", VIEWERS)
async def test_a_list_has_what_fits_each_once_and_in_order(town: Town, who: str) -> None:
    """Against the plain condition, over all pages."""
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
        async with listening(db) as reading:
            found = await listing.waiting(db, AGENCY, limit=50)
        assert await reading.of(db, "contracts") <= COUNTED + 1
        assert [each.contract_id for each in found.rows] == [f"years-{4 * n}" for n in range(1, 51)]
        assert (found.total, found.more) == (COUNTED, True)
        async with listening(db) as reading:
            assert len(await listing.newest_of(db, [(f"process-{n}", AGENCY) for n in range(50)])) == 50
        assert await reading.of(db, "contracts") <= 50


async def test_purchases_of_a_buyer_with_many_are_read_by_page(town: Town) -> None:
    changes = f"""
        'buyer_id', case when n % 3 > 0 then '{AGENCY}' else 'buyer' end,
        'supplier_id', case when n % 3 = 0 then '{AGENCY}' else 'supplier' end,
        'requested_at', a.requested_at - n / 2 * interval '1 minute',
        'due_at', case when n % 100 = 0 then a.due_at - n / 200 * interval '1 minute' end,
        'state', jsonb_set(a.state, '{{requested,process_id}}', to_jsonb('years-' || n))
    """
    async with years(town, "purchases", ("process_id", await asked(town)), changes) as (_, db):
        rows = await db.fetch(
            "select process_id from contracts.purchases where $1 in (buyer_id, supplier_id)"
            " order by due_at nulls last, requested_at desc, process_id limit 300",
            AGENCY,
        )
        expected = [row["process_id"] for row in rows]
        read: list[str] = []
        after = ""
        for number in range(6):
            for page in ({"after": after}, {"offset": 50 * number}):
                async with listening(db) as reading:
                    found = await purchases.listing(db, AGENCY, limit=50, **page)  # type: ignore[arg-type]
                assert await reading.of(db, "purchases") <= BOUND / 2
                assert [each.requested.process_id for each in found.rows] == expected[50 * number : 50 * number + 50]
            after = found.next
            read += [each.requested.process_id for each in found.rows]
            await db.execute(
                "insert into contracts.purchases select made.* from contracts.purchases a, jsonb_populate_record(a,"
                " jsonb_build_object('process_id', 'other-' || $2::text, 'buyer_id', 'else', 'supplier_id', 'else')) made"
                " where a.process_id = $1",
                expected[0],
                str(number),
            )
        assert read == expected
        async with listening(db) as reading:
            found = await purchases.listing(db, AGENCY, limit=50, open_only=True)
        assert await reading.of(db, "purchases") <= 400
        assert [each.requested.process_id for each in found.rows] == expected[:50]


async def test_what_is_to_be_carried_out_is_read_from_an_index_and_what_is_over_without_its_state(town: Town) -> None:
    work = await a_signed_contract(town)
    changes = f"""
        'buyer_id', case when n % 2 = 0 then '{AGENCY}' else 'buyer' end,
        'supplier_id', case when n % 3 = 0 then '{AGENCY}' else 'supplier' end,
        'buyer_waits', n % 4 = 0, 'supplier_waits', n % 5 = 0, 'due_at', a.disputed_at,
        'state', jsonb_set(a.state, '{{status}}', (case when n % 7 = 0 then '"closed"' else '"running"' end)::jsonb)
            || jsonb_build_object('contract_id', 'years-' || n)
    """
    await executions_of(town, work.contract_id)
    async with years(town, "executions", ("contract_id", work.contract_id), changes) as (_, db):
        await db.execute(
            "update contracts.executions set due_at = now() + right(contract_id, -6)::int * interval '1 s'"
            " where contract_id like 'years-%'"
        )
        async with listening(db) as reading:
            found = await executions.waiting(db, AGENCY, 50)
        assert await reading.of(db, "executions") <= 200
        ids = [f"years-{n}" for n in range(1, 21)]
        async with listening(db) as reading:
            assert await executions.statuses(db, ids) == {"years-7": "closed", "years-14": "closed"}
        assert await reading.of(db, "executions") <= 2
        assert {each.agenda.of("buyer", town.market.clock())[0].what for each in found} == {"order"}
        await db.execute("update contracts.executions set state = '\"novel\"' where contract_id like 'years-%'")
        assert await executions.waiting(db, AGENCY, 50) == found, "no state was read"
        await db.execute("update contracts.executions set version = version + 1 where contract_id like 'years-%'")
        assert await executions.waiting(db, AGENCY, 50) == [], "what a former release wrote is read from the state"
        mine = [n for n in range(1, 999) if (n % 2 == 0 and n % 4 == 0) or (n % 3 == 0 and n % 5 == 0)]
        assert [each.contract_id for each in found] == [f"years-{n}" for n in mine[:50]]


async def executions_of(town: Town, contract_id: str) -> None:
    async def there() -> bool:
        return await executions.get(town.market.ground.database.pool, contract_id) is not None

    await town.market.eventually(there)


async def test_the_clock_takes_what_is_due_from_an_index_in_portions(town: Town) -> None:
    work = await a_signed_contract(town)
    await executions_of(town, work.contract_id)
    purchase = await asked(town)
    now = town.market.clock()
    due = "'due_at', now() - n * interval '1 minute'"
    for table, pattern, lock_due in (
        ("deals", ("process_id", work.process_id), deals.lock_due),
        ("purchases", ("process_id", purchase), purchases.lock_due),
        ("executions", ("contract_id", work.contract_id), executions.lock_due),
    ):
        async with years(town, table, pattern, due) as (_, db):
            trouble = f"years-{MANY}" + (f"/{town.school.organisation_id}" if table == "deals" else "")
            for moment in (now + timedelta(days=9), now - timedelta(days=999)):
                for but in ((), (trouble,)):
                    async with listening(db) as reading:
                        found = await lock_due(db, moment, AT_ONCE, but)
                    assert len(found) == (AT_ONCE if moment > now else 0)
                    assert await reading.of(db, table) <= 2 * AT_ONCE + 1, (table, but)


@pytest.mark.parametrize("price", ["250.01", "900.00"])
async def test_of_ten_thousand_offers_of_a_sku_the_database_finds_a_cheaper_one(town: Town, price: str) -> None:
    """And looks at those alone that could be."""
    dear = await an_offer(town, price=D(price), tiers=(), supplier_id=town.suppliers[0].organisation_id)
    changes = f"""
        'body', a.body || jsonb_build_object('offer_id', 'years-' || n, 'price', (250 + n / 100.0)::text,
            'supplier_id', '{town.suppliers[1].organisation_id}')
    """
    async with years(town, "offers", ("offer_id", dear.offer_id), changes) as (_, db):
        offer = await replicas.offer(db, dear.offer_id)
        assert offer is not None
        asked_for = {"buyer_id": town.school.organisation_id, "quantity": D(10), "region": "RU-MOW"}
        on = town.market.clock().date()
        async with listening(db) as reading:
            rival = await replicas.cheaper(db, offer, Money(offer.price * 10, "RUB"), on=on, **asked_for)  # type: ignore[arg-type]
        assert await reading.of(db, "offers") <= (5 if price == "250.01" else MANY + 1)
        assert (rival and rival.offer_id) == (None if price == "250.01" else "years-1")
        elsewhere = {**asked_for, "region": "RU-SPE"}
        assert await replicas.cheaper(db, offer, Money(offer.price * 10, "RUB"), on=on, **elsewhere) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "total", "found"),
    [
        ({}, "2800.01", True),
        ({}, "2800.00", False),
        ({"currency": "EUR"}, "9000.00", False),
        ({"min_quantity": D(11)}, "9000.00", False),
        ({"max_quantity": D("9.5"), "tiers": ()}, "9000.00", False),
        ({"vat_included": False}, "3360.00", False),
        ({"vat_included": False}, "3360.01", True),
        ({"tiers": ()}, "3000.00", False),
        ({"tiers": (), "price": D("1E+2")}, "1000.01", True),
        ({"tiers": (), "price": D("250.0005")}, "2500.01", True),
        ({"tiers": (), "price": D("250.0005")}, "2500.00", False),
        ({"tiers": (), "price": D("250.0015")}, "2500.02", False),
        ({"tiers": (), "price": D("250.0015")}, "2500.03", True),
    ],
)
async def test_the_database_compares_offers_as_the_rules_do(
    town: Town, changes: dict[str, object], total: str, found: bool
) -> None:
    """Amounts right between two are rounded to the even one."""
    from events.catalogue import Tier

    sku = await an_offer(town)
    tiers = (Tier(from_quantity=D(5), price=D("280.00")), Tier(from_quantity=D(100), price=D("9.00")))
    other = town.suppliers[1].organisation_id
    fields = {"tiers": tiers, "min_quantity": D(1), "supplier_id": other, "sku_id": sku.sku_id} | changes
    rival = await an_offer(town, **fields)
    offer = await replicas.offer(town.market.ground.database.pool, sku.offer_id)
    assert offer is not None
    day = town.market.clock().date()
    got = await replicas.cheaper(
        town.market.ground.database.pool,
        offer,
        Money(D(total), "RUB"),
        buyer_id=town.school.organisation_id,
        quantity=D(10),
        region="RU-MOW",
        on=day,
    )
    assert (got and got.offer_id) == (rival.offer_id if found else None)
