"""Pages of the catalogue for each reader, and its forms, sent by a browser without script."""

import re
from html import unescape
from urllib.parse import parse_qsl

import httpx
import pytest

from events.catalogue import OfferPublished
from infra.ids import new_id
from infra.tokens import Principal
from infra.web.languages import COOKIE
from tests.market import Browser, Market
from tests.services.catalogue.market_builders import Stall, a_card

STEPS = {"name": "Accordion strap", "category": "37000000", "base_unit": "C62", "pack_size": "1"}


@pytest.fixture
def stall(market: Market) -> Stall:
    return Stall(market)


async def get(browser: Browser, address: str) -> httpx.Response:
    path, _, query = address.partition("?")
    return await browser.get(path, **dict(parse_qsl(query)))


async def look(market: Market, who: Principal | None, path: str) -> httpx.Response:
    async with market.browser(who) as browser:
        return await get(browser, path)


async def form_at(browser: Browser, path: str) -> dict[str, str]:
    """The hidden fields of the page's form."""
    shown = (await get(browser, path)).text
    return dict(re.findall(r'type="hidden" name="(?!_csrf)([^"]+)" value="([^"]*)"', shown))


async def test_every_page_is_shown_to_those_it_is_for(stall: Stall) -> None:
    supplier, sku_id = await stall.supplier(), await stall.published("Bagpipe drone")
    everybody = {stall.buyer, supplier, stall.moderator, stall.observer}
    shown_to = {
        "/catalogue?q=bagpipe": everybody,
        f"/catalogue/skus/{sku_id}": everybody,
        "/catalogue/new": {stall.buyer, supplier},
        "/catalogue/new/attributes?category=30197630": {stall.buyer, supplier},
        "/catalogue/moderation": {stall.moderator},
        "/catalogue/offers": {supplier},
        f"/catalogue/offers/new?sku={sku_id}": {supplier},
    }
    for path, readers in shown_to.items():
        for who in everybody:
            assert (await look(stall.market, who, path)).status_code == (200 if who in readers else 403), (path, who)


async def test_a_page_of_nothing_says_what_to_do(stall: Stall) -> None:
    assert "Nothing matches" in (await look(stall.market, None, "/catalogue?q=qqqqxyz")).text
    assert (await look(stall.market, None, "/catalogue/skus/unheard-of")).status_code == 404


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("q=" + "W" * 301, "must have at most 300 characters"),
        ("page=9999", "In the address of this page, “page” must be at most 500."),
        ("page=abc", "In the address of this page, “page” must be a whole number."),
        ("category=" + "3" * 21, "In the address of this page, “category” must have at most 20 characters."),
        ("sort=banana", "must be one of the choices"),
        ("price_from=500&price_to=100", "is above the highest price of the search"),
        ("price_to=-5", "must be at least 0"),
        ("price_from=1e5", "must be a number, such as 12.50"),
        ("region=RU-ZZZ", "is not in the list: choose from it"),
        ("category=99", "is in no division of the CPV"),
        ("category=99&q=xylophone+of+nothing", "Nothing matches the other filters"),
    ],
)
async def test_a_search_says_what_it_could_not_take(stall: Stall, query: str, said: str) -> None:
    shown = await look(stall.market, None, f"/catalogue?{query}")
    assert shown.status_code == 422 and said in shown.text


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("page=abc", "In the address of this page, “page” must be a whole number."),
        ("quantity=1e5", "must be a number"),
        ("region=banana", "banana</option>"),
        ("region=RU-ZZZ", "is not in the list: choose from it"),
    ],
)
async def test_a_sku_says_what_it_could_not_take(stall: Stall, query: str, said: str) -> None:
    sku_id = await stall.published("Banjo head")
    shown = await look(stall.market, None, f"/catalogue/skus/{sku_id}?{query}")
    assert shown.status_code == 422 and said in shown.text


