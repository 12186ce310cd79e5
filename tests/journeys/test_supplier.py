import asyncio
import re
from urllib.parse import urlsplit

from aiosmtpd.smtp import SMTP
from playwright.async_api import expect

from infra import kept_mail, mailbox
from infra.ids import new_id
from services.demonstration.cast import cast
from services.demonstration.seed import open_auction
from tests.demo import LONGEST_AUCTION, PASSWORD
from tests.journeys.conftest import Api, Meet
from tests.market import Market

GOOD = next(good for good in cast().skus if good.name.startswith("Monitor"))
TITLE = "Monitors for the language laboratory"


async def test_a_new_supplier_registers_offers_gets_recommendations_by_page_and_mail_and_can_stop_the_mail(
    demo: Market, meet: Meet, api: Api, sku_ids: dict[str, str]
) -> None:
    await open_auction(await api("agency"), "RU-MOW", TITLE, sku_ids[GOOD.name], 30, LONGEST_AUCTION)
    home = demo.resources.config.home
    port = urlsplit(kept_mail.smtp_url(home)).port
    keeper = mailbox.Keeper(demo.resources.config.mail_dir)
    smtp = await asyncio.get_running_loop().create_server(lambda: SMTP(keeper), "127.0.0.1", port)
    async with smtp:
        supplier = await meet()
        page = await supplier.open("/register")
        email = f"{new_id()}@newcomer.example"
        await page.locator("[name=country]").select_option("RU")
        await page.locator("[name=divisions][value^='30']").check()
        await supplier.fill(
            organisation="Newcomer Screens",
            region="RU-MOW",
            locality="Moscow",
            name="Nadia Newcomer",
            email=email,
            password=PASSWORD,
        )
        await page.locator("main form button", has_text="Register").click()
        await expect(page.get_by_role("button", name="Log out")).to_be_visible()

        await supplier.open(f"/catalogue/offers/new?sku={sku_ids[GOOD.name]}")
        await supplier.fill(price="13450", vat_rate="20", max_quantity="200", delivery_days="4")
        await page.locator("[name=regions]").first.check()
        await supplier.shot("supplier-offer")
        await supplier.press("Publish the offer")
        await expect(page.locator("tbody th")).to_contain_text(re.compile(r"13\s450\.00\sRUB"))

        async def recommended() -> bool:
            await supplier.open("/recommendations")
            return await page.get_by_role("link", name=TITLE, exact=True).count() > 0

        await demo.eventually(recommended, within=40)
        reasons = page.locator("article", has_text=TITLE).get_by_role("listitem")
        assert await reasons.count() >= 1
        await supplier.shot("supplier-recommendations")

        async def letter() -> kept_mail.Mail | None:
            mails = kept_mail.messages(demo.resources.config.mail_dir)
            return next((mail for mail in mails if email in mail.recipients), None)

        mail = await demo.eventually(letter, within=75)  # a postponed letter is tried again after half a minute
        for part in (mail.html, mail.text):
            assert TITLE in part
        await page.set_content(mail.html)
        await page.screenshot(path=supplier.screens / "supplier-mail.png", full_page=True)
        link = re.search(r"https?://\S+(/unsubscribe/[\w.~-]+)", mail.text)
        assert link is not None
        visitor = await meet()
        await visitor.open(link[1])
        await visitor.press("Unsubscribe")
        await expect(visitor.page.get_by_role("heading", name="You are unsubscribed")).to_be_visible()
        await visitor.shot("supplier-unsubscribed")
        await supplier.open("/notifications")
        await expect(page.locator("[name=digest]")).not_to_be_checked()
        await supplier.shot("supplier-mail-settings")
