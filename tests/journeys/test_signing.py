"""A contract from award to signature in two browsers: equivalents, a protocol of disagreement, more time, a security; and a refusal
that is disputed."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec import structs
from playwright.async_api import Browser, expect

from infra.embedded.jars import web_assets
from infra.tokens import Principal
from tests.journeys.conftest import DESK, PHONE, Person
from tests.market import Market
from tests.services.contracts.builders import a_line
from tests.services.contracts.market_builders import Town, a_member, a_town, an_auction

Sit = Callable[[Principal], Awaitable[Person]]
MODERATOR = a_member("Operator", "moderator")


@pytest.fixture
async def town(market: Market) -> Town:
    web_assets(market.resources.config.home, market.resources.config.cache, print)
    return await a_town(market)


@pytest.fixture
async def sit(town: Town, browser: Browser) -> AsyncIterator[Sit]:
    """``await sit(member)`` is that member, logged in at a browser."""
    screens = (town.market.resources.config.home / "screens").absolute()
    screens.mkdir(parents=True, exist_ok=True)
    met: list[Person] = []
    async with AsyncExitStack() as stack:

        async def member(principal: Principal) -> Person:
            context = await browser.new_context(viewport=DESK, locale="en-GB")  # type: ignore[arg-type]
            stack.push_async_callback(context.close)
            await context.add_cookies(
                [{"name": "lonja_session", "value": town.market.token(principal), "url": town.market.url}]
            )
            person = Person(await context.new_page(), town.market.url, Path(screens))
            person.page.on("pageerror", lambda error: person.errors.append(f"{person.page.url}: {error}"))
            met.append(person)
            return person

        yield member
        errors = [error for person in met for error in person.errors]
    assert not errors, "\n".join(errors)


async def works(town: Town) -> str:
    """The contract of a won auction for works: five lines, equivalents allowed, a security due."""
    opened, *bids, closed = an_auction(town, amounts=("150000.00", "160000.00"))
    lines = tuple(
        structs.replace(a_line(str(number), "30000.00"), description=f"Repair of classroom {number}")
        for number in range(1, 6)
    )
    told = {"title": "Repairs in the summer holidays", "kind": "works"}
    await town.tell(
        structs.replace(opened, **told, lines=lines, equivalents=True),
        *bids,
        structs.replace(closed, **told, lines=lines),
    )
    (contract,) = await town.contracts(opened.auction_id)
    return str(contract["contract_id"])


async def test_signed_with_equivalents_an_objection_and_a_security(town: Town, sit: Sit) -> None:
    path = f"/contracts/{await works(town)}"
    supplier, buyer = await sit(town.suppliers[0]), await sit(town.school)

    await supplier.open(path)
    await supplier.page.get_by_text("Name equivalents").click()
    await supplier.shot("signing-offer")
    await supplier.fill(**{"equivalent-1": "21", "stand-in-1": "Washable paint"})
    await supplier.press("Sign the offer")
    await expect(supplier.page.get_by_text("An equivalent may replace up to 20 %")).to_be_visible()
    await supplier.fill(**{"equivalent-1": "20", "equivalent-2": "5", "stand-in-2": "Grey tiles"})
    await supplier.press("Sign the offer")

    await buyer.open(path)
    await buyer.page.get_by_text("Further terms").click()
    await buyer.shot("signing-draft")
    await buyer.fill(payment="Within 30 days of acceptance", requisites="Treasury account 7")
    await buyer.page.get_by_label("I refuse it: the original is due").nth(1).check()
    await buyer.fill(**{"refused-2": "Too dark for a classroom"})
    await buyer.press("Send the draft")

    await supplier.open(path)
    await supplier.shot("signing-signature")
    await supplier.press("Object to the draft")
    await supplier.page.locator("[name=code-1]").select_option("payment")
    await supplier.fill(**{"wanted-1": "Within 10 days of acceptance", "reason-1": "We pay our people weekly"})
    await supplier.page.locator("[name=code-2]").select_option("delivery-place")
    await supplier.page.locator("[name=line-2]").select_option("3")
    await supplier.fill(**{"wanted-2": "After 16:00 only"})
    await supplier.press("File the objection")
    await expect(supplier.page.get_by_text("Say why.")).to_be_visible()
    await supplier.press("One more point")
    await expect(supplier.page.locator("[name=wanted-1]")).to_have_value("Within 10 days of acceptance")
    await supplier.fill(**{"reason-2": "Lessons run until then"})
    await supplier.shot("signing-objection")
    await supplier.press("File the objection")
    await expect(supplier.page.get_by_text("Your objection was filed")).to_be_visible()
    await supplier.shot("signing-objected")

    await buyer.open(path)
    await buyer.shot("signing-answer")
    await buyer.page.locator("[name=answer-1][value=yes]").check()
    await buyer.page.locator("[name=answer-2][value=no]").check()
    await buyer.page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    await buyer.press("Answer the objection")
    refusal = buyer.page.get_by_text("Please correct 1 field")
    await expect(refusal).to_be_in_viewport()
    await expect(refusal).to_be_focused()
    await buyer.page.screenshot(path=town.market.resources.config.home / "screens" / "signing-refused-answer.png")
    await refusal.get_by_role("link").click()
    await expect(buyer.page.get_by_text("Say why the draft stays as it is on point 2.")).to_be_in_viewport()
    await buyer.fill(**{"reason-2": "The school is open all day in summer"})
    await buyer.press("Answer the objection")
    await expect(buyer.page.get_by_text("Your answer was sent")).to_be_visible()

    await supplier.open(path)
    await expect(supplier.page.get_by_text("No objection to the draft is possible")).to_be_visible()
    await supplier.press("Take more time")
    await expect(supplier.page.get_by_text("Your time was extended")).to_be_visible()
    until = await supplier.page.get_by_text("valid until").first.inner_text()
    await supplier.fill(**{"security-reference": "BG-7", "security-amount": "9 000"})
    await supplier.page.locator("[name=security-valid-until]").fill(until.split("valid until at least ")[1][:10])
    await supplier.press("Sign the contract")
    await expect(supplier.page.get_by_text("are due, not 9\u202f000")).to_be_visible()
    await supplier.shot("signing-security")
    await supplier.fill(**{"security-amount": "10 000"})
    await supplier.press("Sign the contract")
    await expect(supplier.page.get_by_text("Your signature was recorded")).to_be_visible()
    await supplier.shot("signing-concluded")
    await buyer.open(path)
    await expect(buyer.page.get_by_text("BG-7")).to_be_visible()


async def test_refused_on_a_ground_that_the_buyer_disputes(town: Town, sit: Sit) -> None:
    path = f"/contracts/{await works(town)}"
    supplier, buyer, moderator = await sit(town.suppliers[0]), await sit(town.school), await sit(MODERATOR)
    await supplier.open(path)
    await supplier.page.get_by_text("Refuse this contract").click()
    await supplier.page.get_by_label("Force majeure").check()
    await supplier.fill(explanation="Our workshop burnt down")
    await supplier.page.get_by_label("I confirm this").check()
    await supplier.press("Refuse the contract")
    await expect(supplier.page.get_by_text("Say where the ground can be seen")).to_be_visible()
    await supplier.shot("signing-refusal")
    await supplier.fill(evidence="Fire brigade, report No. 7")
    await supplier.page.get_by_label("I confirm this").check()
    await supplier.press("Refuse the contract")
    await expect(supplier.page.get_by_text("You refused the contract")).to_be_visible()

    await buyer.open(path)
    await buyer.page.get_by_text("Dispute the ground").first.click()
    await buyer.fill(reasons="The workshop works: it delivered to a neighbour yesterday")
    await buyer.shot("signing-dispute")
    await buyer.page.get_by_role("button", name="Dispute the ground").click()
    await expect(buyer.page.get_by_text("A moderator decides by")).to_be_visible()

    await moderator.open("/contracts/refusals")
    await moderator.shot("signing-refusals")
    card = moderator.page.locator("article", has=moderator.page.locator(f"a[href='{path}']"))
    await card.get_by_label("The ground does not hold").check()
    await card.get_by_label("Why").fill("No fire was seen")
    await card.get_by_role("button", name="Decide").click()
    await expect(moderator.page.get_by_text("not justified: it counts as a breach")).to_be_visible()
    await supplier.open(path)
    await expect(supplier.page.get_by_text("Disputed, and found not justified")).to_be_visible()
    await supplier.shot("signing-decided")