async def test_wrong_numbers_have_their_error_beside_their_field(stall: Stall) -> None:
    sku_id = await stall.published("Harp string, nylon")
    asked = await look(stall.market, None, f"/catalogue/skus/{sku_id}?quantity=-1")
    assert asked.status_code == 422
    assert "A quantity must be above zero" in asked.text
    assert (await look(stall.market, None, "/catalogue?price_from=cheap")).status_code == 422


async def test_what_no_search_could_mean_is_refused_and_not_left_aside(stall: Stall) -> None:
    async with stall.market.browser() as visitor:
        for field, text in (
            ("sort", "banana"),
            ("price_from", "1e400000000"),
            ("price_to", "NaN"),
            ("page", "9" * 5_000),
        ):
            answer = await visitor.get("/catalogue", **{field: text})
            assert answer.status_code == 422 and len(answer.content) < 500_000, f"{field}: {answer.status_code}"


async def test_a_buyer_proposes_by_form_and_a_moderator_returns_and_publishes(stall: Stall) -> None:
    async with stall.market.browser(stall.buyer) as buyer:
        fields = await form_at(buyer, "/catalogue/new") | STEPS
        few = await buyer.post("/catalogue/new", fields)
        assert few.status_code == 422
        assert "at least 4 attributes" in few.text
        asks_more = await buyer.post("/catalogue/new", fields | {"category": "30197630"})
        assert "Grammage" in asks_more.text
        traits = {f"free_{part}_{place}": f"{part} {place}" for part in ("name", "value") for place in range(4)}
        sent = await buyer.post("/catalogue/new", fields | traits)
        assert "awaits moderation" in sent.text
    [row] = await stall.market.fetch("select sku_id from catalogue.skus where card->>'name' = 'Accordion strap'")
    async with stall.market.browser(stall.moderator) as moderator:
        said_nothing = await moderator.post(f"/catalogue/skus/{row['sku_id']}/return", {"version": 1, "reasons": " "})
        assert said_nothing.status_code == 422
        returned = await moderator.post(
            f"/catalogue/skus/{row['sku_id']}/return", {"version": 1, "reasons": "say its length"}
        )
        assert "was returned" in returned.text
        other = await moderator.post(
            f"/catalogue/skus/{row['sku_id']}/return", {"version": 1, "reasons": "say its width"}
        )
        assert other.status_code == 422 and "that content counts: “say its length”" in other.text
    async with stall.market.browser(stall.buyer) as buyer:
        assert "say its length" in (await buyer.get("/catalogue/new")).text
        mended = await form_at(buyer, f"/catalogue/new?sku={row['sku_id']}")
        await buyer.post("/catalogue/new", mended | STEPS | traits | {"name": "Accordion strap, 90 cm"})
    async with stall.market.browser(stall.moderator) as moderator:
        published = await moderator.post(f"/catalogue/skus/{row['sku_id']}/publish", {"version": 1})
        assert "was published" in published.text


@pytest.mark.parametrize("wrong", [{"price_from": "abc"}, {"sort": "banana"}, {"page": "-1"}])
async def test_a_wrong_filter_is_marked_and_the_others_hold(stall: Stall, wrong: dict[str, str]) -> None:
    lyre, horn = await stall.published("Zukra lyre of oak"), await stall.published("Post horn of brass")
    async with stall.market.browser(stall.buyer) as buyer:

        async def is_found() -> bool:
            return lyre in (await buyer.get("/catalogue", q="zukra lyre")).text

        await stall.market.eventually(is_found)
        shown = await buyer.get("/catalogue", q="zukra lyre", **wrong)
    assert shown.status_code == 422
    assert lyre in shown.text and horn not in shown.text
    assert 'aria-invalid="true"' in shown.text or next(iter(wrong)) == "page"


