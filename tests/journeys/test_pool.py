import re
from datetime import timedelta
from decimal import Decimal

from playwright.async_api import expect

from services.demonstration.cast import cast
from services.demonstration.client import sign, when_heard
from tests.journeys.conftest import Api, Meet
from tests.market import Market

GOOD = next(good for good in cast().skus if good.name.startswith("Exercise book"))
DEMANDS = {"agency": ("400", "10"), "agency2": ("255", "5"), "agency3": ("100", "0")}


async def test_three_agencies_buy_together_and_each_gets_its_contract_and_its_saving(
    demo: Market, meet: Meet, api: Api, sku_ids: dict[str, str]
) -> None:
    lead = await meet("agency")
    page = await lead.open(f"/pools/new?sku={sku_ids[GOOD.name]}")
    ends = (demo.clock() + timedelta(days=2)).strftime("%Y-%m-%dT%H:%M")
    await lead.fill(title="Exercise books for September", minimum_quantity="500", enrolment_ends_at=ends)
    # its own region; Tver is also to take part
    await page.get_by_label("Delivery regions").locator("input:checked").uncheck()
    await lead.shot("pool-compose")
    await lead.press("Open for enrolment")
    await expect(page.get_by_role("heading", name="Exercise books for September")).to_be_visible()
    pool = page.url.removeprefix(lead.url).partition("?")[0]
    await expect(page.get_by_role("button", name="Freeze the demand now")).to_be_disabled()

    for key, (firm, tolerance) in DEMANDS.items():
        agency = lead if key == "agency" else await meet(key)
        await agency.open(pool)
        await agency.fill(firm_0=firm, tolerance_0=tolerance)
        await agency.press("Enrol")
        await expect(agency.page.get_by_role("heading", name="Your demand")).to_be_visible()
    await lead.open(pool)
    await expect(lead.sees("minimum reached")).to_be_visible()
    await lead.shot("pool-enrolling")
    await lead.press("Freeze the demand now")
    await page.locator("[name=duration_minutes][value='3']").check()
    await lead.shot("pool-frozen")
    await lead.press("Run the mini-auction")
    await page.get_by_role("link", name="Watch the bids").click()
    await page.evaluate("window.never_reloaded = true")
    auction = page.url.removeprefix(lead.url)

    for steps, key in ((1, "supplier2"), (4, "supplier7"), (9, "supplier2")):
        supplier = await api(key)
        seen = await supplier.get(f"/api{auction}")
        amount = Decimal(seen["initial_price"]) - steps * Decimal(seen["step"])
        await supplier.post(f"/api{auction}/bids", {"amount": str(amount)})
        await expect(page.locator(".live .price")).to_contain_text(re.compile(f"{amount:,.2f}".replace(",", ".?")))
    demo.clock.advance(timedelta(minutes=3, seconds=2))
    await expect(page.locator(".live")).to_contain_text("won by Whitesheet Trading")
    assert await page.evaluate("window.never_reloaded")

    agency = await api("agency")

    async def drafted() -> dict[str, str]:
        found = await agency.get(f"/api{pool}")
        assert len(found["contracts"]) == 3
        return {member: contract["contract_id"] for member, contract in found["contracts"].items()}

    contracts = await demo.eventually(drafted)
    for key in DEMANDS:
        member = await api(key)
        signed = await sign(contracts[member.me["organisation_id"]], member, await api("supplier2"))
        assert signed["state"] == "concluded"

    async def closed() -> dict[str, object]:
        found: dict[str, object] = await agency.get(f"/api{pool}")
        return found if found["stage"] == "closed" else {}

    details = await when_heard(lambda: demo.eventually(closed))
    result = details["result"]
    assert isinstance(result, dict)
    for figure in ("amount", "standalone", "saving"):
        assert sum(Decimal(part[figure]) for part in result["allocations"]) == Decimal(result[figure])
    assert Decimal(result["saving"]) > 0
    await lead.open(pool)
    await expect(page.get_by_role("link", name="signed", exact=True)).to_have_count(3)
    await lead.shot("pool-closed")
