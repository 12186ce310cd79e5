"""Direct purchases on the real servers."""

from decimal import Decimal as D
from typing import Any

import pytest
from msgspec import structs

from catalogue.policy import load
from events.catalogue import OfferArchived
from events.contracts import ContractConcluded, PurchaseAnswered, PurchaseRequested
from events.values import Category
from infra.ids import new_id
from infra.web.languages import COOKIE
from services.purchases.store import replicas
from services.purchases.store.purchases import count_unanswered
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_town, an_offer, in_time
from tests.unreadable import in_health, lists, only_a_newer_release_reads

PURCHASES = "/api/contracts/purchases"


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


async def asked(town: Town, **changes: Any) -> str:
    """Request a purchase and return its id."""
    offer = await an_offer(town)
    body = {"offer_id": offer.offer_id, "quantity": "100", **changes}
    status, answer = await town.post(town.school, PURCHASES, body)
    assert status == 201, answer
    return str(answer["purchase_id"])


async def answer(town: Town, purchase_id: str, accept: bool, by: int = 0) -> tuple[int, Any]:
    return await town.post(
        town.suppliers[by], f"{PURCHASES}/{purchase_id}/answer", {"accept": accept, "reason": "Well"}
    )


async def bought(town: Town, purchase_id: str, event: Any) -> list[Any]:
    """Return the events of purchases about this purchase."""
    found = await town.market.published("purchases", event)
    return [each for each in found if each.process_id == purchase_id]


async def drafted(town: Town, contract_id: str) -> Any:
    """Wait until the service of contracts has drafted the contract, and return it."""

    async def there() -> Any:
        found = await town.read(town.school, f"/api/contracts/{contract_id}")
        return found if found != 404 else None

    return await town.market.eventually(there)


async def test_accepted_it_is_drafted_by_the_buyer_and_signed_by_the_supplier(town: Town) -> None:
    purchase_id = await asked(town)
    (requested,) = await bought(town, purchase_id, PurchaseRequested)
    assert (str(requested.unit_price), str(requested.amount), requested.place.region) == (
        "280.00",
        "28000.00",
        "RU-MOW",
    )
    status, shown = await answer(town, purchase_id, True)
    assert (status, shown["answer"], shown["reason"]) == (201, "accepted", "Well")
    contract_id = shown["contract_id"]
    assert (await drafted(town, contract_id))["step"] == "buyer-draft"
    assert (await town.step(town.school, contract_id, "buyer-draft"))[0] == 201
    assert (await town.step(town.suppliers[0], contract_id, "supplier-signature"))[0] == 201
    (concluded,) = await town.events(ContractConcluded, purchase_id)
    assert (concluded.origin, str(concluded.amount), concluded.method) == ("purchase", "28000.00", "direct")


async def test_the_same_request_again_asks_once(town: Town) -> None:
    offer, key = await an_offer(town), new_id()
    body = {"offer_id": offer.offer_id, "quantity": "10"}
    first, again = [await town.post(town.school, PURCHASES, body, key=key) for _ in range(2)]
    status, edited = await town.post(town.school, PURCHASES, body | {"quantity": "20"}, key=key)
    assert (status, edited["rule"]) == (422, "idempotency-key-reused")
    assert first == again and first[0] == 201
    assert len(await town.read(town.school, PURCHASES)) == 1
    assert len(await town.read(town.suppliers[0], PURCHASES)) == 1


async def test_refused_or_unanswered_it_comes_to_nothing(town: Town) -> None:
    refused = await asked(town)
    for _ in range(2):
        assert (await answer(town, refused, False))[1]["answer"] == "refused"
    assert (await answer(town, refused, True))[1]["rule"] == "answered-otherwise"
    assert len(await bought(town, refused, PurchaseAnswered)) == 1
    silent = await asked(town)
    in_time(town, 31)

    async def lapsed() -> bool:
        return bool((await town.read(town.school, f"{PURCHASES}/{silent}"))["answer"] == "lapsed")

    await town.market.eventually(lapsed)
    assert (await answer(town, silent, True))[1]["rule"] == "answer-overdue"
    assert (await town.read(town.school, f"{PURCHASES}/{silent}"))["contract_id"] is None


async def test_only_the_two_parties_know_and_only_the_supplier_answers(town: Town) -> None:
    purchase_id = await asked(town)
    assert (await answer(town, purchase_id, True, by=1))[0] == 404
    assert await town.read(town.clinic, f"{PURCHASES}/{purchase_id}") == 404
    assert await town.read(None, f"{PURCHASES}/{purchase_id}") == 401
    assert (await town.read(town.school, f"{PURCHASES}/{purchase_id}"))["answer"] == ""


