"""Composing an auction: earlier purchases, hours to come, criteria, equivalents, and a review of everything before it
opens."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from html import unescape
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from catalogue.policy import load
from events.auctions import AuctionOpened
from events.contracts import ContractConcluded, ContractEnded
from events.values import Category, Line
from infra.ids import new_id
from infra.tokens import Principal
from infra.web.languages import LANGUAGES, pgettext, speaking
from services.auctions.pages import compose
from tests.market import Browser, Market
from tests.services.auctions.market_builders import MOSCOW, a_scene, an_organisation
from tests.services.auctions.test_auction_pages import a_referenced_sku, form_of

PAPER = Category(code="30197643", title="Photocopier paper")


@pytest.fixture
def playing_by(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the market's pages follow another policy."""
    return lambda name: monkeypatch.setattr(compose, "load", lambda _: load(name))


def a_contract(market: Market, buyer_id: str, sku_id: str | None, price: str, **changes: Any) -> ContractConcluded:
    """Build a contract for 100 packs of 500 leaves, including VAT of 22 %, signed a day ago."""
    line = Line(
        line_id="1",
        description="Paper A4",
        category=PAPER,
        sku_id=sku_id,
        quantity=Decimal(100),
        unit="LEF",
        pack_size=Decimal(500),
        unit_price=Decimal(price),
        vat_rate=Decimal(22),
        vat_included=True,
    )
    signed = ContractConcluded(
        process_id=new_id(),
        contract_id=new_id(),
        award_id=None,
        origin="auction",
        buyer_id=buyer_id,
        buyer_name="Clinic",
        supplier_id="s",
        supplier_name="Papyrus",
        title="Paper of last year",
        category=PAPER,
        method="open",
        place=MOSCOW,
        currency="RUB",
        amount=Decimal(price) * 100,
        lines=(line,),
        signed_at=market.clock() - timedelta(days=1),
    )
    return msgspec.structs.replace(signed, **changes)


async def concluded(market: Market, *contracts: ContractConcluded) -> None:
    await market.publish(*contracts)
    for each in contracts:
        await market.eventually(
            lambda each=each: market.fetch(
                "select 1 from auctions.past_contracts where contract_id = $1", each.contract_id
            )
        )


def words(page: str) -> str:
    """Return the text that a reader sees: without tags, with single spaces."""
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", page)))


def fields_of(page: str) -> dict[str, str]:
    """Return names and values of the inputs, as a browser would send them back."""
    found = {}
    for tag in re.findall(r"<input[^>]*>", page):
        name, value = re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)
        ticked = not re.search(r'type="(checkbox|radio)"', tag) or " checked" in tag
        if name and ticked and name[1] != "_csrf_token":
            found[name[1]] = unescape(value[1]) if value else "on"
    return found


async def the_opened(market: Market, title: str) -> AuctionOpened:
    (event,) = [each for each in await market.published("auctions", AuctionOpened) if each.title == title]
    return event


async def test_a_line_tells_what_the_buyer_paid_last_time_and_all_of_it_together(market: Market) -> None:
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    own, day = buyer.organisation_id, timedelta(days=1)
    first = a_contract(market, own, sku_id, "500")
    last = a_contract(market, own, sku_id, "244", signed_at=first.signed_at + day / 2)
    await concluded(market, first, last, a_contract(market, "other", sku_id, "111", signed_at=market.clock()))
    async with market.browser(buyer) as browser:
        page = words((await browser.get("/auctions/new", sku=sku_id, quantity="100")).text)
        assert "244.00 RUB a unit paid by you" in page
        assert (
            "At the last prices this would cost 24 400.00 RUB ; the initial price is 25.0 % above that"
            in page.replace("\u202f", " ").replace("\u00a0", " ")
        )
        await market.publish(
            ContractEnded(
                process_id=last.process_id,
                contract_id=last.contract_id,
                supplier_id="s",
                buyer_id=own,
                reason="cancelled",
                by="buyer",
                evasion=False,
            )
        )

        async def forgotten() -> bool:
            return "500.00 RUB a unit paid by you" in words((await browser.get("/auctions/new", sku=sku_id)).text)

        await market.eventually(forgotten)


