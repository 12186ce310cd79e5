"""The pages as a browser without scripts shows them, the live stream, and openings by form and by pool."""

import asyncio
import html
import re
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from catalogue.policy import load, of_process, text_of
from events.auctions import AuctionOpened, AuctionOpeningRefused
from events.catalogue import SkuPublished
from events.observatory import ReferencePricePublished
from events.pools import PoolSourcingRequested
from events.values import Category, Line
from infra.ids import derive_id, new_id
from services.auctions.domain.auction import begin
from services.auctions.domain.chain import GENESIS
from services.auctions.journal import chained, entries, write
from services.auctions.store import auctions
from services.auctions.store.auctions import StoredAuction
from tests.market import Market
from tests.policies import in_force
from tests.services.auctions.builders import an_auction
from tests.services.auctions.market_builders import MOSCOW, Scene, a_scene, an_organisation, paper

PAPER = Category(code="30197643", title="Photocopier paper")


async def a_referenced_sku(market: Market, median: str = "0.5") -> str:
    """Publish a SKU: leaves in packs of 500. The reference price is per leaf without VAT."""
    sku_id = new_id()
    await market.publish(
        SkuPublished(
            sku_id=sku_id,
            version=1,
            name="Paper A4",
            category=PAPER,
            attributes=(),
            base_unit="LEF",
            pack_size=Decimal(500),
        ),
        ReferencePricePublished(
            item_key=sku_id,
            reference_id=f"ref-{sku_id}",
            version=1,
            sku_id=sku_id,
            title="Paper A4",
            category=PAPER,
            unit="C62",
            currency="RUB",
            level="region",
            place_code="RU-MOW",
            median=Decimal(median),
            p25=Decimal("0.4"),
            p75=Decimal("0.6"),
            observations=9,
            suppliers=4,
            variation=Decimal(10),
            grade="A",
            valued_at=market.clock(),
        ),
    )

    async def known() -> Any:
        return await market.fetch(
            "select 1 from auctions.skus join auctions.reference_prices using (sku_id) where sku_id = $1", sku_id
        )

    await market.eventually(known)
    return sku_id


def form_of(sku_id: str, **changes: str) -> dict[str, str]:
    return {
        "action": "open",
        "title": "Paper for the office",
        "kind": "goods",
        "line-0-sku_id": sku_id,
        "line-0-quantity": "100",
        "line-0-unit_price": "300.00",
        "vat_rate": "20",
        "vat_included": "on",
        "duration_minutes": "6",
        "step_percent": "1",
        "country": "RU",
        "region": "RU-MOW",
        "request_key": new_id(),
    } | changes


async def test_a_buyer_opens_from_a_sku_at_its_reference_price_once(market: Market) -> None:
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    async with market.browser(buyer) as browser:
        page = await browser.get("/auctions/new", sku=sku_id, quantity="100")
        assert 'value="305.00"' in page.text  # 0.5 a leaf, 500 leaves, 22 % VAT
        form = form_of(sku_id)
        opened = await browser.post("/auctions/new", form)
        assert opened.status_code == 200 and "Paper for the office" in opened.text
        again = await browser.post("/auctions/new", form)
        assert str(again.url) == str(opened.url)
        for language, said in (
            ("en", "with other content"),
            ("es", "con otro contenido"),
            ("ru", "с другим содержанием"),
        ):
            browser.client.cookies.set("lonja_language", language)
            edited = await browser.post("/auctions/new", form | {"title": "Edited"})
            assert edited.status_code == 422 and said in edited.text and 'value="Edited"' in edited.text
            assert form["request_key"] not in edited.text
    auction_id = opened.url.path.rpartition("/")[2]
    (event,) = [event for event in await market.published("auctions", AuctionOpened) if event.auction_id == auction_id]
    assert (event.initial_price, event.reference_ids) == (Decimal("30000.00"), (f"ref-{sku_id}",))


async def test_several_skus_make_as_many_lines(market: Market) -> None:
    buyer, skus = await an_organisation(market, "buyer"), [await a_referenced_sku(market) for _ in range(2)]
    async with market.browser(buyer) as browser:
        query = f"sku={skus[0]}&quantity=100&sku=unheard-of&quantity=7&sku={skus[1]}&quantity=2.5&sku={skus[1]}"
        page = (await browser.client.get(f"/auctions/new?{query}")).text
    lines = [f'name="line-{number}-sku_id" value="{sku_id}"' for number, sku_id in enumerate(skus)]
    assert all(line in page for line in lines) and "line-2-" not in page
    assert 'value="Paper A4 and 1 more"' in page and 'value="2.5"' in page


