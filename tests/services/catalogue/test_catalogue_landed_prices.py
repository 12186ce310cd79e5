"""The queries on offers state the rules of landed prices again, so both are compared: on generated offers and needs, with the
bounds of quantities, tiers, dates and regions among them. Also: until when an offer counts in the search index."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import asyncpg
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogue.offers import Need, Offer, PriceTier, broken_rules, rank
from catalogue.places import Place
from catalogue.skus import Sku
from infra.database import Transaction
from infra.ids import new_id
from services.catalogue.finder import Finder
from services.catalogue.pricing import LocalMarket, best_price, date_of_all
from services.catalogue.store import prices
from tests.explained import rolled_back
from tests.market import Market

TODAY = date(2026, 11, 30)
REGIONS = ("RU", "RU-MOW", "RU-SPE", "BR-SP")
COMPARED = 200
PACK = Decimal(10)
RATES = ("0", "7.25", "10", "20", "99.99")

cents = st.integers(1, 200_00).map(lambda number: Decimal(number) / 100)
packs = st.integers(1, 12).map(Decimal) | st.sampled_from([Decimal("0.5"), Decimal("2.25")])
days = st.integers(-1, 2).map(lambda number: TODAY + timedelta(days=number))


@st.composite
def offers_of_one_sku(draw: st.DrawFn) -> list[Offer]:
    offers = []
    for number in range(draw(st.integers(1, 7))):
        least, price = draw(packs), draw(cents)
        steps = sorted(draw(st.sets(st.integers(1, 6), max_size=3)))
        tiers = tuple(PriceTier(least + step, price - step * Decimal("0.01")) for step in steps)
        offer = Offer(
            offer_id=f"{number:03}",
            sku_id="",
            supplier_id=f"supplier-{number}",
            price=price,
            currency=draw(st.sampled_from(["RUB", "RUB", "RUB", "USD"])),
            vat_rate=Decimal(draw(st.sampled_from(RATES))),
            vat_included=draw(st.booleans()),
            regions=tuple(draw(st.lists(st.sampled_from(REGIONS), min_size=1, max_size=3, unique=True))),
            delivery_days=3,
            stock=Place(country="RU"),
            min_quantity=least,
            max_quantity=least + draw(st.integers(0, 8)),
            tiers=(),
            valid_from=TODAY - timedelta(days=1),
            valid_until=draw(days),
        )
        tiered = msgspec.structs.replace(offer, tiers=tiers)
        offers.append(offer if broken_rules(tiered) else tiered)
    return offers


needs_of_buyers = st.lists(
    st.builds(Need, packs, st.sampled_from(["RU-MOW", "RU-SPE", "RU-TA", "RU", "BR", "BR-SP"]), days),
    min_size=1,
    max_size=4,
)


def generated() -> list[tuple[list[Offer], list[Need]]]:
    """The same examples in every run."""
    examples: list[tuple[list[Offer], list[Need]]] = []

    @settings(max_examples=COMPARED, derandomize=True, database=None)
    @given(offers_of_one_sku(), needs_of_buyers)
    def draw(offers: list[Offer], needs: list[Need]) -> None:
        examples.append((offers, needs))

    draw()
    return examples


async def put_up(db: asyncpg.Connection, offers: Sequence[Offer]) -> None:
    await db.executemany(
        "insert into catalogue.offers (offer_id, sku_id, supplier_id, supplier_name, valid_until, published_at, body)"
        " values ($1, $2, $3, 'Somebody', $4, now(), $5::text::jsonb)",
        [
            (each.offer_id, each.sku_id, each.supplier_id, each.valid_until, msgspec.json.encode(each).decode())
            for each in offers
        ],
    )


def landed(offers: Sequence[Offer], need: Need) -> list[Decimal | None]:
    """The landed price of each offer, in the given order."""
    of = {row.offer.offer_id: row.landed for row in rank(offers, need, pack_size=PACK, currency="RUB")}
    return [price.amount if (price := of[each.offer_id]) else None for each in offers]


async def compare(tx: Transaction, offers: list[Offer], need: Need) -> None:
    sku_id = offers[0].sku_id
    ranked = [row.offer for row in rank(offers, need, pack_size=PACK, currency="RUB")]
    asked = {sku_id: prices.PriceRequest(region=need.region, quantity=need.quantity)}
    found = [each.offer for each in (await prices.first(tx, asked, "RUB", need.on, most=100))[sku_id]]
    assert landed(found, need) == landed(ranked, need), (offers, need)
    for region in ("", need.region):
        market = LocalMarket(region=region, currency="RUB", on=need.on)
        cheapest = (await prices.first(tx, {sku_id: prices.PriceRequest(region=region)}, "RUB", need.on))[sku_id]
        assert best_price((each.offer for each in cheapest), market) == best_price(offers, market), (offers, market)


@pytest.mark.servers
async def test_the_database_prices_and_orders_offers_as_the_rules_do(market: Market) -> None:
    examples = generated()
    assert len(examples) == COMPARED
    async with rolled_back(market.resources.database, "catalogue") as (tx, db):
        for number, (offers, needs) in enumerate(examples):
            mine = [
                msgspec.structs.replace(each, sku_id=f"sku-{number}", offer_id=f"{number}-{each.offer_id}")
                for each in offers
            ]
            await put_up(db, mine)
            for need in needs:
                await compare(tx, mine, need)


@pytest.mark.parametrize(
    ("hour", "counts"),
    [(datetime(2026, 12, 1, 11, 59, tzinfo=UTC), True), (datetime(2026, 12, 1, 12, tzinfo=UTC), False)],
)
def test_an_offer_is_over_for_all_buyers_half_a_day_after_its_last_day_in_utc(hour: datetime, counts: bool) -> None:
    assert (date_of_all(hour) <= date(2026, 11, 30)) is counts


@pytest.mark.servers
async def test_the_search_finds_by_its_price_what_a_buyer_in_the_last_time_zone_can_still_buy(market: Market) -> None:
    sku = Sku(sku_id=new_id(), version=1, name="Harp", category="37000000", attributes=(), base_unit="C62")
    [offer] = [
        Offer(
            offer_id=new_id(),
            sku_id=sku.sku_id,
            supplier_id="s",
            price=Decimal(90),
            currency="RUB",
            vat_rate=Decimal(0),
            vat_included=True,
            regions=("RU-MOW",),
            delivery_days=3,
            stock=Place(country="RU"),
            min_quantity=Decimal(1),
            max_quantity=Decimal(9),
            valid_from=TODAY,
            valid_until=TODAY,
        )
    ]
    finder = Finder(market.resources.database.of("catalogue"), "RUB")
    async with rolled_back(market.resources.database, "catalogue") as (tx, db):
        await put_up(db, [offer])
        for hours, price in ((23, 9000), (35, 9000), (36, None)):
            tx.now = datetime(2026, 11, 30, tzinfo=UTC) + timedelta(hours=hours)
            [card] = await finder._cards(tx, [sku])
            assert card.min_price == price