async def test_without_a_purchase_of_its_own_the_market_is_named(market: Market) -> None:
    buyer, sku_id, lone = await an_organisation(market, "buyer"), await a_referenced_sku(market), new_id()
    kilos = a_contract(market, "other", lone, "9")
    kilos = msgspec.structs.replace(kilos, lines=(msgspec.structs.replace(kilos.lines[0], unit="KGM"),))
    await concluded(market, a_contract(market, "other", sku_id, "250", origin="import"), kilos)
    async with market.browser(buyer) as browser:
        page = (await browser.get("/auctions/new", sku=sku_id)).text
        assert "on the market, paid by Clinic: you have not bought it before" in words(page)
        assert f'href="/observatory/items/{sku_id}"' in page
        none = (await browser.get("/auctions/new", sku=await a_referenced_sku(market))).text
        assert "There is no record that anybody bought it here" in none and "At the last prices this would" not in none


async def test_an_import_without_a_sku_is_not_kept_and_a_price_in_other_units_says_so(market: Market) -> None:
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    kilos = a_contract(market, buyer.organisation_id, sku_id, "9")
    kilos = msgspec.structs.replace(kilos, lines=(msgspec.structs.replace(kilos.lines[0], unit="KGM"),))
    plain = a_contract(market, buyer.organisation_id, None, "9", origin="import")
    await concluded(market, kilos)
    await market.publish(plain, kilos)
    async with market.browser(buyer) as browser:
        page = words((await browser.get("/auctions/new", sku=sku_id)).text)
    assert "The price paid was per" in page and "At the last prices this would" not in page
    assert not await market.fetch("select 1 from auctions.past_contracts where contract_id = $1", plain.contract_id)
    assert len(await market.fetch("select 1 from auctions.last_prices where sku_id = $1", sku_id)) == 1


async def test_an_earlier_contract_or_auction_fills_the_form(market: Market) -> None:
    scene = await a_scene(market, title="Chairs once more")
    await scene.close()
    buyer, sku_id = scene.buyer, await a_referenced_sku(market)
    own = a_contract(market, buyer.organisation_id, sku_id, "240", title="Paper for the archive")
    gone = a_contract(market, buyer.organisation_id, "unheard-of", "77.50", title="What is no more")
    others = a_contract(market, "other", sku_id, "240")
    await concluded(market, own, gone, others)
    async with market.browser(buyer) as browser:
        history = (await browser.get("/auctions/new/history")).text
        assert f"/auctions/new?again={scene.auction_id}" in history and f"contract={own.contract_id}" in history
        assert others.contract_id not in history
        found = (await browser.get("/auctions/new/history", q="ARCHIVE")).text
        assert (
            own.contract_id in found and gone.contract_id not in found and "None of your closed mini-auctions" in found
        )
        fields = fields_of((await browser.get("/auctions/new", contract=own.contract_id)).text)
        assert fields["line-0-sku_id"] == sku_id and fields["line-0-quantity"] == "100"
        # the price of the contract is proposed if the reference price allows it
        assert (fields["line-0-unit_price"], fields["vat_included"]) == ("305.00", "on")
        text = fields_of((await browser.get("/auctions/new", contract=gone.contract_id)).text)
        assert "line-0-sku_id" not in text
        assert (text["line-0-description"], text["line-0-unit_price"]) == ("Paper A4", "77.50")
        assert (await browser.get("/auctions/new", contract=others.contract_id)).status_code == 404
        assert (await browser.get("/auctions/new", again="unheard-of")).status_code == 404


async def look_over(browser: Browser, form: dict[str, str]) -> str:
    page = await browser.post("/auctions/new", {**form, "action": "review"})
    assert page.status_code == 200 and "<h1>Review the mini-auction</h1>" in page.text, words(page.text)
    return page.text


async def test_all_of_it_is_looked_over_once_and_opens_as_it_was_shown(market: Market) -> None:
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    local = (market.clock() + timedelta(days=2)).astimezone(ZoneInfo("Europe/Moscow")).replace(hour=10, minute=5)
    form = form_of(sku_id, title=f"To come {new_id()}", opens_at=local.strftime("%Y-%m-%dT%H:%M"))
    async with market.browser(buyer) as browser:
        shown = await look_over(browser, form)
        assert local.strftime("%-d %B %Y, %H:%M") in shown and local.strftime("%H:11") in shown
        assert not [each for each in await market.published("auctions", AuctionOpened) if each.title == form["title"]]
        again = await browser.post("/auctions/new", {**fields_of(shown), "action": "refresh"})
        assert fields_of(again.text).items() >= {name: form[name] for name in ("title", "opens_at", "region")}.items()
        opened = await browser.post("/auctions/new", {**fields_of(shown), "action": "open"})
        assert opened.url.path.startswith("/auctions/") and "The mini-auction was published." in opened.text
    event = await the_opened(market, form["title"])
    assert event.opens_at == local.replace(second=0, microsecond=0)


