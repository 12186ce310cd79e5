import re
from datetime import timedelta
from decimal import Decimal

from playwright.async_api import expect

from events.contracts import ContractConcluded
from events.values import Category, Line, Place, Source
from infra.ids import new_id
from services.demonstration.cast import cast
from tests.journeys.conftest import PHONE, Meet
from tests.market import Market

GOOD = next(good for good in cast().skus if good.name.startswith("Liquid soap"))
TOWNS = (
    ("RU-MOW", "Moscow", 55.75, 37.62),
    ("RU-SPE", "Saint Petersburg", 59.94, 30.31),
    ("RU-NIZ", "Nizhniy Novgorod", 56.33, 44.0),
    ("RU-TA", "Kazan", 55.79, 49.12),
)


def contract_of_old(market: Market, sku_id: str, number: int, price: str) -> ContractConcluded:
    """A contract somewhere in Russia, some weeks ago."""
    region, town, latitude, longitude = TOWNS[number % len(TOWNS)]
    return ContractConcluded(
        process_id=new_id(),
        contract_id=new_id(),
        award_id=None,
        origin="purchase",
        method="direct",
        title=GOOD.name,
        buyer_id=f"old-buyer-{number}",
        buyer_name=f"School {number}",
        supplier_id=f"old-supplier-{number % 5}",
        supplier_name=f"Soap maker {number % 5}",
        category=Category(code="33711900"),
        place=Place(country="RU", region=region, locality=town, latitude=latitude, longitude=longitude),
        currency="RUB",
        amount=Decimal(price) * 10,
        lines=(
            Line(
                line_id="1",
                description=GOOD.name,
                sku_id=sku_id,
                quantity=Decimal(10),
                unit="LTR",
                pack_size=Decimal(5),
                unit_price=Decimal(price),
                amount=Decimal(price) * 10,
                vat_rate=Decimal(20),
                vat_included=True,
            ),
        ),
        signed_at=market.clock() - timedelta(days=20 * number + 1),
        source=Source(publisher="The archive", document=f"contract {number}"),
    )


async def test_a_price_shows_what_counted_and_why_not_over_time_and_on_the_map(
    demo: Market, meet: Meet, sku_ids: dict[str, str]
) -> None:
    sku_id = sku_ids[GOOD.name]
    prices = ["392.00", "401.50", "388.00", "410.00", "397.00", "385.00", "404.00", "399.00", "3990.00"]
    await demo.publish(*(contract_of_old(demo, sku_id, number, price) for number, price in enumerate(prices)))
    visitor = await meet()

    async def judged() -> bool:
        page = await visitor.open(f"/observatory/items/{sku_id}")
        return "contract" in await page.locator("main").inner_text() and await page.get_by_text("665").count() > 0

    await demo.eventually(judged, within=30)
    page = visitor.page
    await expect(page.get_by_role("heading", name="Price over time")).to_be_visible()
    await expect(page.locator("#price-chart canvas")).to_be_visible()
    await expect(page.locator("#price-map path.leaflet-interactive").first).to_be_visible()
    assert await page.locator("#price-map path.leaflet-interactive").count() >= len(TOWNS)
    await expect(page.locator("main")).to_contain_text(re.compile("outlier|MAD|far from", re.I))
    await visitor.shot("observatory-item")
    for language in ("es", "ru"):
        await visitor.speaks(language)
        await visitor.open(f"/observatory/items/{sku_id}")
        await visitor.shot(f"observatory-item-{language}")
        await page.set_viewport_size(PHONE)  # type: ignore[arg-type]
        buyer = await page.get_by_text("School 3", exact=True).bounding_box()
        assert buyer and buyer["x"] + buyer["width"] <= PHONE["width"], "the buyer stands in sight on a phone"
    await visitor.speaks("en")
    await visitor.open("/observatory")
    await visitor.fill(q="liquid soap")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("link", name=re.compile("Liquid soap")).first).to_be_visible()