async def test_an_initial_price_above_the_reference_is_refused_and_nothing_typed_is_lost(market: Market) -> None:
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    async with market.browser(buyer) as browser:
        page = await browser.post("/auctions/new", form_of(sku_id, **{"line-0-unit_price": "300.01"}))
        assert page.status_code == 422 and "above the reference price" in page.text and "300.01" in page.text
        page = await browser.post("/auctions/new", form_of(sku_id, **{"line-0-quantity": "many"}))
        assert page.status_code == 422 and "must be a number" in page.text and 'value="many"' in page.text


async def test_lines_are_added_and_removed_without_losing_input(market: Market) -> None:
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    async with market.browser(buyer) as browser:
        page = await browser.post("/auctions/new", form_of(sku_id, action="add", title="Half done"))
        assert 'value="Half done"' in page.text and 'name="line-1-description"' in page.text
        page = await browser.post("/auctions/new", form_of(sku_id, action="remove-0", **{"line-1-description": "Pens"}))
        assert "line-0-" not in page.text and 'value="Pens"' in page.text


async def test_the_refusal_of_a_length_names_its_reason(market: Market) -> None:
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    async with market.browser(buyer) as browser:
        page = await browser.post("/auctions/new", form_of(sku_id, action="refresh", **{"line-0-quantity": "1000"}))
    assert "begins at no more than 100\u202f000 RUB" in page.text


async def test_a_bid_by_form_leads_and_a_refused_one_names_its_rule(market: Market) -> None:
    scene = await a_scene(market)
    path = f"/auctions/{scene.auction_id}"
    async with market.browser(scene.suppliers["a"]) as a, market.browser(scene.suppliers["b"]) as b:
        assert "Bid 990.00" in (await a.get(path)).text
        led = await a.post(f"{path}/bids", {"amount": "990", "request_key": "k"})
        assert led.status_code == 200 and "You lead" in led.text
        refused = await b.post(f"{path}/bids", {"amount": "985", "request_key": "k"})
        assert refused.status_code == 422 and "cut-below-step" in refused.text
        assert "You do not lead" not in refused.text  # a number comes with the first accepted bid
        await b.post(f"{path}/bids", {"amount": "980", "request_key": "k2"})
        assert "You do not lead" in (await a.get(path)).text
        wrong = await b.post(f"{path}/bids", {"amount": "cheap"})
        assert wrong.status_code == 422 and "must be a number" in wrong.text
    await scene.close()
    async with market.browser(scene.suppliers["b"]) as b, market.browser() as visitor:
        won = await b.get(path)
        assert "You won" in won.text and f"/contracts?process={scene.auction_id}" in won.text
        seen = await visitor.get(path)
        assert scene.suppliers["b"].organisation_name in seen.text
        assert scene.suppliers["a"].organisation_name not in seen.text


async def test_an_auction_without_bids_can_be_opened_again_with_its_lines(market: Market) -> None:
    scene = await a_scene(market, title="Unloved paper")
    await scene.close()
    async with market.browser(scene.buyer) as browser:
        assert f"/auctions/new?again={scene.auction_id}" in (await browser.get(f"/auctions/{scene.auction_id}")).text
        page = await browser.get("/auctions/new", again=scene.auction_id)
    assert 'value="Unloved paper"' in page.text and 'value="Paper A4"' in page.text


async def test_pages_are_for_everybody_but_opening_and_bidding_are_not(market: Market) -> None:
    scene = await a_scene(market)
    path = f"/auctions/{scene.auction_id}"
    for who in (None, scene.buyer, scene.suppliers["a"]):
        async with market.browser(who) as browser:
            for public in ("/auctions", path):
                assert (await browser.get(public)).status_code == 200
            assert (await browser.get("/auctions/no-such")).status_code == 404
    async with market.browser(scene.suppliers["a"]) as a, market.browser(scene.buyer) as buyer:
        assert (await a.get("/auctions/new")).status_code == 403
        assert (await buyer.get("/auctions/new")).status_code == 200
        assert (await buyer.post(f"{path}/bids", {"amount": "990"})).status_code == 403


async def test_the_list_filters_and_says_what_to_do_when_empty(market: Market) -> None:
    word = new_id()
    await a_scene(market, title=f"Chairs {word}")
    async with market.browser() as browser:
        for fits in ({"q": word}, {"q": word, "category": "3019"}, {"q": word, "region": "RU-MOW", "status": "all"}):
            assert f"Chairs {word}" in (await browser.get("/auctions", **fits)).text
        for misses in ({"q": word, "status": "closed"}, {"q": word, "category": "45"}, {"q": word, "region": "BR"}):
            empty = (await browser.get("/auctions", **misses)).text
            assert f"Chairs {word}" not in empty and "Look at all of them" in empty


