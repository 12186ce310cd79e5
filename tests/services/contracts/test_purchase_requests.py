"""Requests for direct purchases as contracts lists them: those that wait, until they no longer wait."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from events.purchases import PurchaseWaits, PurchaseWaitsNoMore
from infra.config import Keep
from infra.ids import new_id
from infra.pruning import Pruner
from services.contracts.pages import OPEN_PURCHASES
from services.contracts.store import replicas
from services.contracts.store.pruning import PRUNES
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_town
from tests.unreadable import in_health, lists, only_a_newer_release_reads

SEEN = "/contracts/purchases/{}"


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


def a_request(town: Town, minutes: float = 60, **changes: Any) -> PurchaseWaits:
    """Build a request of the school to the first supplier, which has so many minutes to answer."""
    now = town.market.clock()
    waits = PurchaseWaits(
        process_id=new_id(),
        buyer_id=town.school.organisation_id,
        buyer_name="School No. 1",
        supplier_id=town.suppliers[0].organisation_id,
        supplier_name="Supplier 1",
        title="Paper",
        quantity=Decimal(100),
        currency="RUB",
        amount=Decimal(100),
        requested_at=now,
        due_at=now + timedelta(minutes=minutes),
    )
    return msgspec.structs.replace(waits, **changes)


async def both_see(town: Town) -> tuple[str, str]:
    """Return the lists of supplier and buyer."""
    async with town.market.client(town.suppliers[0]) as supplier, town.market.client(town.school) as buyer:
        return await lists(supplier, "/contracts"), await lists(buyer, "/contracts")


async def kept(town: Town, *requests: PurchaseWaits) -> None:
    async def there() -> bool:
        found = await town.market.fetch(
            "select from contracts.purchase_requests where process_id = any($1::text[])",
            [each.process_id for each in requests],
        )
        return len(found) == len(requests)

    await town.tell(*requests)
    await town.market.eventually(there)


async def test_a_request_that_cannot_be_read_does_not_affect_the_others(town: Town) -> None:
    whole, strange = a_request(town), a_request(town)
    await kept(town, whole, strange)
    key = ("process_id", strange.process_id)
    async with only_a_newer_release_reads(town.market, "contracts.purchase_requests", key, "body.due_at"):
        for said in await both_see(town):
            assert SEEN.format(whole.process_id) in said and SEEN.format(strange.process_id) not in said
        assert strange.process_id in in_health("contracts.purchase_requests").detail
    for said in await both_see(town):
        assert SEEN.format(strange.process_id) in said


async def test_a_request_that_no_longer_waits_is_not_listed_in_any_order_of_the_events(town: Town) -> None:
    early, late, other = (a_request(town) for _ in range(3))
    await kept(town, early)
    await town.tell(PurchaseWaitsNoMore(process_id=early.process_id), PurchaseWaitsNoMore(process_id=late.process_id))

    async def told() -> bool:
        found = await town.market.fetch(
            "select from contracts.purchases_answered where process_id = any($1::text[])",
            [early.process_id, late.process_id],
        )
        return len(found) == 2

    await town.market.eventually(told)
    await town.tell(late, early)  # as new messages that were not handled yet
    await kept(town, other)
    for said in await both_see(town):
        assert SEEN.format(other.process_id) in said
        assert SEEN.format(early.process_id) not in said and SEEN.format(late.process_id) not in said
    async with town.market.resources.database.transaction("contracts") as tx:
        await replicas.put_request(tx, late)
    assert not await town.market.fetch("select from contracts.purchase_requests where process_id = $1", late.process_id)


async def test_a_request_and_its_answer_from_two_system_processes_at_once_are_not_listed(town: Town) -> None:
    """Neither transaction sees the row that the other writes. The request's row stays, and nobody's list shows it."""
    both = a_request(town)
    await kept(town, both)
    await town.market.fetch("insert into contracts.purchases_answered (process_id) values ($1)", both.process_id)
    for said in await both_see(town):
        assert SEEN.format(both.process_id) not in said


async def test_one_whose_time_is_over_is_not_listed(town: Town) -> None:
    over, stands = a_request(town, -1), a_request(town)
    await kept(town, over, stands)
    for said in await both_see(town):
        assert SEEN.format(stands.process_id) in said and SEEN.format(over.process_id) not in said


async def test_where_more_wait_than_are_listed_the_page_says_so_in_each_language(town: Town) -> None:
    many = [a_request(town, 60 + n) for n in range(OPEN_PURCHASES + 1)]
    await kept(town, *many)
    asked = a_request(town, supplier_id=town.suppliers[1].organisation_id, buyer_id=town.suppliers[0].organisation_id)
    await kept(town, asked)
    for who in (town.suppliers[0], town.school):
        async with town.market.browser(who) as browser:
            for language, words in (
                (
                    "en",
                    f"Requests that wait for an answer: {len(many)}; the {OPEN_PURCHASES} that are due first are listed.",
                ),
                (
                    "es",
                    f"Solicitudes que esperan respuesta: {len(many)}; se muestran las {OPEN_PURCHASES} que vencen primero.",
                ),
                ("ru", f"Запросы, которые ждут ответа: {len(many)}; показаны {OPEN_PURCHASES} с самым близким сроком."),
            ):
                browser.client.cookies["lonja_language"] = language
                said = (await browser.get("/contracts")).text
                assert words in said
                assert SEEN.format(many[0].process_id) in said and SEEN.format(many[-1].process_id) not in said


async def test_a_list_reads_what_it_shows_and_what_is_counted(town: Town) -> None:
    one = a_request(town)
    async with rolled_back(town.market.resources.database.of("contracts"), "contracts") as (tx, db):
        await replicas.put_request(tx, one)
        await db.execute(
            "insert into contracts.purchase_requests select made.* from contracts.purchase_requests r,"
            " generate_series(1, 40000) n, jsonb_populate_record(r, jsonb_build_object('process_id', 'years-' || n,"
            " 'due_at', r.due_at + (n - 7000) * interval '1 minute',"
            " 'supplier_id', case when n % 20 = 0 then r.supplier_id else 's' || n % 99 end)) made where r.process_id = $1",
            one.process_id,
        )
        await db.execute(
            "insert into contracts.purchases_answered (process_id)"
            " select 'years-' || n from generate_series(1, 100000) n where n % 100 = 0 or n > 40000"
        )
        await db.execute("analyze contracts.purchase_requests, contracts.purchases_answered")
        async with recording_queries(db) as reading:
            found = await replicas.requests_of(
                db, "supplier", one.supplier_id, now=town.market.clock(), limit=OPEN_PURCHASES
            )
        assert len(found.rows) == OPEN_PURCHASES and found.more
        for table in ("purchase_requests", "purchases_answered"):
            assert await reading.rows_of(db, table) <= 3_500


async def test_old_requests_and_answers_are_deleted(town: Town) -> None:
    ours = new_id()
    for name, days in (("old", 31), ("over", 29), ("open", -1)):
        await town.market.fetch(
            "insert into contracts.purchase_requests (process_id, buyer_id, supplier_id, due_at, body)"
            f" values ($1, 'b', 's', now() - interval '{days} days', '{{}}')",
            f"{name}-{ours}",
        )
    for name, days in (("forgotten", 91), ("answered", 89)):
        await town.market.fetch(
            "insert into contracts.purchases_answered (process_id, told_at)"
            f" values ($1, now() - interval '{days} days')",
            f"{name}-{ours}",
        )
    pruner = Pruner("contracts", [], Keep(), PRUNES)
    while True:
        async with town.market.resources.database.transaction("contracts") as tx:
            if not await pruner.step(tx):
                break
    rows = await town.market.fetch(
        "select process_id from contracts.purchase_requests where process_id like '%' || $1"
        " union all select process_id from contracts.purchases_answered where process_id like '%' || $1",
        ours,
    )
    assert {row["process_id"].removesuffix(f"-{ours}") for row in rows} == {"over", "open", "answered"}
