"""Many offers: their number per supplier and SKU is limited, a reader sees one page of them, and they end in
portions."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import msgspec
import pytest

from catalogue.offers import EcoLabel, Need, Offer, PriceTier, rank
from catalogue.places import Place
from catalogue.search import SkuSearch
from events.accounts import OrganisationStateChanged
from events.catalogue import OfferArchived
from infra.health import HEALTH
from infra.ids import new_id
from infra.tokens import Principal
from services.catalogue import views
from services.catalogue.finder import Finder
from services.catalogue.handlers.offers import MOST_A_DAY, MOST_STANDING
from services.catalogue.pricing import LocalMarket, best_price
from services.catalogue.store import prices
from tests.market import Market
from tests.services.catalogue.market_builders import Stall, some_terms

REGIONS = ("RU", "RU-MOW", "RU-SPE", "RU-TVE", "BR-SP")


@pytest.fixture
def stall(market: Market) -> Stall:
    return Stall(market)


async def copies(stall: Stall, offer_id: str, number: int) -> None:
    """Make this number of further offers like this one, as a former release accepted them."""
    await stall.market.fetch(
        "insert into catalogue.offers (offer_id, sku_id, supplier_id, supplier_name, valid_until, published_at, body)"
        " select offer_id || '-' || n, sku_id, supplier_id, supplier_name, valid_until, published_at,"
        " body || jsonb_build_object('offer_id', offer_id || '-' || n)"
        " from catalogue.offers, generate_series(1, $2::int) as n where offer_id = $1",
        offer_id,
        number,
    )


async def standing(stall: Stall, sku_id: str) -> int:
    [row] = await stall.market.fetch(
        "select count(*) as n from catalogue.offers where sku_id = $1 and ended is null", sku_id
    )
    return int(row["n"])


async def none_stands(stall: Stall, sku_id: str) -> bool:
    return await standing(stall, sku_id) == 0


async def refused(stall: Stall, supplier: Principal, sku_id: str, **changes: Any) -> str:
    answer = await stall.post(supplier, "/offers", some_terms(sku_id, **changes))
    assert answer.status_code == 422, answer.text
    assert answer.json()["field"] == "sku_id"
    return str(answer.json()["rule"])


class TestTheBound:
    async def test_a_supplier_has_room_for_so_many_offers_on_one_sku(self, stall: Stall) -> None:
        supplier, other = await stall.supplier(), await stall.supplier("Other")
        sku_id, beside = await stall.published("Guitar pick, thin"), await stall.published("Guitar pick, thick")
        first = await stall.offer(supplier, sku_id)
        await copies(stall, first, MOST_STANDING - 2)
        both = await asyncio.gather(*(stall.post(supplier, "/offers", some_terms(sku_id)) for _ in range(2)))
        assert sorted(answer.status_code for answer in both) == [201, 422]
        assert await refused(stall, supplier, sku_id) == "too-many-offers"
        await stall.offer(supplier, beside)
        await stall.offer(other, sku_id)
        edited = await stall.offer(supplier, sku_id, replaces=first, price="90.00")
        assert await refused(stall, supplier, sku_id) == "too-many-offers"
        assert (await stall.post(supplier, f"/offers/{edited}/withdraw")).status_code == 200
        await stall.offer(supplier, sku_id)
        assert await standing(stall, sku_id) == MOST_STANDING + 1

    async def test_what_a_former_release_let_in_stays_and_takes_no_more(self, stall: Stall) -> None:
        supplier, sku_id = await stall.supplier(), await stall.published("Guitar strap, leather")
        first = await stall.offer(supplier, sku_id)
        await copies(stall, first, MOST_STANDING + 5)
        await stall.offer(supplier, sku_id, replaces=first)
        assert await standing(stall, sku_id) == MOST_STANDING + 6
        assert await refused(stall, supplier, sku_id) == "too-many-offers"

    async def test_an_offer_is_edited_so_often_a_day(self, stall: Stall) -> None:
        supplier, sku_id = await stall.supplier(), await stall.published("Guitar stool, round")
        first = await stall.offer(supplier, sku_id)
        await copies(stall, first, MOST_A_DAY - 2)
        last = await stall.offer(supplier, sku_id, price="79", replaces=first)
        answer = await stall.post(supplier, "/offers", some_terms(sku_id, price="78", replaces=last))
        assert answer.json()["rule"] == "too-many-offers-of-a-day"
        stall.market.clock.advance(timedelta(days=1, seconds=1))
        await stall.offer(supplier, sku_id, price="78", replaces=last)

    async def test_the_form_says_so_and_keeps_what_was_typed(self, stall: Stall) -> None:
        supplier, sku_id = await stall.supplier(), await stall.published("Guitar stand, folding")
        await copies(stall, await stall.offer(supplier, sku_id), MOST_STANDING - 1)
        terms = {"price": "77", "vat_rate": "20", "delivery_days": "3", "max_quantity": "10", "regions": "RU-MOW"}
        async with stall.market.browser(supplier) as browser:
            for language, words in (("en", "edit or withdraw one"), ("es", "modifique o retire"), ("ru", "отзовите")):
                browser.client.cookies.set("lonja_language", language)
                shown = await browser.post("/catalogue/offers/new", {**terms, "sku_id": sku_id, "min_quantity": "1"})
                assert shown.status_code == 422
                assert words in shown.text and 'value="77"' in shown.text


def some_offers(sku_id: str, number: int, today: Any) -> list[Offer]:
    """Offers of all kinds: for all regions or none, with and without VAT, with tiers, in another currency, expired,
    with too few or too many packs."""
    chance = random.Random(7)
    offers = []
    for n in range(number):
        price = Decimal(chance.randrange(9_000, 11_000)) / 100
        least = Decimal(chance.choice((1, 2, 5, 20)))
        most = least * chance.choice((1, 10, 500))
        tiers = (PriceTier(least + 1, price - 5), PriceTier(least + 2, price - 9)) if most > least + 1 and n % 3 else ()
        offers.append(
            Offer(
                offer_id=f"{sku_id}-{n:04}",
                sku_id=sku_id,
                supplier_id=f"supplier-{n}",
                price=price,
                currency="USD" if n % 11 == 5 else "RUB",
                vat_rate=Decimal(chance.choice(("0", "10", "20", "7.25"))),
                vat_included=bool(n % 2),
                regions=tuple(chance.sample(REGIONS, chance.choice((1, 2, 3)))),
                delivery_days=3,
                stock=Place(country="RU"),
                min_quantity=least,
                max_quantity=most,
                tiers=tiers,
                eco_labels=(EcoLabel(f"Label {n % 4}", "C-1", today + timedelta(days=300)),) if n % 5 else (),
                valid_from=today + timedelta(days=1) if n % 13 == 3 else today - timedelta(days=3),
                valid_until=today + timedelta(days=30),
            )
        )
    return offers


async def put_up(stall: Stall, offers: list[Offer]) -> None:
    for offer in offers:
        await stall.market.fetch(
            "insert into catalogue.offers (offer_id, sku_id, supplier_id, supplier_name, valid_until, published_at, body)"
            " values ($1, $2, $3, 'Somebody', $4, now(), $5::text::jsonb)",
            offer.offer_id,
            offer.sku_id,
            offer.supplier_id,
            offer.valid_until,
            msgspec.json.encode(offer).decode(),
        )


class TestWhatAReaderIsShown:
    async def test_a_page_of_the_offers_in_the_order_that_the_rules_give_all_of_them(self, stall: Stall) -> None:
        sku_id = await stall.published("Concertina, thirty keys", pack_size="10")
        today = stall.market.clock().date()
        offers = some_offers(sku_id, 130, today)
        await put_up(stall, offers)
        for region, quantity in (("RU-MOW", "1"), ("RU-SPE", "7"), ("BR", "2"), ("RU", "5000")):
            pages = [
                await stall.get(f"/skus/{sku_id}", region=region, quantity=quantity, page=page) for page in (1, 2, 3, 4)
            ]
            need = Need(Decimal(quantity), region, today)
            ranked = rank(offers, need, pack_size=Decimal(10), currency="RUB")
            shown = [row for page in pages for row in page["offers"]]
            assert [len(page["offers"]) for page in pages] == [50, 50, 30, 0]
            assert {(page["sku"]["offers"], page["pages"]) for page in pages} == {(130, 3)}
            assert [page["page"] for page in pages] == [1, 2, 3, 4]
            landed = [None if row["landed"] is None else Decimal(row["landed"]) for row in shown]
            assert landed == [None if row.landed is None else row.landed.amount for row in ranked]
            assert {row["offer"]["offer_id"] for row in shown} == {offer.offer_id for offer in offers}
            best = best_price(offers, LocalMarket(region=region, currency="RUB", on=today))
            assert pages[0]["sku"]["best_price"] == (str(best.amount) if best else None)
        usual = await stall.get(f"/skus/{sku_id}")
        assert usual["quantity"] == "1"
        served = Counter(region for offer in offers for region in offer.regions)
        assert usual["region"] == max(sorted(served), key=served.__getitem__)

    async def test_a_page_has_a_way_to_the_next_and_back(self, stall: Stall) -> None:
        sku_id = await stall.published("Concertina, fifty keys")
        await put_up(stall, some_offers(sku_id, 60, stall.market.clock().date()))
        async with stall.market.browser() as visitor:
            first = (await visitor.get(f"/catalogue/skus/{sku_id}")).text
            assert "60 offers" in first and "page 1 of 2" in first and "Next page" in first
            assert "Earlier page" not in first and 'class="best"' in first
            second = (await visitor.get(f"/catalogue/skus/{sku_id}", page="2")).text
            assert "Earlier page" in second and "Next page" not in second and 'class="best"' not in second
            assert (await visitor.get(f"/catalogue/skus/{sku_id}", page="0")).status_code == 422

    async def test_no_more_offers_are_read_than_are_shown(self, stall: Stall, monkeypatch: pytest.MonkeyPatch) -> None:
        """For any number of current offers: the page and the API of a SKU, a search, a basket, and the update of the
        search index."""
        sku_id = await stall.published("Concertina, seventy keys")
        await put_up(stall, some_offers(sku_id, 300, stall.market.clock().date()))
        read: list[int] = []
        first = prices.first

        async def counted(*arguments: Any, **bounds: int) -> Any:
            found = await first(*arguments, **bounds)
            read.extend(len(offers) for offers in found.values())
            return found

        monkeypatch.setattr(prices, "first", counted)
        async with stall.market.browser() as visitor:
            assert (await visitor.get(f"/catalogue/skus/{sku_id}")).status_code == 200
        assert max(read) == views.OFFERS_A_PAGE
        read.clear()
        database = stall.market.resources.database.of("catalogue")
        async with database.transaction("catalogue") as tx:
            skus = [version.sku for version in (await stall_versions(tx, sku_id))]
            here = LocalMarket(region="", currency="RUB", on=stall.market.clock().date())
            [card] = await views.cards(tx, skus, here)
            assert card.offers == 300
            [indexed] = await Finder(database, "RUB")._cards(tx, skus)
        assert max(read) == prices.CHEAPEST
        assert set(indexed.regions) == set(REGIONS)
        assert set(indexed.eco_labels) == {f"Label {n}" for n in range(4)}

    async def test_an_offer_that_cannot_be_read_comes_last_and_hides_no_other(self, stall: Stall) -> None:
        supplier, sku_id = await stall.supplier(), await stall.published("Concertina, in a case")
        odd, plain = await stall.offer(supplier, sku_id, price="10.00"), await stall.offer(supplier, sku_id)
        for part in ('{"price": "1,5"}', '{"regions": "all"}', '{"tiers": 7}', '{"delivery_days": "soon"}'):
            [row] = await stall.market.fetch("select body::text from catalogue.offers where offer_id = $1", odd)
            await stall.market.fetch(
                "update catalogue.offers set body = body || $2::text::jsonb where offer_id = $1", odd, part
            )
            shown = await stall.get(f"/skus/{sku_id}", region="RU-MOW")
            assert [each["offer"]["offer_id"] for each in shown["offers"]] == [plain], part
            assert shown["sku"]["best_price"] == "100.00"
            await stall.market.fetch(
                "update catalogue.offers set body = $2::text::jsonb where offer_id = $1", odd, row["body"]
            )


async def stall_versions(tx: Any, sku_id: str) -> Any:
    from services.catalogue import store

    return (await store.published(tx, [sku_id])).values()


class TestEnding:
    async def test_a_supplier_of_very_many_offers_is_suspended_and_each_ends_once(self, stall: Stall) -> None:
        """More offers than a statement of the driver can have arguments."""
        supplier, sku_id = await stall.supplier(), await stall.published("Tambourine, ten inches")
        offer_id = await stall.offer(supplier, sku_id)
        await copies(stall, offer_id, 33_000)
        suspended = OrganisationStateChanged(
            organisation_id=supplier.organisation_id, state="suspended", reason="does not deliver"
        )
        await stall.market.publish(suspended)
        await stall.market.eventually(partial(none_stands, stall, sku_id), within=180)
        ended = Counter(event.offer_id for event in await stall.happened(OfferArchived, sku_id))
        assert len(ended) == 33_001 and set(ended.values()) == {1}
        await stall.market.eventually(partial(nothing_is_ending, stall))

    async def test_an_archived_sku_of_many_offers_ends_them_in_portions(
        self, stall: Stall, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.catalogue.handlers.offers.PORTION", 3)
        supplier, sku_id = await stall.supplier(), await stall.published("Tambourine, eight inches")
        await copies(stall, await stall.offer(supplier, sku_id), 10)
        done = await stall.post(stall.moderator, f"/skus/{sku_id}/archive", {"reason": "made no more"})
        assert done.json()["state"] == "archived"
        await stall.market.eventually(partial(none_stands, stall, sku_id))
        ended = Counter(event.offer_id for event in await stall.happened(OfferArchived, sku_id))
        assert len(ended) == 11 and set(ended.values()) == {1}
        await stall.market.eventually(partial(nothing_is_ending, stall))

    async def test_nothing_is_offered_until_the_former_offers_have_ended(
        self, stall: Stall, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("services.catalogue.handlers.offers.PORTION", 3)
        supplier, sku_id = await stall.supplier(), await stall.published("Tambourine, six inches")
        last = await stall.offer(supplier, sku_id)
        await copies(stall, last, 5)
        states = ("suspended", "active")
        pool = stall.market.resources.database.pool
        async with pool.acquire() as held, held.transaction():
            await held.fetch(
                "select from catalogue.offers where sku_id = $1 order by offer_id desc limit 1 for update", sku_id
            )
            for state in states:
                await stall.market.publish(
                    OrganisationStateChanged(
                        organisation_id=supplier.organisation_id, state=state, reason="looked into"
                    )
                )
            await stall.market.eventually(partial(is_active_again, stall, supplier))
            assert await refused(stall, supplier, sku_id) == "offers-ending"
        await stall.market.eventually(partial(nothing_is_ending, stall), within=40)
        await stall.offer(supplier, sku_id)
        assert await standing(stall, sku_id) == 1


async def is_active_again(stall: Stall, supplier: Principal) -> bool:
    rows = await stall.market.fetch(
        "select 1 from catalogue.organisations o join catalogue.endings e on e.subject = o.organisation_id"
        " where organisation_id = $1 and state = 'active'",
        supplier.organisation_id,
    )
    return bool(rows)


async def nothing_is_ending(stall: Stall) -> bool:
    return not await stall.market.fetch("select 1 from catalogue.endings")


async def test_a_card_that_the_index_refuses_does_not_affect_the_others(stall: Stall) -> None:
    name = f"cymbal {new_id()[-6:]}"
    supplier = await stall.supplier()
    whole, odd = await stall.published(name), await stall.published(f"{name} two")
    offer_id = await stall.offer(supplier, odd)
    await stall.market.fetch(
        """update catalogue.offers set body = body || '{"price": "1E+30"}' where offer_id = $1""", offer_id
    )
    finder = Finder(stall.market.resources.database.of("catalogue"), "RUB")

    async def finds(*wanted: str) -> bool:
        return finder.ready and set((await finder.search(SkuSearch(text=name))).sku_ids) == set(wanted)

    async def says(odd_one: str) -> bool:
        """Wait for the report; the market's own search reports in the same place at its own times."""
        said = next(each.detail for each in HEALTH if each.name == "catalogue search: SKUs")
        return odd_one in said and whole not in said if odd_one else said == ""

    async with finder.running():
        await stall.market.eventually(partial(finds, whole))
        await stall.market.eventually(partial(says, odd))
        third = await stall.published(f"{name} three")
        await stall.market.eventually(partial(finds, whole, third))
        assert (await stall.post(supplier, f"/offers/{offer_id}/withdraw")).status_code == 200
        await stall.market.eventually(partial(finds, whole, odd, third))
        await stall.market.eventually(partial(says, ""))