class Watching:
    """What an open live stream has sent so far."""

    def __init__(self) -> None:
        self.text = ""

    async def read(self, client: httpx.AsyncClient, path: str) -> None:
        async with client.stream("GET", path) as stream:
            async for piece in stream.aiter_text():
                self.text += piece


async def test_watchers_get_a_bid_the_extension_and_the_close_and_only_their_own_position(market: Market) -> None:
    scene = await a_scene(market, duration_minutes=3)
    path = f"/auctions/{scene.auction_id}/live?since=0"
    mine, public = Watching(), Watching()
    async with market.browser(scene.suppliers["a"]) as a, market.browser() as visitor:
        streams = [
            asyncio.create_task(watching.read(browser.client, path))
            for watching, browser in ((mine, a), (public, visitor))
        ]
        await asyncio.sleep(0.3)
        market.clock.advance(timedelta(seconds=160))
        assert (await scene.bid("a", "990")).json()["extended"]

        async def heard() -> bool:
            return "event: price" in mine.text and "event: price" in public.text

        await market.eventually(heard)
        await market.eventually(lambda: _has(mine, "You lead"))
        assert "Extended to" in public.text and "You lead" not in public.text
        await scene.close()
        await asyncio.wait_for(asyncio.gather(*streams), 10)  # the server ends the stream with the auction
    assert "event: done" in public.text and "You won" in mine.text and "You won" not in public.text
    late = Watching()
    async with market.browser() as visitor:  # a watcher that returns after a break gets the present state at once
        await asyncio.wait_for(late.read(visitor.client, path), 10)
    assert "won by" in late.text


async def a_sealed_scene(market: Market) -> Scene:
    """Open an auction in which first bids are sealed for ten minutes, followed by rounds of turns."""
    scene = await a_scene(market)
    policy = load("prozorro")
    opened = an_auction(policy=policy).opened
    now = market.clock()
    opened = msgspec.structs.replace(
        opened, auction_id=new_id(), opens_at=now, closes_at=now + timedelta(minutes=10), buyer_id=new_id()
    )
    state = begin(opened)
    fresh = StoredAuction(state=state, policy=policy, lines=0, head=GENESIS, result=None, version=-1)
    async with market.resources.database.transaction("auctions") as tx:
        db = await tx.raw()
        await auctions.insert(tx, state, policy)
        await write(db, [chained(fresh, entries([opened]), state, now)], now)
    return replace(scene, auction_id=opened.auction_id)


async def test_a_sealed_bid_is_pushed_to_who_sent_it_and_to_nobody_else(market: Market) -> None:
    scene = await a_sealed_scene(market)
    mine, public, rival = Watching(), Watching(), Watching()
    async with (
        market.browser(scene.suppliers["a"]) as a,
        market.browser(scene.suppliers["b"]) as b,
        market.browser() as visitor,
    ):
        page = (await visitor.get(f"/auctions/{scene.auction_id}")).text
        path = html.unescape(re.search(r'sse-connect="([^"]+)"', page)[1])  # type: ignore[index]
        streams = [
            asyncio.create_task(watching.read(browser.client, path))
            for watching, browser in ((mine, a), (public, visitor), (rival, b))
        ]
        await asyncio.sleep(0.3)
        before = public.text, rival.text
        assert (await scene.bid("a", "875")).status_code == 201
        await market.eventually(lambda: _has(mine, "875.00"))
        again = html.unescape((await visitor.get(f"/auctions/{scene.auction_id}")).text)
        assert path in again and "875.00" not in again
        assert (public.text, rival.text) == before
        market.clock.advance(timedelta(minutes=10, seconds=2))
        await market.eventually(lambda: _has(public, "875.00"))
        assert "875.00" in rival.text
        for stream in streams:
            stream.cancel()


async def test_a_sealed_bid_far_too_low_can_be_corrected_and_its_page_says_nothing_else(market: Market) -> None:
    scene = await a_sealed_scene(market)
    async with market.browser(scene.suppliers["a"]) as a:
        assert (await scene.bid("a", "1")).status_code == 201
        page = html.unescape((await a.get(f"/auctions/{scene.auction_id}")).text)
        assert "you may change it" in page and "No further bid is possible" not in page and 'name="request_key"' in page
        assert (await scene.bid("a", "875")).status_code == 201


async def _has(watching: Watching, words: str) -> bool:
    return words in watching.text


