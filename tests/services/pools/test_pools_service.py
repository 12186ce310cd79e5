"""Pools on the real servers: from the terms to the contracts, and what is refused, repeated or arrives late."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from msgspec import structs

from events.accounts import OrganisationRegistered, OrganisationStateChanged
from events.auctions import AuctionClosed, AuctionOpened, AuctionOpeningRefused
from events.catalogue import SkuArchived, SkuPublished
from events.contracts import ContractConcluded, ContractDrafted, ContractEnded
from events.observatory import ReferencePricePublished
from events.pools import PoolAllocated, PoolClosed, PoolOpened, PoolSourcingFailed, PoolSourcingRequested
from events.values import Category, Place, Refusal
from infra.ids import new_id
from infra.tokens import Principal
from services.pools import handlers, store
from services.pools.domain import Pool, apply
from services.pools.pages.pool import SHOWN_OF_LOG
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.policies import in_force, in_force_instead
from tests.unreadable import lists, only_a_newer_release_reads, says_so_in_place

MOSCOW = Place(country="RU", region="RU-MOW", locality="Moscow")
PAPER = Category(code="30197630", title="Printing paper")
SUPPLIER = Principal(
    member_id="s",
    name="Sam",
    organisation_id="sup",
    organisation_name="Sup",
    roles=("supplier_agent",),
    region="RU-MOW",
)


def an_officer(organisation_id: str = "") -> Principal:
    organisation_id = organisation_id or new_id()
    return Principal(
        member_id=f"m-{organisation_id}",
        name="Olga Ivanova",
        organisation_id=organisation_id,
        organisation_name=f"School {organisation_id[-4:]}",
        roles=("buyer_officer",),
        country="RU",
        region="RU-MOW",
    )


async def a_buyer(market: Market) -> Principal:
    officer = an_officer()
    await market.publish(
        OrganisationRegistered(
            organisation_id=officer.organisation_id,
            roles=("buyer",),
            name=officer.organisation_name,
            place=MOSCOW,
            time_zone="Europe/Moscow",
        )
    )
    await market.eventually(
        lambda: market.fetch("select 1 from pools.organisations where organisation_id = $1", officer.organisation_id)
    )
    return officer


async def a_sku(market: Market, reference: str = "", category: Category = PAPER) -> str:
    """Publish a SKU: paper in packs of 5 reams, with a reference price for one ream without VAT, for Moscow."""
    sku_id = new_id()
    await market.publish(
        SkuPublished(
            sku_id=sku_id,
            version=1,
            name=f"Paper A4 {sku_id[-6:]}",
            category=category,
            attributes=(),
            base_unit="RM",
            pack_size=Decimal(5),
        )
    )
    await market.eventually(lambda: market.fetch("select 1 from pools.skus where sku_id = $1", sku_id))
    if reference:
        await market.publish(a_reference(sku_id, reference))
        await market.eventually(lambda: market.fetch("select 1 from pools.reference_prices where sku_id = $1", sku_id))
    return sku_id


def a_reference(sku_id: str, median: str) -> ReferencePricePublished:
    return ReferencePricePublished(
        item_key=sku_id,
        reference_id=new_id(),
        version=1,
        sku_id=sku_id,
        title="Paper",
        category=PAPER,
        unit="RM",
        currency="RUB",
        level="region",
        place_code="RU-MOW",
        median=Decimal(median),
        p25=Decimal(median),
        p75=Decimal(median),
        observations=9,
        suppliers=4,
        variation=Decimal(5),
        grade="A",
        valued_at=datetime(2026, 11, 1, tzinfo=UTC),
    )


def terms(market: Market, sku_id: str, **changes: Any) -> dict[str, Any]:
    return {
        "title": "Paper for schools",
        "lines": [{"sku_id": sku_id, "unit_price": "100.00", "vat_rate": "20"}],
        "minimum_quantity": "20",
        "enrolment_ends_at": (market.clock() + timedelta(hours=2)).isoformat(),
        "regions": ["RU-MOW"],
        "duration_minutes": 6,
    } | changes


async def say(market: Market, who: Principal, path: str, data: Any = None, **headers: str) -> httpx.Response:
    async with market.client(who) as client:
        return await client.post(f"/api/pools{path}", json=data or {}, headers=headers)


async def ask(market: Market, pool_id: str) -> dict[str, Any]:
    async with market.client() as client:
        answer = await client.get(f"/api/pools/{pool_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def a_pool(market: Market, lead: Principal, sku_id: str, **changes: Any) -> str:
    answer = await say(market, lead, "", terms(market, sku_id, **changes))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["pool_id"])


async def enrol(
    market: Market, who: Principal, pool_id: str, sku_id: str, firm: str, tolerance: str = "0"
) -> httpx.Response:
    demand = {"line_id": sku_id, "firm": firm, "tolerance": tolerance}
    return await say(market, who, f"/{pool_id}/enrolment", {"demands": [demand]})


async def a_sourced_pool(market: Market, lead: Principal, other: Principal, sku_id: str, **changes: Any) -> str:
    """Return a pool in sourcing. Six packs of 5 are wanted: 4 by the lead, 2 by the other member."""
    pool_id = await a_pool(market, lead, sku_id, **changes)
    for who, firm, tolerance in ((lead, "18", "2"), (other, "10", "0")):
        assert (await enrol(market, who, pool_id, sku_id, firm, tolerance)).status_code == 200
    assert (await say(market, lead, f"/{pool_id}/freeze")).json()["stage"] == "frozen"
    answer = await say(market, lead, f"/{pool_id}/source", {"step_percent": "1"})
    assert answer.json()["stage"] == "sourcing", answer.text
    return pool_id


async def the_auction_of(market: Market, pool_id: str) -> AuctionOpened:
    """Return the auction that auctions opens for the pool."""
    asked: PoolSourcingRequested = next(
        each for each in reversed(await market.published("pools", PoolSourcingRequested)) if each.pool_id == pool_id
    )
    opened = AuctionOpened(
        auction_id=new_id(),
        buyer_id=asked.lead_id,
        buyer_name=asked.lead_name,
        title=asked.title,
        kind=asked.kind,
        category=asked.category,
        place=asked.place,
        currency=asked.currency,
        initial_price=sum(((line.quantity or 0) * (line.unit_price or 0) for line in asked.lines), Decimal(0)),
        step=Decimal(1),
        lines=asked.lines,
        policy=asked.policy,
        opens_at=market.clock(),
        closes_at=market.clock() + timedelta(minutes=asked.duration_minutes),
        pool_id=pool_id,
    )
    await market.publish(opened)
    return opened


def closed(opened: AuctionOpened, amount: str | None) -> AuctionClosed:
    """Build the close. There is one line, which has the whole amount."""
    total = None if amount is None else Decimal(amount)
    lines = tuple(msgspec.structs.replace(line, amount=total) for line in opened.lines) if total else ()
    same = {name: getattr(opened, name) for name in AuctionClosed.__struct_fields__ if hasattr(opened, name)}
    return AuctionClosed(
        **(same | {"lines": lines}),
        outcome="successful" if total else "unsuccessful",
        amount=total,
        winner_id="sup" if total else None,
        participants=2,
        bids=3,
        opened_at=opened.opens_at,
        closed_at=opened.closes_at,
    )


def drafted(pool: dict[str, Any], member: Principal, rank: int = 1) -> ContractDrafted:
    return ContractDrafted(
        process_id=pool["pool_id"],
        contract_id=f"c-{pool['pool_id']}-{member.organisation_id}-{rank}",
        award_id="a",
        origin="pool",
        pool_id=pool["pool_id"],
        buyer_id=member.organisation_id,
        buyer_name=member.organisation_name,
        supplier_id="sup",
        supplier_name="Sup",
        rank=rank,
        title="Paper",
        category=PAPER,
        place=MOSCOW,
        currency="RUB",
        amount=Decimal(1),
        lines=(),
        step="supplier-offer",
        due_at=pool["opened_at"],
    )


def concluded(draft: ContractDrafted) -> ContractConcluded:
    same = {name: getattr(draft, name) for name in ContractConcluded.__struct_fields__ if hasattr(draft, name)}
    return ContractConcluded(**same, method="limited", signed_at=draft.due_at)


def ended(draft: ContractDrafted) -> ContractEnded:
    same = {name: getattr(draft, name) for name in ContractEnded.__struct_fields__ if hasattr(draft, name)}
    return ContractEnded(**same, reason="lapsed", by="supplier", evasion=True)


async def until(market: Market, pool_id: str, **wanted: Any) -> dict[str, Any]:
    async def there() -> dict[str, Any] | None:
        pool = await ask(market, pool_id)
        return pool if all(pool[name] == value for name, value in wanted.items()) else None

    found = await market.eventually(there)
    assert found is not None
    return found


async def an_allocated_pool(market: Market) -> tuple[dict[str, Any], Principal, Principal, str]:
    lead, other, sku_id = await a_buyer(market), await a_buyer(market), await a_sku(market, "15")
    at_the_reference = [{"sku_id": sku_id, "vat_rate": "20"}]
    pool_id = await a_sourced_pool(market, lead, other, sku_id, lines=at_the_reference)
    opened = await the_auction_of(market, pool_id)
    await until(market, pool_id, auction_id=opened.auction_id)
    await market.publish(closed(opened, "500.01"))
    return await until(market, pool_id, stage="contracting"), lead, other, sku_id


async def test_agencies_buy_together_and_every_sum_is_exact(market: Market) -> None:
    pool, lead, other, _ = await an_allocated_pool(market)
    result = pool["result"]
    by_member = {each["member_id"]: each for each in result["allocations"]}
    # 4 and 2 packs of the 6: the cent that cannot be divided goes to one of them.
    assert Decimal(by_member[lead.organisation_id]["amount"]) == Decimal("333.34")
    assert Decimal(by_member[other.organisation_id]["amount"]) == Decimal("166.67")
    # Alone: 15 a ream without VAT is 90 a pack with 20 %.
    assert Decimal(by_member[other.organisation_id]["standalone"]) == Decimal("180.00")
    for name in ("amount", "standalone", "saving"):
        assert sum(Decimal(each[name]) for each in result["allocations"]) == Decimal(result[name])
    assert Decimal(result["saving"]) == Decimal("540.00") - Decimal("500.01")
    events = [each for each in await market.published("pools", PoolAllocated) if each.pool_id == pool["pool_id"]]
    assert len(events) == 1 and events[0].supplier_id == "sup"


async def test_the_log_replayed_gives_the_state_that_is_stored(market: Market) -> None:
    pool, *_ = await an_allocated_pool(market)
    rows = await market.fetch("select type, data from pools.log where pool_id = $1 order by position", pool["pool_id"])
    module = __import__("events.pools", fromlist=["pools"])
    replayed: Pool | None = None
    for row in rows:
        replayed = apply(replayed, msgspec.convert(row["data"], getattr(module, row["type"])))
    (stored,) = await market.fetch("select state from pools.pools where pool_id = $1", pool["pool_id"])
    assert replayed == msgspec.convert(stored["state"], Pool)


async def test_the_page_shows_the_newest_of_the_log_and_leads_to_the_rest(market: Market) -> None:
    lead, sku_id = await a_buyer(market), await a_sku(market)
    pool_id = await a_pool(market, lead, sku_id)
    for firm in range(1, 60):
        assert (await enrol(market, lead, pool_id, sku_id, str(firm))).status_code == 200
    assert (await say(market, lead, f"/{pool_id}/withdraw")).status_code == 200
    async with market.client(lead) as browser:
        first = (await browser.get(f"/pools/{pool_id}", headers={"accept": "text/html"})).text
        second = (await browser.get(f"/pools/{pool_id}?page=2", headers={"accept": "text/html"})).text
        far = await browser.get(f"/pools/{pool_id}?page=500&members=1", headers={"accept": "text/html"})
    assert first.count(" enrolled</li>") == SHOWN_OF_LOG - 1 and " withdrew</li>" in first
    assert f"/pools/{pool_id}?page=2#log" in first and 'value="59"' in first
    assert second.count(" enrolled</li>") == 59 - (SHOWN_OF_LOG - 1) and "Opened for enrolment" in second
    assert f"/pools/{pool_id}?page=1#log" in second and "page=3" not in second
    assert far.headers["location"] == f"/pools/{pool_id}?members=1&page=2"


async def test_the_newest_of_a_log_are_found_without_the_rest(market: Market) -> None:
    pool_id = await a_pool(market, await a_buyer(market), await a_sku(market))
    async with rolled_back(market.resources.database, "pools") as (tx, db):
        await db.execute(
            "insert into pools.log (pool_id, type, at, data) select pool_id, type, at, data from pools.log,"
            " generate_series(1, 5000) where pool_id = $1",
            pool_id,
        )
        await db.execute("analyze pools.log")
        async with recording_queries(db) as reading:
            assert len(await store.log_of(tx, pool_id, limit=SHOWN_OF_LOG)) == SHOWN_OF_LOG
        assert await reading.rows_of(db, "log") <= SHOWN_OF_LOG


async def test_it_closes_at_once_when_all_have_signed(market: Market) -> None:
    pool, lead, other, _ = await an_allocated_pool(market)
    for draft in (drafted(pool, lead), drafted(pool, other)):
        await market.publish(draft, concluded(draft))
    await until(market, pool["pool_id"], stage="closed")
    (event,) = [each for each in await market.published("pools", PoolClosed) if each.pool_id == pool["pool_id"]]
    assert (event.contracts, event.concluded) == (2, 2)


async def test_an_end_waits_for_the_cascade_before_it_counts(market: Market) -> None:
    pool, lead, other, _ = await an_allocated_pool(market)
    mine, first, second = drafted(pool, lead), drafted(pool, other), drafted(pool, other, rank=2)
    terminated = structs.replace(ended(mine), reason="cancelled")  # after it was signed
    await market.publish(mine, concluded(mine), terminated, first, ended(first), second, ended(first))
    pool = await until(market, pool["pool_id"], stage="contracting")

    async def replaced() -> bool:
        contract = (await ask(market, pool["pool_id"]))["contracts"][other.organisation_id]
        return (contract["contract_id"], contract["state"]) == (second.contract_id, "drafted")

    await market.eventually(replaced)
    await market.publish(ended(second))
    await market.eventually(
        lambda: market.fetch("select 1 from pools.pools where pool_id = $1 and due_at is not null", pool["pool_id"])
    )
    market.clock.advance(timedelta(hours=1))
    await until(market, pool["pool_id"], stage="closed")
    (event,) = [each for each in await market.published("pools", PoolClosed) if each.pool_id == pool["pool_id"]]
    assert (event.contracts, event.concluded) == (2, 1)


async def test_a_sourcing_that_fails_leaves_the_demand_frozen_and_says_why(market: Market) -> None:
    lead, other, sku_id = await a_buyer(market), await a_buyer(market), await a_sku(market)
    pool_id = await a_sourced_pool(market, lead, other, sku_id)
    refusal = Refusal(rule="above-ceiling", message="Above the ceiling.")
    await market.publish(AuctionOpeningRefused(pool_id=pool_id, buyer_id=lead.organisation_id, refusal=refusal))
    pool = await until(market, pool_id, stage="frozen")
    assert pool["refusal"]["rule"] == "above-ceiling"
    raised = await say(market, lead, f"/{pool_id}/source", {"step_percent": "1", "unit_prices": {sku_id: "101"}})
    assert raised.status_code == 422 and raised.json()["rule"] == "initial-price-raised"
    answer = await say(market, lead, f"/{pool_id}/source", {"step_percent": "1", "unit_prices": {sku_id: "90"}})
    assert answer.json()["stage"] == "sourcing"
    opened = await the_auction_of(market, pool_id)
    assert opened.initial_price == 540
    await until(market, pool_id, auction_id=opened.auction_id)
    await market.publish(closed(opened, None))
    assert (await until(market, pool_id, stage="frozen"))["refusal"]["rule"] == "nobody-bid"
    failed = [each for each in await market.published("pools", PoolSourcingFailed) if each.pool_id == pool_id]
    assert [each.refusal.rule for each in failed] == ["above-ceiling", "nobody-bid"]
    third = (await say(market, lead, f"/{pool_id}/source", {"step_percent": "1"})).json()
    assert (third["stage"], third["auction_id"]) == ("sourcing", None)  # the old auction is not the one to watch


async def test_the_same_request_again_opens_one_pool(market: Market) -> None:
    lead, sku_id = await a_buyer(market), await a_sku(market)
    data, key = terms(market, sku_id), {"Idempotency-Key": new_id()}
    first, again = [await say(market, lead, "", data, **key) for _ in range(2)]
    assert first.json()["pool_id"] == again.json()["pool_id"]
    opened = [each for each in await market.published("pools", PoolOpened) if each.lead_id == lead.organisation_id]
    assert len(opened) == 1


async def test_a_buyer_leads_so_many_pools_and_opens_the_next_when_one_is_over(market: Market, tmp_path: Path) -> None:
    lead, sku_id = await a_buyer(market), await a_sku(market)
    with in_force(tmp_path, "pool", "open_in_all = 1", market.resources.config.policy):
        first = await a_pool(market, lead, sku_id)
        refused = (await say(market, lead, "", terms(market, sku_id))).json()
        assert (refused["rule"], refused["numbers"]) == ("too-many-pools-open", {"most": 1})
        assert (await say(market, lead, f"/{first}/cancel", {"reason": "No budget."})).status_code < 300
        await a_pool(market, lead, sku_id)


async def test_a_line_without_a_price_begins_at_the_reference(market: Market) -> None:
    lead, sku_id = await a_buyer(market), await a_sku(market, "15")
    pool_id = await a_pool(market, lead, sku_id, lines=[{"sku_id": sku_id, "vat_rate": "20"}])
    assert Decimal((await ask(market, pool_id))["lines"][0]["unit_price"]) == 90


async def test_a_line_without_a_vat_rate_has_the_policys_and_begins_at_the_reference_too(market: Market) -> None:
    lead, sku_id = await a_buyer(market), await a_sku(market, "15")
    pool_id = await a_pool(market, lead, sku_id, lines=[{"sku_id": sku_id}])
    (line,) = (await ask(market, pool_id))["lines"]
    assert (Decimal(line["unit_price"]), Decimal(line["vat_rate"])) == (Decimal("91.5"), 22)


async def test_a_stored_pool_whose_lines_have_no_vat_rate_is_compared_at_the_policys(market: Market) -> None:
    lead, sku_id = await a_buyer(market), await a_sku(market, "15")
    pool_id = await a_pool(market, lead, sku_id, lines=[{"sku_id": sku_id, "unit_price": "90", "vat_rate": "20"}])
    assert (await enrol(market, lead, pool_id, sku_id, "20")).status_code == 200
    async with market.resources.database.transaction("pools") as tx:
        kept = await store.get(await tx.raw(), pool_id)
        assert kept is not None
        (line,) = kept.pool.opened.lines
        former = structs.replace(kept.pool.opened, lines=(structs.replace(line, vat_rate=None),))
        alone = await handlers._prices_alone(tx, structs.replace(kept.pool, opened=former))
    assert alone == {(lead.organisation_id, sku_id): Decimal("91.5")}


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"lines": []}, "no-lines"),
        ({"lines": [{"sku_id": "none"}]}, "unknown-sku"),
        ({"minimum_quantity": "0"}, "minimum-not-positive"),
        ({"enrolment_ends_at": "2020-01-01T00:00:00Z"}, "enrolment-too-short"),
        ({"currency": "EUR"}, "not-the-markets-currency"),
        ({"kind": "banana"}, "unknown-kind"),
        ({"duration_minutes": 7}, "duration-not-offered"),
    ],
)
async def test_terms_that_break_a_rule_are_refused(market: Market, changes: dict[str, Any], rule: str) -> None:
    lead, sku_id = await a_buyer(market), await a_sku(market)
    answer = await say(market, lead, "", terms(market, sku_id, **changes))
    assert (answer.status_code, answer.json()["rule"]) == (422, rule)


async def test_skus_that_fit_into_no_auction_open_no_pool(market: Market) -> None:
    """The rules of an auction are those of the pool that will ask for it: the API names rule and field, and the form
    says it above the lines, in the reader's language."""
    lead = await a_buyer(market)
    skus = [await a_sku(market), await a_sku(market, category=Category(code="09100000"))]
    lines = [{"sku_id": each, "unit_price": "100.00", "vat_rate": "20"} for each in skus]
    answer = await say(market, lead, "", terms(market, "", lines=lines))
    assert answer.status_code == 422, answer.text
    assert (answer.json()["rule"], answer.json()["field"]) == ("not-one-functional-group", "lines")
    form = {"title": "Paper and oil", "below_minimum": "cancel", "minimum_quantity": "20", "duration_minutes": "6"}
    form |= {"enrolment_ends_at": "2030-01-01T12:00", "request_key": new_id(), "do": "open"}
    for number, sku_id in enumerate(skus):
        form |= {f"sku_{number}": sku_id, f"price_{number}": "95", f"vat_{number}": "20"}
    for language, said in (("en", "one functional group"), ("es", "mismo grupo"), ("ru", "одной функциональной")):
        async with market.browser(structs.replace(lead, language=language)) as browser:
            shown = await browser.post("/pools/new", form)
        assert shown.status_code == 422
        assert re.search(rf'id="lines-note"[^>]*>[^<]*{said}', shown.text), (language, shown.text)
    assert (
        await market.fetch("select 1 from pools.pools where state->'opened'->>'lead_id' = $1", lead.organisation_id)
        == []
    )