@pytest.mark.parametrize(
    ("changes", "rule", "field"),
    [
        ({"quantity": "9"}, "offer-not-available", "quantity"),
        ({"quantity": "5001"}, "offer-not-available", "quantity"),
        ({"quantity": "0"}, "quantity-not-positive", "quantity"),
        ({"quantity": "NaN"}, "not-finite", "quantity"),
        ({"quantity": "5000"}, "purchase-above-ceiling", "quantity"),
        ({"region": "RU-SPE"}, "offer-not-available", "region"),
        ({"region": "Nowhere"}, "unknown-region", "region"),
    ],
)
async def test_against_the_rules_it_is_rejected_with_rule_and_field(
    town: Town, changes: dict[str, str], rule: str, field: str
) -> None:
    offer = await an_offer(town)
    status, problem = await town.post(town.school, PURCHASES, {"offer_id": offer.offer_id, "quantity": "10", **changes})
    assert (status, problem["rule"], problem["field"]) == (422, rule, field)


async def test_goods_in_demand_are_bought_only_from_the_cheapest_standing_offer(town: Town) -> None:
    rolls = Category(code="33761000", title="Toilet paper")
    dear = await an_offer(town, category=rolls)
    other = town.suppliers[1].organisation_id
    cheap = await an_offer(town, category=rolls, sku_id=dear.sku_id, supplier_id=other, price=D("290.00"))
    wanted = {"offer_id": dear.offer_id, "quantity": "10"}
    status, problem = await town.post(town.school, PURCHASES, wanted)
    assert (status, problem["rule"], problem["field"]) == (422, "not-the-cheapest", "offer_id")
    assert (await town.post(town.school, PURCHASES, {**wanted, "offer_id": cheap.offer_id}))[0] == 201
    await town.tell(OfferArchived(sku_id=cheap.sku_id, offer_id=cheap.offer_id, supplier_id=other, reason="withdrawn"))

    async def cheapest_now() -> bool:
        return (await town.post(town.school, PURCHASES, wanted))[0] == 201

    await town.market.eventually(cheapest_now)


async def test_an_archived_offer_is_not_bought_and_its_request_stands(town: Town) -> None:
    offer = await an_offer(town)
    body = {"offer_id": offer.offer_id, "quantity": "10"}
    _, before = await town.post(town.school, PURCHASES, body)
    await town.tell(
        OfferArchived(sku_id=offer.sku_id, offer_id=offer.offer_id, supplier_id=offer.supplier_id, reason="withdrawn")
    )

    async def gone() -> bool:
        status, refused = await town.post(town.school, PURCHASES, body)
        return status == 422 and refused["rule"] == "offer-ended"

    await town.market.eventually(gone)
    form = "/contracts/purchases/new"
    async with town.market.browser(town.school) as browser:
        for language, said in (("en", "This offer has ended"), ("es", "ha terminado"), ("ru", "предложение завершено")):
            browser.client.cookies.set(COOKIE, language)
            late = await browser.post(form, body)
            assert late.status_code == 422 and said in late.text and f"/catalogue/skus/{offer.sku_id}" in late.text
            assert said in (await browser.get(form, offer=offer.offer_id)).text
    assert (await answer(town, before["purchase_id"], True))[1]["answer"] == "accepted"


async def test_an_offer_whose_end_arrives_before_its_publication_cannot_be_bought(town: Town) -> None:
    offer = structs.replace(await an_offer(town), offer_id=new_id())
    archived = OfferArchived(
        offer_id=offer.offer_id, sku_id=offer.sku_id, supplier_id=offer.supplier_id, reason="withdrawn"
    )
    async with town.market.resources.database.transaction("purchases") as tx:
        await replicas.archive_offers(tx, [archived, archived])
        await replicas.put_offers(tx, [offer])
    status, refused = await town.post(town.school, PURCHASES, {"offer_id": offer.offer_id, "quantity": "100"})
    assert status in (404, 422), refused


async def test_an_offer_that_cannot_be_read_does_not_affect_the_others(town: Town) -> None:
    whole, strange = await an_offer(town), await an_offer(town)
    key = ("offer_id", strange.offer_id)
    async with (
        only_a_newer_release_reads(town.market, "purchases.offers", key, "body.regions"),
        town.market.client(town.school) as client,
    ):
        await lists(client, f"/contracts/purchases/new?offer={whole.offer_id}")
        answer = await client.post(PURCHASES, json={"offer_id": strange.offer_id, "quantity": "100"})
        assert (answer.status_code, answer.json()["rule"]) == (503, "unreadable-row")
        assert strange.offer_id in in_health("purchases.offers").detail