@pytest.mark.parametrize("reason", ["", "made\x00no more", "x" * 100_000])
async def test_a_reason_that_does_not_fit_stands_beside_its_field_and_archives_nothing(
    stall: Stall, reason: str
) -> None:
    sku_id = await stall.published(f"Flute case {len(reason)}")
    async with stall.market.browser(stall.moderator) as moderator:
        shown = await moderator.post(f"/catalogue/skus/{sku_id}/archive", {"reason": reason})
        assert shown.status_code == 422
        assert "<details open>" in shown.text and 'aria-invalid="true"' in shown.text
        assert (await stall.get(f"/skus/{sku_id}"))["state"] == "published"
        done = await moderator.post(f"/catalogue/skus/{sku_id}/archive", {"reason": "made no more"})
        assert "is archived" in done.text and 'id="asked"' not in done.text and "No offers yet" not in done.text
        assert (
            await moderator.post(f"/catalogue/skus/{sku_id}/archive", {"reason": "made no more"})
        ).status_code == 200
        other = await moderator.post(f"/catalogue/skus/{sku_id}/archive", {"reason": "of no use"})
        assert other.status_code == 422 and "that content counts: “made no more”" in other.text


async def test_near_duplicates_are_shown_with_a_box_to_tick(stall: Stall) -> None:
    await stall.post(stall.buyer, "/skus", a_card("Castanets, rosewood"))
    traits = {f"free_name_{place}": f"trait {place}" for place in range(4)}
    traits |= {f"free_value_{place}": f"Castanets, rosewood {place}" for place in range(4)}
    async with stall.market.browser(stall.buyer) as buyer:
        fields = await form_at(buyer, "/catalogue/new")
        fields |= {**STEPS, **traits, "name": "Castanets, rosewood", "pack_size": "10"}
        shown = await buyer.post("/catalogue/new", fields)
        assert 'name="none_of_these"' in shown.text
        assert "awaits moderation" in (await buyer.post("/catalogue/new", fields | {"none_of_these": "on"})).text


def wrong_fields(page: str) -> dict[str, str]:
    """Field → the error beside it."""
    return dict(re.findall(r'<p class="error" id="(\w+)-note">([^<]*)</p>', page))


async def test_one_fault_of_an_offer_has_one_error_beside_its_field(stall: Stall) -> None:
    supplier, sku_id = await stall.supplier(), await stall.published("Clarinet reeds")
    terms = {"price": "12.50", "vat_rate": "20", "delivery_days": "2", "max_quantity": "90", "regions": "RU-MOW"}
    terms |= {"tier_from_quantity_0": "10", "tier_price_0": "11", "tier_from_quantity_1": "20", "tier_price_1": "10"}
    async with stall.market.browser(supplier) as browser:
        fields = await form_at(browser, f"/catalogue/offers/new?sku={sku_id}")
        for change, beside in (
            ({"price": "0"}, ["price"]),
            ({"price": "x"}, ["price"]),
            ({"max_quantity": "0"}, ["max_quantity"]),
            ({"min_quantity": "0"}, ["min_quantity"]),
            ({"min_quantity": "100"}, ["max_quantity"]),
            ({"tier_price_1": "11.50"}, ["tier_price_1"]),
            ({"tier_from_quantity_1": "900"}, ["tier_from_quantity_1"]),
            ({"tier_price_1": "cheap"}, ["tier_price_1"]),
            (
                {"label_label_1": "Blue Angel", "label_expires_1": "2020-01-01", "label_certificate_1": "7"},
                ["label_expires_1"],
            ),
        ):
            shown = await browser.post("/catalogue/offers/new", fields | terms | change)
            assert shown.status_code == 422 and list(wrong_fields(shown.text)) == beside, change