FORM = {"title": "Paper", "below_minimum": "cancel", "minimum_quantity": "20", "duration_minutes": "6"}
FORM |= {"enrolment_ends_at": "2030-01-01T12:00", "do": "open"}


async def test_terms_that_no_auction_may_buy_are_refused_before_anybody_enrols(market: Market) -> None:
    """The ceiling of the minimum and the reference price are checked with the terms, at their fields."""
    lead, sku_id = await a_buyer(market), await a_sku(market, "15")
    dear = terms(market, sku_id, minimum_quantity="9000000", lines=[{"sku_id": sku_id, "vat_rate": "20"}])
    for wanted, rule, field in (
        (dear, "ceiling-exceeded", "minimum_quantity"),
        (terms(market, sku_id), "above-reference-price", "lines"),
    ):
        answer = await say(market, lead, "", wanted)
        assert (answer.status_code, answer.json()["rule"], answer.json()["field"]) == (422, rule, field)
    line = {"sku_0": sku_id, "vat_0": "20", "request_key": new_id()}
    for language, much, above in (
        ("en", "The minimum quantity costs at least", "above the reference price"),
        ("es", "La cantidad mínima cuesta al menos", "por encima del precio de referencia"),
        ("ru", "Минимальное количество стоит", "выше референтной цены"),
    ):
        async with market.browser(structs.replace(lead, language=language)) as browser:
            for changed, name, said in (
                ({"price_0": "90", "minimum_quantity": "9000000"}, "minimum_quantity", much),
                ({"price_0": "90.01"}, "price_0", above),
            ):
                shown = await browser.post("/pools/new", FORM | line | changed)
                assert shown.status_code == 422
                assert re.search(rf'id="{name}-note"[^>]*>[^<]*{said}', shown.text), (language, name)