def sourcing(lead_id: str, **changes: Any) -> PoolSourcingRequested:
    line = Line(
        line_id="1", description="Paper", category=PAPER, quantity=Decimal(10), unit="H87", unit_price=Decimal("99.90")
    )
    asked = PoolSourcingRequested(
        pool_id=new_id(),
        lead_id=lead_id,
        lead_name="Lead",
        title="Paper for five schools",
        kind="goods",
        category=PAPER,
        place=MOSCOW,
        currency="RUB",
        lines=(line,),
        policy="demo",
        duration_minutes=6,
        step_percent=Decimal(1),
    )
    return msgspec.structs.replace(asked, **changes)


async def test_a_pool_gets_its_auction_once_however_often_it_asks(market: Market) -> None:
    lead = await an_organisation(market, "buyer")
    asked = sourcing(lead.organisation_id)
    await market.publish(asked, asked)
    scene = Scene(market, derive_id("auction", asked.pool_id, str(asked.attempt)), lead, {})
    (opened,) = await market.eventually(lambda: scene.events(AuctionOpened))
    assert (opened.pool_id, opened.initial_price) == (asked.pool_id, Decimal("999.00"))
    await market.publish(asked)
    await asyncio.sleep(0.5)
    assert len(await scene.events(AuctionOpened)) == 1


async def test_a_pools_line_without_a_vat_rate_has_the_policys_and_its_reference_is_the_ceiling(market: Market) -> None:
    """A former release published such lines, and a pool that it stored is asked for later."""
    lead, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market, "70")  # 85.40 with 22 % VAT
    (usual,) = sourcing(lead.organisation_id).lines
    line = msgspec.structs.replace(usual, sku_id=sku_id, unit="C62", vat_included=True)
    above, at = (
        sourcing(lead.organisation_id, lines=(msgspec.structs.replace(line, unit_price=Decimal(price)),))
        for price in ("85.41", "85.40")
    )
    await market.publish(above, at)

    async def refusals() -> list[AuctionOpeningRefused]:
        told = await market.published("auctions", AuctionOpeningRefused)
        return [each for each in told if each.pool_id == above.pool_id]

    (refused,) = await market.eventually(refusals)
    assert refused.refusal.rule == "above-reference-price"
    scene = Scene(market, derive_id("auction", at.pool_id, str(at.attempt)), lead, {})
    (opened,) = await market.eventually(lambda: scene.events(AuctionOpened))
    assert [each.vat_rate for each in opened.lines] == [22]


async def test_a_pool_whose_first_auction_failed_gets_another(market: Market) -> None:
    lead = await an_organisation(market, "buyer")
    first = sourcing(lead.organisation_id)
    second = msgspec.structs.replace(first, attempt=2)
    await market.publish(first, second)
    for asked in (first, second):
        scene = Scene(market, derive_id("auction", asked.pool_id, str(asked.attempt)), lead, {})
        assert len(await market.eventually(lambda scene=scene: scene.events(AuctionOpened))) == 1


async def test_the_refusal_of_a_pools_auction_names_the_rule_that_its_demand_breaks(market: Market) -> None:
    lead = await an_organisation(market, "buyer")
    asked = sourcing(lead.organisation_id, duration_minutes=7)
    await market.publish(asked)

    async def refused() -> list[Any]:
        return [
            event
            for event in await market.published("auctions", AuctionOpeningRefused)
            if event.pool_id == asked.pool_id
        ]

    (event,) = await market.eventually(refused)
    assert event.refusal.rule == "duration-not-offered"


async def test_the_auction_of_a_pool_counts_among_those_that_its_lead_has_open(market: Market, tmp_path: Path) -> None:
    lead = await an_organisation(market, "buyer")
    first, second = sourcing(lead.organisation_id), sourcing(lead.organisation_id)

    async def refused() -> list[tuple[str, str]]:
        told = await market.published("auctions", AuctionOpeningRefused)
        return [(event.pool_id, event.refusal.rule) for event in told if event.buyer_id == lead.organisation_id]

    with in_force(tmp_path, "auction", "open_in_all = 1", first.policy):
        await market.publish(first, second)
        ((pool_id, rule),) = await market.eventually(refused)
    assert pool_id in (first.pool_id, second.pool_id) and rule == "too-many-auctions-open"


