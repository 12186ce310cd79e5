"""A member's basket on real servers: put in, changed, taken out and put back, with prices and links to the ways to
buy."""

import re
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from catalogue.roles import BUYER_OFFICER
from infra.tokens import Principal
from tests.market import Market
from tests.services.catalogue.market_builders import Stall, a_member
from tests.unreadable import lists, only_a_newer_release_reads


@pytest.fixture
def stall(market: Market) -> Stall:
    return Stall(market)


@pytest.fixture
def officer() -> Principal:
    return a_member(BUYER_OFFICER, "Officer")


async def a_sku(stall: Stall, name: str, **changes: Any) -> str:
    return await stall.published(name, **changes)


async def put(stall: Stall, who: Principal, sku_id: str, quantity: str | None = None) -> httpx.Response:
    async with stall.market.client(who) as client:
        body = {"quantity": quantity} if quantity is not None else None
        return await client.put(f"/api/catalogue/basket/{sku_id}", json=body)


async def basket(stall: Stall, who: Principal) -> Any:
    return await stall.get("/basket", who)


async def test_a_line_is_priced_at_its_best_offer_and_all_add_up(stall: Stall, officer: Principal) -> None:
    supplier, dearer = await stall.supplier(), await stall.supplier("Bruno")
    drum, flute = await a_sku(stall, "Basket drum"), await a_sku(stall, "Basket flute", category="44000000")
    await stall.offer(dearer, drum, price="120.00")
    await stall.offer(supplier, drum)
    await stall.offer(supplier, flute, price="10.00", min_quantity="5")
    await put(stall, officer, drum, "3")
    shown = (await put(stall, officer, flute)).json()
    assert [(line["quantity"], line["best"]["total"]) for line in shown["lines"]] == [("3", "300.00"), ("5", "50.00")]
    assert (shown["total"], shown["complete"]) == ("350.00", True)
    assert [(group["division"], group["sku_ids"]) for group in shown["groups"]] == [("37", [drum]), ("44", [flute])]
    assert shown["query"] == f"sku={drum}&quantity=3&sku={flute}&quantity=5"


async def test_what_cannot_be_bought_says_why_and_is_left_out_of_the_sum(stall: Stall, officer: Principal) -> None:
    supplier = await stall.supplier()
    sold, lone, gone = [await a_sku(stall, f"Basket {name}") for name in ("gong", "harp", "lute")]
    await stall.offer(supplier, sold, max_quantity="10")
    await stall.offer(supplier, gone)
    for sku_id in (sold, lone, gone):
        await put(stall, officer, sku_id, "2")
    await put(stall, officer, sold, "11")
    await stall.post(stall.moderator, f"/skus/{gone}/archive", {"reason": "made no more"})
    shown = await basket(stall, officer)
    because = {line["sku"]["sku_id"]: line["unavailable"]["because"] for line in shown["lines"]}
    assert because == {sold: "above-maximum", lone: "no-offers", gone: "sku-archived"}
    assert (shown["total"], shown["complete"]) == (None, False)
    assert gone not in shown["query"] and lone in shown["query"]
    assert (await put(stall, officer, gone)).json()["rule"] == "sku-not-published"


async def test_putting_in_again_changes_the_quantity_and_never_doubles_the_line(
    stall: Stall, officer: Principal
) -> None:
    sku_id = await a_sku(stall, "Basket triangle")
    for quantity in ("2", "7", "7", None):
        shown = (await put(stall, officer, sku_id, quantity)).json()
    assert [line["quantity"] for line in shown["lines"]] == ["7"]
    for wrong in ("0", "-1", "NaN", "1e20"):
        refused = await put(stall, officer, sku_id, wrong)
        assert (refused.status_code, refused.json()["field"]) == (422, "quantity"), wrong
    assert [line["quantity"] for line in (await basket(stall, officer))["lines"]] == ["7"]