async def test_a_sku_that_is_archived_while_the_form_is_open_is_named_at_its_line(market: Market) -> None:
    lead, sku_id, other = await a_buyer(market), await a_sku(market), await a_sku(market)
    await market.publish(SkuArchived(sku_id=sku_id, reason="made no more"))
    await market.eventually(lambda: gone_from_pools(market, sku_id))
    form = FORM | {"request_key": new_id(), "sku_0": sku_id, "name_0": "Red paper", "price_0": "95", "vat_0": "20"}
    form |= {"sku_1": other, "price_1": "96", "vat_1": "20"}
    for language, said in (
        ("en", "This SKU is not published any more"),
        ("es", "Este artículo ya no está publicado"),
        ("ru", "Этот товар больше не опубликован"),
    ):
        async with market.browser(structs.replace(lead, language=language)) as browser:
            for do in ("open", "search"):
                shown = await browser.post("/pools/new", form | {"do": do})
                assert shown.status_code == 422
                assert re.search(rf'id="sku_0-note">{said}', shown.text), (language, do)
                assert "Red paper" in shown.text and 'value="95"' in shown.text and 'href="#sku_0-note"' in shown.text
            removed = await browser.post("/pools/new", form | {"do": f"remove:{sku_id}"})
            assert said not in removed.text and 'value="96"' in removed.text