@pytest.mark.parametrize("language", ["es", "ru"])
async def test_the_forms_of_cards_and_offers_are_in_the_readers_language(stall: Stall, language: str) -> None:
    """With all possible errors at once; texts of cards are not translated."""
    supplier, sku_id = await stall.supplier(), await stall.published(f"Oboe reeds {language}")
    english = re.compile(
        r"\b(the|is|a|of|must|not|and|to|price|pack|offer|name|category|choose|optional)\b", re.IGNORECASE
    )
    async with stall.market.browser(supplier) as browser:
        browser.client.cookies["lonja_language"] = language
        offer = await form_at(browser, f"/catalogue/offers/new?sku={sku_id}")
        pages = [await browser.get(f"/catalogue/offers/new?sku={sku_id}"), await browser.get("/catalogue/new")]
        for change in (
            {
                "price": "0",
                "vat_rate": "100",
                "max_quantity": "0",
                "delivery_days": "-1",
                "regions": "XX",
                "valid_until": "2020-01-01",
            },
            {"price": "x", "vat_rate": "x", "max_quantity": "", "delivery_days": "x", "stock_country": "Atlantis"},
            {
                "price": "1",
                "vat_rate": "1",
                "max_quantity": "9",
                "delivery_days": "1",
                "tier_from_quantity_0": "1",
                "tier_price_0": "2",
            },
        ):
            pages.append(await browser.post("/catalogue/offers/new", offer | change))
        for card in (
            {},
            {"name": "x" * 400, "category": "x"},
            {"name": "x", "category": "30197644", "base_unit": "x", "pack_size": "x"},
        ):
            pages.append(await browser.post("/catalogue/new", {"name": "", "category": "", "base_unit": "", **card}))
        for page in pages:
            main = re.sub(
                r"<(option|label><input)[^>]*>[^<]*|<a .*?</a>",
                "",
                page.text.partition("<main")[2].partition("</main")[0],
            )
            said = re.sub(r"<[^>]*>", " ", main).replace(f"Oboe reeds {language}", "")
            assert not english.search(said) or (language == "es" and set(english.findall(said.lower())) == {"a"}), said
        assert sum(page.status_code == 422 for page in pages) == 6


NOT_A_UNIT = {
    "en": "'4L' is not a known unit",
    "es": "«4L» no es una unidad",
    "ru": "«4L»",
}


@pytest.mark.parametrize("language", NOT_A_UNIT)
async def test_a_unit_that_may_mean_two_things_is_refused_beside_its_field(stall: Stall, language: str) -> None:
    """ "4L" is the code of a megabyte, and most people mean four litres."""
    traits = {f"free_{part}_{place}": f"{part} {place}" for part in ("name", "value") for place in range(4)}
    async with stall.market.browser(stall.buyer) as browser:
        browser.client.cookies["lonja_language"] = language
        fields = await form_at(browser, "/catalogue/new") | STEPS | {"name": f"Kettle {language}"} | traits
        refused = await browser.post("/catalogue/new", fields | {"free_unit_2": "4L", "free_unit_3": "MB"})
        assert refused.status_code == 422
        [(field, said)] = wrong_fields(refused.text).items()
        assert field == "free_unit_2" and NOT_A_UNIT[language] in unescape(said)
        assert 'href="#free_unit_2-note"' in refused.text
        read = await browser.post("/catalogue/new", fields | {"free_unit_3": "MB"})
        assert not wrong_fields(read.text).keys() - {"none_of_these"}, (
            "at most it is like the cards of the other languages"
        )


@pytest.mark.parametrize(("language", "word"), [("en", "megabyte"), ("es", "megabyte"), ("ru", "мегабайт")])
async def test_a_unit_of_a_card_is_shown_by_its_name_if_it_can_be_read_and_else_as_it_was_typed(
    stall: Stall, language: str, word: str
) -> None:
    """Cards of a former release may have any text as a unit. The events and cards stay as they are."""
    sku_id = await stall.published(f"Kettle of old {language}")
    await stall.market.fetch(
        "update catalogue.skus set card = jsonb_set(card, '{attributes}', $2::text::jsonb) where sku_id = $1",
        sku_id,
        '[{"name": "capacity", "value": "4", "unit": "4L"}, {"name": "memory", "value": "8", "unit": "MB"}]',
    )
    async with stall.market.browser(stall.buyer) as browser:
        browser.client.cookies["lonja_language"] = language
        shown = await browser.get(f"/catalogue/skus/{sku_id}")
        assert "<dd>4 4L</dd>" in shown.text and f"<dd>8 {word}</dd>" in shown.text