async def test_what_was_taken_out_can_be_put_back_for_a_day_with_its_quantity(stall: Stall, officer: Principal) -> None:
    sku_id, other = await a_sku(stall, "Basket theremin"), await a_sku(stall, "Basket viol")
    await put(stall, officer, sku_id, "9")
    async with stall.market.client(officer) as client:
        for _ in range(2):
            shown = (await client.delete(f"/api/catalogue/basket/{sku_id}")).json()
        assert (shown["lines"], [card["sku_id"] for card in shown["removed"]]) == ([], [sku_id])
        back = (await put(stall, officer, sku_id)).json()
        assert ([line["quantity"] for line in back["lines"]], back["removed"]) == (["9"], [])
        await client.delete(f"/api/catalogue/basket/{sku_id}")
        stall.market.clock.advance(timedelta(days=1, minutes=1))
        assert (await basket(stall, officer))["removed"] == []
        await client.delete(f"/api/catalogue/basket/{other}")
    rows = await stall.market.fetch("select 1 from catalogue.basket_lines where member_id = $1", officer.member_id)
    assert rows == []


async def test_the_lines_that_were_removed_last_are_kept(
    stall: Stall, officer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalogue.handlers.basket.MOST_REMOVED", 2)
    inside = await a_sku(stall, "Basket bongo")
    await put(stall, officer, inside)
    taken = [await a_sku(stall, f"Basket {name}") for name in ("shaker", "rattle", "guiro")]
    for sku_id in taken:
        await put(stall, officer, sku_id, "4")
        async with stall.market.client(officer) as client:
            assert (await client.delete(f"/api/catalogue/basket/{sku_id}")).status_code == 200
    shown = await basket(stall, officer)
    assert {card["sku_id"] for card in shown["removed"]} == set(taken[1:])
    assert [line["sku"]["sku_id"] for line in shown["lines"]] == [inside]


async def test_a_basket_is_its_members_alone_and_has_an_end(
    stall: Stall, officer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalogue.handlers.basket.MOST_LINES", 1)
    first, second = await a_sku(stall, "Basket bell"), await a_sku(stall, "Basket horn")
    await put(stall, officer, first)
    full = await put(stall, officer, second)
    assert (full.status_code, full.json()["rule"]) == (422, "basket-full")
    assert (await put(stall, officer, first, "4")).status_code == 200
    assert (await basket(stall, stall.buyer))["lines"] == []
    assert (await put(stall, await stall.supplier(), first)).status_code == 403


async def test_a_buyer_collects_changes_takes_out_and_puts_back_by_form(stall: Stall, officer: Principal) -> None:
    supplier, sku_id = await stall.supplier(), await a_sku(stall, "Basket ocarina")
    other = await a_sku(stall, "Basket ocarina stand", category="44000000")
    offer_id = await stall.offer(supplier, sku_id)
    async with stall.market.browser(officer) as browser:
        assert "Your basket is empty" in (await browser.get("/catalogue/basket")).text
        assert "Put 4 in the basket" in (await browser.get(f"/catalogue/skus/{sku_id}", quantity="4")).text
        await browser.post("/catalogue/basket", {"sku": sku_id, "quantity": "4"})
        back = await browser.post("/catalogue/basket", {"sku": other, "back": "/catalogue?q=ocarina"})
        assert back.url.path == "/catalogue" and "In your basket" in back.text
        shown = (await browser.get("/catalogue/basket")).text
        assert f"/contracts/purchases/new?offer={offer_id}&amp;quantity=4" in shown
        assert f"/auctions/new?sku={sku_id}&amp;quantity=4" in shown and "Nobody offers it" in shown
        wrong = await browser.post("/catalogue/basket/lines", {f"quantity-{sku_id}": "many", f"quantity-{other}": "3"})
        assert wrong.status_code == 422 and 'value="many"' in wrong.text and "must be a number" in wrong.text
        assert 'value="3"' in wrong.text
        await browser.post("/catalogue/basket/lines", {f"quantity-{sku_id}": "6", f"quantity-{other}": "3"})
        taken = await browser.post(
            "/catalogue/basket/lines", {f"quantity-{sku_id}": "6", f"quantity-{other}": "3", "remove": other}
        )
        assert "Put back" in taken.text and "600.00" in taken.text
        elsewhere = await browser.post("/catalogue/basket", {"sku": other, "back": "//elsewhere.example/catalogue"})
        assert elsewhere.url.path == "/catalogue/basket"
        unknown = await browser.post("/catalogue/basket", {"sku": "unheard-of"})
        assert unknown.status_code == 422 and "Only a published SKU" in unknown.text
    assert [(line["quantity"]) for line in (await basket(stall, officer))["lines"]] == ["6", "3"]


@pytest.mark.parametrize(
    ("typed", "said"), [("abc", "must be a number"), ("", "is required"), (" ", "is required"), ("-3", "above zero")]
)
async def test_a_refused_quantity_stands_beside_its_box_on_the_page_of_the_sku(
    stall: Stall, officer: Principal, typed: str, said: str
) -> None:
    supplier, sku_id = await stall.supplier(), await a_sku(stall, "Basket tambourine")
    await stall.offer(supplier, sku_id)
    async with stall.market.browser(officer) as browser:
        await browser.get(f"/catalogue/skus/{sku_id}")
        sent = {"sku": sku_id, "quantity": typed, "region": "RU-MOW"}
        refused = await browser.post("/catalogue/basket", sent)
        assert refused.status_code == 422 and "<h1>Basket tambourine</h1>" in refused.text
        [box] = re.findall(r'<input[^>]*id="quantity"[^>]*>', refused.text)
        assert f'value="{typed}"' in box and 'aria-invalid="true"' in box
        [note] = re.findall(r'id="quantity-note">([^<]*)<', refused.text)
        assert said in note
        assert '<option value="RU-MOW" selected>' in refused.text
        # pressed again, the same form is refused
        [again] = re.findall(r'<input[^>]*name="quantity" data-takes[^>]*>', refused.text)
        assert f'value="{typed}"' in again and "Add to basket" in refused.text
        unknown = await browser.post("/catalogue/basket", {"sku": "unheard-of", "quantity": "2"})
        assert unknown.status_code == 404
    assert (await basket(stall, officer))["lines"] == []


async def test_the_page_of_the_sku_says_that_the_basket_is_full(
    stall: Stall, officer: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.catalogue.handlers.basket.MOST_LINES", 1)
    first, second = await a_sku(stall, "Basket triangle"), await a_sku(stall, "Basket triangle stand")
    assert (await put(stall, officer, first)).status_code == 200
    async with stall.market.browser(officer) as browser:
        full = await browser.post("/catalogue/basket", {"sku": second, "quantity": "2"})
    assert full.status_code == 422 and "<h1>Basket triangle stand</h1>" in full.text
    assert "at most 1 SKU" in full.text and 'role="alert"' in full.text and 'value="2"' in full.text


async def test_a_search_in_other_letters_may_be_come_back_to(stall: Stall, officer: Principal) -> None:
    sku_id = await a_sku(stall, "Basket zither")
    address = "/catalogue?q=" + quote("цитра " * 49)
    async with stall.market.browser(officer) as browser:
        back = await browser.post("/catalogue/basket", {"sku": sku_id, "back": address})
    assert back.status_code == 200 and back.url.path == "/catalogue"


async def test_the_way_from_the_search_to_the_basket_is_in_the_readers_language(
    stall: Stall, officer: Principal
) -> None:
    supplier, sku_id = await stall.supplier(), await a_sku(stall, "Basket theremin")
    await stall.offer(supplier, sku_id)
    lone = await a_sku(stall, "Basket theremin stand")
    async with stall.market.browser(officer) as browser:
        browser.client.cookies.set("lonja_language", "ru")

        async def found() -> bool:
            return "лучшее из 1 предложения" in (await browser.get("/catalogue", q="theremin")).text

        await stall.market.eventually(found)
        card = (await browser.get(f"/catalogue/skus/{sku_id}")).text
        assert "По цене с доставкой" in card and "рабоч" in card and '<main id="main">' in card
        await browser.post("/catalogue/basket", {"sku": sku_id, "quantity": "4"})
        kept = (await browser.post("/catalogue/basket", {"sku": lone})).text
        assert "Ваша корзина" in kept and "Сейчас его никто не предлагает." in kept and '<main id="main">' in kept


async def test_a_sku_that_cannot_be_read_affects_only_its_own_line(stall: Stall, officer: Principal) -> None:
    supplier = await stall.supplier()
    whole, strange = await a_sku(stall, "Basket celesta"), await a_sku(stall, "Basket rebec")
    for each in (whole, strange):
        await stall.offer(supplier, each)
        await put(stall, officer, each, "2")
    async with (
        only_a_newer_release_reads(stall.market, "catalogue.skus", ("sku_id", strange), "card.attributes"),
        stall.market.client(officer) as client,
    ):
        for path in ("/api/catalogue/basket", "/catalogue/basket"):
            said = await lists(client, path)
            assert whole in said and strange not in said
        assert (await basket(stall, officer))["complete"] is False
    assert (await basket(stall, officer))["complete"] is True