async def gone_from_pools(market: Market, sku_id: str) -> bool:
    return not await market.fetch("select 1 from pools.skus where sku_id = $1 and not archived", sku_id)


async def test_a_market_without_live_auctions_opens_no_pool(market: Market, tmp_path: Path) -> None:
    lead, sku_id = await a_buyer(market), await a_sku(market)
    with in_force_instead(tmp_path, market.resources.config.policy, "acordar"):
        answer = await say(market, lead, "", terms(market, sku_id, currency="ARS"))
        assert (answer.status_code, answer.json()["rule"]) == (422, "no-live-auction")
        async with market.browser(lead) as browser:
            assert "no live auction" in (await browser.get("/pools/new")).text


async def test_only_active_buyers_take_part(market: Market) -> None:
    lead, other, sku_id = await a_buyer(market), await a_buyer(market), await a_sku(market)
    pool_id = await a_pool(market, lead, sku_id)
    assert (await enrol(market, SUPPLIER, pool_id, sku_id, "5")).status_code == 403
    assert (await enrol(market, an_officer(), pool_id, sku_id, "5")).json()["rule"] == "not-an-active-buyer"
    await market.publish(
        OrganisationStateChanged(organisation_id=other.organisation_id, state="suspended", reason="test")
    )
    await market.eventually(
        lambda: market.fetch(
            "select 1 from pools.organisations where organisation_id = $1 and state = 'suspended'",
            other.organisation_id,
        )
    )
    assert (await enrol(market, other, pool_id, sku_id, "5")).json()["rule"] == "not-an-active-buyer"
    assert (await say(market, lead, "/nowhere/freeze")).status_code == 404