async def test_a_time_in_the_past_or_not_a_time_has_its_error_at_its_field_and_is_kept(market: Market) -> None:
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    async with market.browser(buyer) as browser:
        for typed, said in (("2020-01-01T09:00", "has passed"), ("soon", "must be a date and time")):
            page = await browser.post("/auctions/new", form_of(sku_id, opens_at=typed, action="review"))
            assert page.status_code == 422 and said in page.text and f'value="{typed}"' in page.text
            assert re.search(r'id="opens_at-note">[^<]*' + said, page.text)
        passed = await browser.post("/auctions/new", form_of(sku_id, opens_at="2020-01-01T09:00", action="review"))
        assert "cannot open at 2020-01-01 09:00 (Europe/Moscow), which has passed" in passed.text
        empty = await browser.post("/auctions/new", {"title": "Nothing", "step_percent": "much", "action": "review"})
        assert "A mini-auction needs at least one line." in empty.text and 'id="step_percent-note"' in empty.text


async def test_a_length_that_the_hour_forbids_is_offered_for_the_next_hour_it_may_run(
    market: Market, playing_by: Callable[[str], None]
) -> None:
    playing_by("moscow")
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    evening = (market.clock() + timedelta(days=1)).strftime("%Y-%m-%dT20:00")
    form = form_of(sku_id, opens_at=evening, duration_minutes="180")
    async with market.browser(buyer) as browser:
        refused = await browser.post("/auctions/new", {**form, "action": "review"})
        assert refused.status_code == 422 and "runs within 09:00-15:00" in refused.text
        assert "Europe/Moscow" in refused.text
        moved = await browser.post("/auctions/new", {**form, **fields_of(refused.text), "action": "at-180"})
        fields = fields_of(moved.text)
        assert fields["duration_minutes"] == "180" and "09:00" <= fields["opens_at"][11:] <= "12:00"
        assert "3 h" in await look_over(browser, {**form, **fields})


async def test_criteria_are_written_weighed_and_opened_without_script(
    market: Market, playing_by: Callable[[str], None]
) -> None:
    playing_by("prozorro")
    buyer, title = await an_organisation(market, "buyer"), f"Weighed {new_id()}"
    form = form_of("", title=title, duration_minutes="10080", scoring="quality") | {
        "line-0-description": "Paper",
        "line-0-category": "30197630",
        "line-0-unit": "piece",
    }

    async def press(action: str, **changes: str) -> str:
        form.update(changes)
        page = await browser.post("/auctions/new", {**form, "action": action})
        form.update(fields_of(page.text))
        return page.text

    async with market.browser(buyer) as browser:
        assert 'name="criterion-0-option-1-value"' in await press("refresh")
        await press("add-option-0")
        assert "Remove criterion" in await press("add-criterion")
        wrong = await press("review", **{"criterion-0-title": "Guarantee", "criterion-0-option-0-value": "much"})
        assert "must be a number" in wrong and 'value="much"' in wrong and 'value="Guarantee"' in wrong
        for name in [name for name in form if name.startswith(("criterion-1-", "criterion-0-option-2-"))]:
            del form[name]
        weights = {"criterion-0-option-0-title": "12 months", "criterion-0-option-0-value": "0"}
        weights |= {"criterion-0-option-1-title": "24 months", "criterion-0-option-1-value": "100"}
        assert "must be below 1 together" in await press("review", **weights)
        weights["criterion-0-option-1-value"] = "5"
        form.update(weights)
        shown = await look_over(browser, form)
        assert "Guarantee: 12 months 0 %, 24 months 5 %" in words(shown)
        await browser.post("/auctions/new", {**fields_of(shown), "action": "open"})
    (criterion,) = (await the_opened(market, title)).scoring.criteria
    assert [(option.title, option.value) for option in criterion.options] == [
        ("12 months", Decimal("0")),
        ("24 months", Decimal("0.05")),
    ]