async def test_a_purchase_or_contract_that_cannot_be_read_does_not_hide_the_others_in_lists(town: Town) -> None:
    whole, strange = [await asked(town) for _ in range(2)]
    key = ("process_id", strange)
    async with (
        only_a_newer_release_reads(town.market, "purchases.purchases", key, "state.requested"),
        town.market.client(town.school) as client,
    ):
        said = await lists(client, PURCHASES)
        assert whole in said and strange not in said
    kept, lost = [(await answer(town, each, True))[1]["contract_id"] for each in (whole, strange)]
    for each in (kept, lost):
        await drafted(town, each)
    async with (
        only_a_newer_release_reads(town.market, "contracts.contracts", ("contract_id", lost), "drafted.rank"),
        town.market.client(town.school) as client,
    ):
        for path in ("/api/contracts", "/contracts"):
            said = await lists(client, path)
            assert kept in said and lost not in said


async def waiting(town: Town, purchase_id: str, number: int, supplier_id: str | None = None) -> None:
    """Add so many unanswered requests like this one, by default to the same supplier."""
    await town.market.fetch(
        "insert into purchases.purchases select made.* from purchases.purchases one, generate_series(1, $2::int) n,"
        " jsonb_populate_record(one, jsonb_build_object('process_id', one.process_id || coalesce($3, '') || n,"
        " 'supplier_id', coalesce($3, one.supplier_id))) made where one.process_id = $1",
        purchase_id,
        number,
        supplier_id,
    )


async def test_so_many_requests_wait_for_one_supplier_and_in_all_and_an_answer_makes_room(town: Town) -> None:
    rules = load("demo").purchase
    purchase_id = await asked(town)
    offer = await an_offer(town)
    wanted = {"offer_id": offer.offer_id, "quantity": "100"}
    await waiting(town, purchase_id, rules.open_to_one - 2)
    last, key = await asked(town), new_id()
    status, refused = await town.post(town.school, PURCHASES, wanted, key=key)
    assert (status, refused["rule"], refused["numbers"]["most"]) == (422, "too-many-unanswered", rules.open_to_one)
    async with town.market.browser(town.school) as browser:
        browser.client.cookies["lonja_language"] = "ru"
        shown = await browser.post("/contracts/purchases/new", wanted)
        assert shown.status_code == 422 and "не больше 50" in shown.text
    elsewhere = await an_offer(town, supplier_id=town.suppliers[1].organisation_id)
    other = {"offer_id": elsewhere.offer_id, "quantity": "100"}
    assert (await town.post(town.school, PURCHASES, other))[0] == 201
    assert (await answer(town, last, True))[0] == 201  # acts that end a request are never refused
    assert (await town.post(town.school, PURCHASES, wanted, key=key))[0] == 201
    await waiting(town, purchase_id, rules.open_in_all, "somebody-else")
    status, refused = await town.post(town.school, PURCHASES, other)
    assert (status, refused["rule"], refused["numbers"]["most"]) == (
        422,
        "too-many-unanswered-in-all",
        rules.open_in_all,
    )
    assert (await town.post(town.clinic, PURCHASES, other))[0] == 201
    await town.market.fetch("delete from purchases.purchases where process_id like $1 || '_%'", purchase_id)


async def test_what_a_buyer_waits_for_is_counted_from_an_index_however_much_there_is(town: Town) -> None:
    purchase_id, rules = await asked(town), load("demo").purchase
    (requested,) = await bought(town, purchase_id, PurchaseRequested)
    async with rolled_back(town.market.resources.database.of("purchases"), "purchases") as (tx, db):
        await db.execute(
            "insert into purchases.purchases select made.* from purchases.purchases one, generate_series(1, 20000) n,"
            " jsonb_populate_record(one, jsonb_build_object('process_id', 'many-' || n, 'buyer_id', case when n <= 400 then 'b1'"
            " else 'b' || n end, 'due_at', case when n <= 400 or n % 2 = 0 then one.due_at end)) made where one.process_id = $1",
            purchase_id,
        )
        await db.execute("analyze purchases.purchases")
        mine = structs.replace(requested, buyer_id="b1")
        async with recording_queries(db) as reading:
            assert await count_unanswered(tx, mine, rules) == (rules.open_to_one, rules.open_in_all)
        assert await reading.rows_of(db, "purchases") <= rules.open_in_all