async def test_the_deadline_freezes_what_is_viable_and_cancels_what_is_not(market: Market) -> None:
    lead, sku_id = await a_buyer(market), await a_sku(market)
    viable, short = await a_pool(market, lead, sku_id), await a_pool(market, lead, sku_id)
    extended = await a_pool(market, lead, sku_id, below_minimum="extend-once")
    await enrol(market, lead, viable, sku_id, "20")
    await enrol(market, lead, short, sku_id, "19")
    market.clock.advance(timedelta(hours=2, seconds=1))
    await until(market, viable, stage="frozen")
    assert (await until(market, short, stage="cancelled"))["refusal"]["rule"] == "minimum-not-reached"
    await until(market, extended, extended=True, stage="enrolling")


async def test_the_list_filters_by_group_region_and_category(market: Market) -> None:
    lead, sku_id = await a_buyer(market), await a_sku(market)
    pool_id = await a_pool(market, lead, sku_id)
    async with market.client() as client:
        for query, there in (
            ("group=enrolling&region=RU-MOW&category=3019", True),
            ("group=enrolling&region=ru-mow", True),
            ("group=done", False),
            ("region=RU-SPE", False),
            ("category=33", False),
        ):
            found = {each["pool_id"] for each in (await client.get(f"/api/pools?{query}")).json()}
            assert (pool_id in found) is there, query