async def test_the_api_opens_lists_and_refuses_like_the_pages(market: Market) -> None:
    scene = await a_scene(market, title=f"Listed {new_id()}")
    async with market.client(scene.buyer) as buyer:
        title = (await scene.view())["title"]
        listed = (await buyer.get("/api/auctions", params={"q": title})).json()
        assert (listed["total"], listed["auctions"][0]["auction_id"]) == (1, scene.auction_id)
        refused = await buyer.post("/api/auctions", json=paper(step_percent="3"))
        assert (refused.status_code, refused.json()["rule"]) == (422, "step-not-offered")
        key = {"idempotency-key": new_id()}
        first = await buyer.post("/api/auctions", json=paper(), headers=key)
        assert (await buyer.post("/api/auctions", json=paper(), headers=key)).json() == first.json()
        edited = await buyer.post("/api/auctions", json=paper(title="Edited"), headers=key)
        assert (edited.status_code, edited.json()["rule"]) == (422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("wrong", "rule", "said"),
    [
        ({"category": "banana"}, "malformed-category", "not a CPV code of two to eight digits"),
        ({"category": "99"}, "unknown-division", "is in no division of the CPV"),
        ({"unit": "4L"}, "unknown-unit", "not a known unit, such as piece, kg or l"),
    ],
)
async def test_a_category_or_unit_that_does_not_exist_is_refused_by_the_api_and_beside_its_field(
    market: Market, wrong: dict[str, str], rule: str, said: str
) -> None:
    buyer = await an_organisation(market, "buyer")
    line = paper()["lines"][0] | wrong
    async with market.client(buyer) as client:
        answer = (await client.post("/api/auctions", json=paper(lines=[line]))).json()
    assert (answer["rule"], answer["field"]) == (rule, "lines")
    typed = form_of("", **{f"line-0-{name}": text for name, text in line.items()})
    async with market.browser(buyer) as browser:
        page = await browser.post("/auctions/new", typed)
    (name,) = wrong
    beside = page.text[page.text.index(f'name="line-0-{name}"') :]
    assert page.status_code == 422 and said in beside[: beside.index("</label>") if "</label>" in beside else None]


async def test_a_code_of_the_cpv_is_published_as_eight_digits_with_its_name(market: Market) -> None:
    buyer = await an_organisation(market, "buyer")
    line = paper()["lines"][0] | {"category": "30197630-1"}
    async with market.client(buyer) as client:
        made = (await client.post("/api/auctions", json=paper(lines=[line]))).json()
        shown = (await client.get(f"/api/auctions/{made['auction_id']}")).json()
    assert (shown["category"]["code"], bool(shown["category"]["title"])) == ("30197630", True)


@pytest.mark.parametrize(
    ("place", "rule", "field"),
    [
        ({"country": "Atlantis"}, "unknown-country", "country"),
        ({"country": "RU", "region": "RU-NOWHERE"}, "unknown-region", "region"),
        ({"region": "banana"}, "unknown-region", "region"),
    ],
)
async def test_a_place_that_does_not_exist_is_refused_by_the_api_and_beside_its_field(
    market: Market, place: dict[str, str], rule: str, field: str
) -> None:
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    async with market.client(buyer) as client:
        answer = (await client.post("/api/auctions", json=paper(place=place))).json()
    assert (answer["rule"], answer["field"]) == (rule, f"place.{field}")
    async with market.browser(buyer) as browser:
        page = await browser.post("/auctions/new", form_of(sku_id, **{"region": "", **place}))
    assert page.status_code == 422 and f"is not a {field}" in page.text


async def test_a_region_without_its_country_is_the_place_of_delivery(market: Market) -> None:
    buyer = await an_organisation(market, "buyer")
    async with market.client(buyer) as client:
        made = (await client.post("/api/auctions", json=paper(place={"region": "RU-SPE"}))).json()
        shown = (await client.get(f"/api/auctions/{made['auction_id']}")).json()
    assert (shown["place"]["country"], shown["place"]["region"]) == ("RU", "RU-SPE")


async def test_the_auction_of_a_pool_has_the_policy_of_the_pool(market: Market) -> None:
    lead, demo = await an_organisation(market, "buyer"), load("demo")
    began = msgspec.structs.replace(demo, auction=msgspec.structs.replace(demo.auction, settle_seconds=77))
    kept, absent = (sourcing(lead.organisation_id, policy_text=text) for text in (text_of(began), ""))
    await market.publish(kept, absent)
    for asked, seconds in ((kept, 77), (absent, demo.auction.settle_seconds)):
        scene = Scene(market, derive_id("auction", asked.pool_id, str(asked.attempt)), lead, {})
        (opened,) = await market.eventually(lambda scene=scene: scene.events(AuctionOpened))
        assert opened.rules.settle_seconds == seconds
        assert of_process(opened.policy_text, "").auction.settle_seconds == seconds