async def test_every_wrong_attribute_is_counted_and_named_with_its_own_fault(stall: Stall) -> None:
    """Furniture: material, width and height are asked."""
    async with stall.market.browser(stall.buyer) as browser:
        fields = (
            await form_at(browser, "/catalogue/new") | STEPS | {"category": "39100000", "attributes_of": "39100000"}
        )
        wrong = {"asked_0": "", "asked_1": "4L", "asked_2": "-5", "free_name_0": "legs", "free_value_0": "4"}
        refused = await browser.post("/catalogue/new", fields | wrong)
        found = {field: unescape(said) for field, said in wrong_fields(refused.text).items()}
        assert found["asked_0"] == "The category asks for 'material'."
        assert found["asked_1"] == "'4L' is not a number."
        assert found["asked_2"] == "A number must be above zero, not '-5'."
        assert f"Please correct {len(found)} fields" in refused.text


async def test_a_supplier_offers_copies_and_withdraws_by_form(stall: Stall) -> None:
    supplier, sku_id = await stall.supplier(), await stall.published("Sitar plectrum")
    terms = {"price": "12,50", "vat_rate": "20", "delivery_days": "2", "max_quantity": "90", "regions": "RU-MOW"}
    async with stall.market.browser(supplier) as browser:
        fields = await form_at(browser, f"/catalogue/offers/new?sku={sku_id}")
        wrong = await browser.post("/catalogue/offers/new", fields | terms | {"tier_price_0": "9"})
        assert wrong.status_code == 422
        assert wrong_fields(wrong.text) == {"tier_from_quantity_0": "is required"}
        for price, said in (("0", "The price must be above zero"), ("12.123456", "has more than 5 decimals")):
            wrong = await browser.post("/catalogue/offers/new", fields | terms | {"price": price})
            assert wrong.status_code == 422
            assert re.search(f'class="error" id="price-note">[^<]*{said}', wrong.text)
        wrong = await browser.post("/catalogue/offers/new", fields | terms | {"stock_country": "Atlantis"})
        assert re.search('class="error" id="stock_country-note">[^<]*is not a country', wrong.text)
        for _ in range(2):
            assert "Your offer was published" in (await browser.post("/catalogue/offers/new", fields | terms)).text
        [event] = await stall.happened(OfferPublished, sku_id)
        copy = await form_at(browser, f"/catalogue/offers/new?copy={event.offer_id}")
        assert copy["replaces"] == event.offer_id
        await browser.post("/catalogue/offers/new", copy | terms | {"price": "11"})
        [_, edited] = await stall.happened(OfferPublished, sku_id)
        for language, said in (
            ("es", "ya había terminado (sustituida)"),
            ("ru", "уже завершено (заменено)"),
            ("en", "Nothing was published: the offer that you edited has ended already (replaced)."),
        ):
            browser.client.cookies.set(COOKIE, language)
            late = await browser.post("/catalogue/offers/new", copy | terms | {"price": "10", "request_key": new_id()})
            assert late.status_code == 422
            assert late.text.count(said) == 1 and late.text.count('role="alert"') == 1 and "-note" not in said
        for language, said in (
            ("es", "La oferta no se retiró"),
            ("ru", "Предложение не отозвано"),
            ("en", "The offer was not withdrawn: it had ended before (replaced). Another offer of yours"),
        ):
            browser.client.cookies.set(COOKIE, language)
            kept = await browser.post(f"/catalogue/offers/{event.offer_id}/withdraw")
            assert kept.status_code == 422 and said in kept.text
            assert f'href="#offer-{edited.offer_id}"' in kept.text and f'id="offer-{edited.offer_id}"' in kept.text
        for _ in range(2):
            withdrawn = await browser.post(f"/catalogue/offers/{edited.offer_id}/withdraw")
            assert "The offer was withdrawn." in withdrawn.text and "Offer again" in withdrawn.text