async def test_the_list_says_of_a_pool_what_the_pool_itself_says(market: Market) -> None:
    pools = [(await an_allocated_pool(market))[0]["pool_id"]]
    lead, sku_id = await a_buyer(market), await a_sku(market)
    pools += [await a_pool(market, lead, sku_id), await a_pool(market, lead, sku_id, regions=[])]
    await enrol(market, lead, pools[1], sku_id, "20.5")
    async with market.client() as client:
        listed = {each["pool_id"]: each for each in (await client.get("/api/pools?limit=100")).json()}
    for pool_id in pools:
        whole = await ask(market, pool_id)
        assert listed[pool_id] == {name: whole[name] for name in listed[pool_id]}
    assert (listed[pools[0]]["saving"], listed[pools[1]]["firm_quantity"]) != (None, "0")


async def test_the_list_does_not_read_what_it_does_not_show(market: Market) -> None:
    """# the old auction must not be shown"""
    pool, *_ = await an_allocated_pool(market)
    novel = "state"
    for path in ("opened,lines", "allocated,allocations", "sourcing"):
        novel = f"""jsonb_set({novel}, '{{{path}}}', '"novel"')"""
    await market.fetch(f"update pools.pools set state = {novel} where pool_id = $1", pool["pool_id"])
    async with market.client() as client:
        listed = {each["pool_id"]: each for each in (await client.get("/api/pools?limit=100")).json()}
    await market.fetch("delete from pools.pools where pool_id = $1", pool["pool_id"])
    assert listed[pool["pool_id"]]["saving"] == pool["saving"]