async def test_equivalents_are_offered_from_enough_positions_on(
    market: Market, playing_by: Callable[[str], None]
) -> None:
    playing_by("moscow")
    buyer = await an_organisation(market, "buyer")
    skus = [await a_referenced_sku(market) for _ in range(5)]
    async with market.browser(buyer) as browser:
        few = (await browser.get("/auctions/new", sku=skus[0])).text
        assert "at least 5 lines; this one has 1" in few and re.search(r'name="equivalents"[^>]* disabled', few)
        query = "&".join(f"sku={sku_id}" for sku_id in skus)
        enough = (await browser.client.get(f"/auctions/new?{query}")).text
        assert not re.search(r'name="equivalents"[^>]* disabled', enough)
        refused = await browser.post("/auctions/new", form_of(skus[0], equivalents="on", duration_minutes="1440"))
        assert refused.status_code == 422 and "at least 5 lines" in refused.text


async def test_a_line_whose_sku_is_archived_meanwhile_stays_and_says_so(market: Market) -> None:
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    async with market.browser(buyer) as browser:
        page = await browser.post("/auctions/new", form_of("archived-one", action="open"))
        assert page.status_code == 422 and "can no longer be bought" in page.text
        assert 'value="archived-one"' in page.text and "there is no published SKU" not in page.text
        assert 'href="#line-0-sku_id-note"' in page.text and 'id="line-0-sku_id-note"' in page.text
        assert "can no longer be bought" not in (await browser.get("/auctions/new", sku=sku_id)).text


async def test_an_auction_is_composed_and_refused_in_the_buyers_language(
    market: Market, playing_by: Callable[[str], None]
) -> None:
    playing_by("moscow")
    buyer, sku_id = await an_organisation(market, "buyer"), await a_referenced_sku(market)
    evening = (market.clock() + timedelta(days=1)).strftime("%Y-%m-%dT20:00")
    form = form_of(sku_id, opens_at=evening, duration_minutes="180", title="")
    async with market.browser(buyer) as browser:
        browser.client.cookies.set("lonja_language", "es")
        empty = await browser.post("/auctions/new", {**form, "action": "review"})
        assert empty.status_code == 422 and '<main id="main">' in empty.text
        assert re.search(r'id="title-note">es obligatorio<', empty.text) and "Corrija 1 campo" in empty.text
        unsaid = {name: text for name, text in form.items() if name != "duration_minutes"}
        undecided = (await browser.post("/auctions/new", {**unsaid, "title": "Papel", "action": "review"})).text
        assert re.search(r'id="duration_minutes-note">es obligatorio<', undecided)
        assert not re.search(r'name="duration_minutes" value="\d+" checked', undecided)
        late = words((await browser.post("/auctions/new", {**form, "title": "Papel", "action": "review"})).text)
        assert "La minisubasta debe caber en las horas 09:00-15:00" in late and "Abrirla el" in late
        shown = await browser.post(
            "/auctions/new", {**form, "title": "Papel", "duration_minutes": "1440", "action": "review"}
        )
        assert "<h1>Revisar la minisubasta</h1>" in shown.text and "1 línea" in shown.text, words(shown.text)
        assert "del precio inicial" in words(shown.text) and '<main id="main">' in shown.text


async def test_a_line_above_its_reference_has_its_error_at_its_own_price(market: Market) -> None:
    buyer, skus = await an_organisation(market, "buyer"), [await a_referenced_sku(market) for _ in range(2)]
    second = {"line-7-sku_id": skus[1], "line-7-quantity": "1", "line-7-unit_price": "300.01"}
    async with market.browser(buyer) as browser:
        page = await browser.post("/auctions/new", form_of(skus[0], **second))
    assert page.status_code == 422
    assert re.search(r'id="line-7-unit_price-note">[^<]*above the reference price', page.text)


async def test_history_is_only_for_buyers(market: Market) -> None:
    supplier: Principal = await an_organisation(market, "supplier")
    async with market.browser(supplier) as browser:
        assert (await browser.get("/auctions/new/history")).status_code == 403
    async with market.browser(await an_organisation(market, "buyer")) as browser:
        empty = (await browser.get("/auctions/new/history")).text
        assert (
            "None of your mini-auctions is closed yet" in empty and "None of your contracts is concluded yet" in empty
        )


@pytest.mark.parametrize("language", LANGUAGES)
async def test_where_there_are_no_live_auctions_the_reason_stands_instead_of_the_form(
    market: Market, playing_by: Callable[[str], None], language: str
) -> None:
    playing_by("acordar")
    with speaking(language):
        reason = pgettext("rules", load("acordar").auction.none_because)
    async with market.browser(await an_organisation(market, "buyer")) as browser:
        browser.client.cookies["lonja_language"] = language
        shown = (await browser.get("/auctions/new")).text
        assert 'id="compose"' not in shown and reason in unescape(shown)