class TestPages:
    async def test_who_may_see_what(self, market: Market) -> None:
        officer, sku_id = await a_buyer(market), await a_sku(market)
        pool_id = await a_pool(market, officer, sku_id)
        for who, expected in ((None, 200), (SUPPLIER, 200), (officer, 200)):
            async with market.browser(who) as browser:
                assert (await browser.get("/pools")).status_code == expected
                assert (await browser.get(f"/pools/{pool_id}")).status_code == expected
        async with market.browser(SUPPLIER) as browser:
            assert (await browser.get("/pools/new")).status_code == 403
        async with market.browser(officer) as browser:
            assert (await browser.get("/pools/new", sku=sku_id)).status_code == 200
            both = (await browser.client.get(f"/pools/new?sku={sku_id}&quantity=2&sku={await a_sku(market)}")).text
            assert 'name="sku_0"' in both and 'name="sku_1"' in both
            assert (await browser.get("/pools/nowhere")).status_code == 404

    async def test_a_pool_is_opened_enrolled_in_and_left_and_joined_again_without_script(self, market: Market) -> None:
        officer, sku_id = await a_buyer(market), await a_sku(market, "15")
        async with market.browser(officer) as browser:
            form = {"title": "Paper by hand", "below_minimum": "cancel", "duration_minutes": "6", "regions": "RU-MOW"}
            form |= {"request_key": new_id(), "minimum_quantity": "20", "enrolment_ends_at": "2030-01-01T12:00"}
            searched = await browser.post("/pools/new", form | {"do": "search", "search": sku_id[-6:]})
            assert f"add:{sku_id}" in searched.text
            added = await browser.post("/pools/new", form | {"do": f"add:{sku_id}"})
            assert 'value="91.50"' in added.text and "Paper by hand" in added.text
            line = {"sku_0": sku_id, "price_0": "90", "vat_0": "20"}
            removed = await browser.post("/pools/new", form | line | {"do": f"remove:{sku_id}"})
            assert "sku_0" not in removed.text
            wrong = await browser.post("/pools/new", form | line | {"do": "open", "minimum_quantity": "none"})
            assert wrong.status_code == 422 and "must be a number" in wrong.text
            pasted = await browser.post("/pools/new", form | line | {"do": "open", "title": "Paper\u2028A4"})
            assert pasted.status_code == 422
            assert "has a character that cannot be shown" in pasted.text and 'value="Paper\ufffdA4"' in pasted.text
            ticked = await browser.post("/pools/new", form | line | {"do": "open", "regions": ["RU-MOW"] * 3_000})
            assert ticked.status_code == 422
            assert '<p class="error" id="regions-note">has more than 1\u202f000 entries</p>' in ticked.text
            fine = await browser.post(
                "/pools/new", form | line | {"do": "open", "minimum_quantity": "0.0000000000000001"}
            )
            assert fine.status_code == 422 and "has more than 5 decimals" in fine.text
            bare = form | {"do": "open", "minimum_quantity": "0", "enrolment_ends_at": "2020-01-01T12:00"}
            empty = await browser.post("/pools/new", bare)
            assert empty.status_code == 422
            for name, said in (
                ("lines", "A pool needs at least one line."),
                ("minimum_quantity", "must be above zero"),
                ("enrolment_ends_at", r"Enrolment must end in the future; it is now [-\d]+ [:\d]+ \(Europe/Moscow\)"),
            ):
                assert re.search(f'<p class="error" id="{name}-note">{said}', empty.text), name
            opened = await browser.post("/pools/new", form | line | {"do": "open"})
            assert opened.status_code == 200, opened.text
            path = opened.url.path
            assert re.fullmatch("/pools/[0-9a-f-]{36}", path)
            assert (await browser.post("/pools/new", form | line | {"do": "open"})).url.path == path
            edited = await browser.post("/pools/new", form | line | {"do": "open", "title": "Paper, edited"})
            assert edited.status_code == 422 and "with other content" in edited.text and "Paper, edited" in edited.text
            fresh = re.search(r'name="request_key" value="([^"]+)"', edited.text)
            assert fresh is not None and fresh[1] != form["request_key"]
            fine = await browser.post(f"{path}/enrolment", {"firm_0": "12.345678"})
            assert fine.status_code == 422 and "more than 5 decimals" in fine.text, (
                "what is bought is shared out exactly"
            )
            refused = await browser.post(f"{path}/enrolment", {"firm_0": "-1"})
            assert refused.status_code == 422 and "above zero" in refused.text
            outside = await browser.post(f"{path}/enrolment", {"firm_0": "20", "region": "RU-SPE"})
            assert outside.status_code == 422 and "not in RU-SPE" in outside.text
            assert "minimum reached" in (await browser.post(f"{path}/enrolment", {"firm_0": "20"})).text
            left = await browser.post(f"{path}/withdraw")
            assert "Enrol again" in left.text and 'value="20"' in left.text
            again = await browser.post(f"{path}/enrolment", {"firm_0": "20", "tolerance_0": "2"})
            assert "Your demand" in again.text
            await market.publish(structs.replace(a_reference(sku_id, "14"), version=2))
            newer = "select 1 from pools.reference_prices where sku_id = $1 and version = 2"
            await market.eventually(lambda: market.fetch(newer, sku_id))
            frozen = await browser.post(f"{path}/freeze")
            assert re.search(r"below the 90\.00 of the terms: the price here was lowered to it", frozen.text)
            assert 'value="84.00"' in frozen.text  # Demands, lines and allocations can have megabytes.
            dear = await browser.post(f"{path}/source", {"price_0": "60000", "duration_minutes": "3"})
            assert dear.status_code == 422 and "begins at no more than 100\u202f000 RUB" in dear.text
            assert "begins at no more" not in frozen.text
            sourcing = await browser.post(
                f"{path}/source", {"step_percent": "1", "duration_minutes": "6", "price_0": "84"}
            )
            assert "You asked for the mini-auction." in sourcing.text
            late = await browser.post(f"{path}/cancel", {"reason": "too late"})
            assert late.status_code == 422

    async def test_the_result_is_shown_with_savings_and_contracts_linked_for_those_who_may_read_them(
        self, market: Market
    ) -> None:
        pool, lead, other, _ = await an_allocated_pool(market)
        draft = drafted(pool, lead)
        await market.publish(draft)

        async def shown(reader: Principal) -> str:
            async with market.browser(reader) as browser:
                return (await browser.get(f"/pools/{pool['pool_id']}")).text

        async def told() -> bool:
            text = await shown(other)
            return "to be signed" in text and "39.99" in text and "being drafted" in text

        await market.eventually(told)
        link = f"/contracts/{draft.contract_id}"
        assert link in await shown(lead) and link not in await shown(other), "a draft is its two parties'"
        await market.publish(concluded(draft))

        async def linked() -> bool:
            return link in await shown(other)

        await market.eventually(linked)


@pytest.mark.parametrize("part", ["state.stage", "state.opened"])
async def test_a_pool_that_cannot_be_read_does_not_hide_the_others_in_lists(
    market: Market, caplog: pytest.LogCaptureFixture, part: str
) -> None:
    lead, sku_id = await a_buyer(market), await a_sku(market)
    first, strange, last = [await a_pool(market, lead, sku_id) for _ in range(3)]
    async with (
        only_a_newer_release_reads(market, "pools.pools", ("pool_id", strange), part),
        market.client() as client,
    ):
        for path in ("/api/pools", "/pools"):
            said = await lists(client, path)
            assert first in said and last in said and strange not in said
    assert f"pool {strange} cannot be read" in caplog.text


async def test_a_line_of_its_log_that_cannot_be_read_says_so_in_its_place(market: Market) -> None:
    lead, other, sku_id = await a_buyer(market), await a_buyer(market), await a_sku(market)
    pool_id = await a_pool(market, lead, sku_id)
    for who in (lead, other):
        assert (await enrol(market, who, pool_id, sku_id, "5")).status_code == 200
    (last,) = await market.fetch("select max(position) as position from pools.log where pool_id = $1", pool_id)
    where = f"pool_id = '{pool_id}' and position = {last['position']}"
    strange = "type = 'PoolCancelled', data = '{\"refusal\": 5}'::jsonb"
    await market.fetch(f"update pools.log set {strange} where {where}")
    await says_so_in_place(market, None, f"/pools/{pool_id}", lead.organisation_name)
