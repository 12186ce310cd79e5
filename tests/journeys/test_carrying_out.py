import re
from typing import Any

from playwright.async_api import Page, expect

from services.demonstration.client import Client, sign, when_heard
from tests.journeys.conftest import Api, Meet, Person


async def a_signed_contract(agency: Client, supplier: Client) -> dict[str, Any]:
    """40 packs of the supplier's paper, bought straight from its offer."""
    offers = [standing["offer"] for standing in await supplier.get("/api/catalogue/offers")]
    offer = min(offers, key=lambda each: float(each["price"]))
    bought = await when_heard(
        lambda: agency.post("/api/contracts/purchases", {"offer_id": offer["offer_id"], "quantity": "40"})
    )
    answered = await supplier.post(f"/api/contracts/purchases/{bought['purchase_id']}/answer", {"accept": True})
    return await sign(answered["contract_id"], agency, supplier)


def badge(page: Page, words: str) -> Any:
    return page.locator("#work .badge", has_text=re.compile(f"^{words}$")).first


async def go(person: Person, duty: str, contract: str) -> Page:
    """Go by keyboard from the list of duties to the form of the duty."""
    page = await person.open("/contracts")
    link = page.locator(f"a.button[href^='{contract}']", has_text=re.compile(f"^{duty}"))
    await link.focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Carrying it out")).to_be_visible()
    return page


async def test_a_contract_is_carried_out_by_both_sides_from_its_signature_to_its_closure(meet: Meet, api: Api) -> None:
    contract = await a_signed_contract(await api("agency"), await api("supplier7"))
    path = f"/contracts/{contract['contract_id']}/execution"
    agency, supplier = await meet("agency"), await meet("supplier7")

    page = await supplier.open(f"/contracts/{contract['contract_id']}")
    await supplier.shot("carrying-contract")
    await agency.open("/contracts")
    await expect(agency.sees("Order what is left in the contract")).to_be_visible()
    await agency.shot("carrying-list")
    await page.get_by_role("link", name="Orders, deliveries and invoices").click()
    await expect(supplier.sees("Nothing is ordered yet")).to_be_visible()
    page = await go(agency, "Order what is left in the contract", path)
    await agency.shot("carrying-order")
    await agency.fill(**{"quantity-1": "40", "days": "3"})
    await agency.press("Place the order")
    await expect(badge(page, "to be delivered")).to_be_visible()

    page = await go(supplier, "Deliver order 1", path)
    await supplier.fill(note="TN-218")
    await supplier.shot("carrying-deliver")
    await page.get_by_role("button", name="Report the delivery").click()
    await expect(badge(page, "waits for the buyer")).to_be_visible()

    page = await go(agency, "Accept or refuse delivery 1", path)
    await agency.fill(**{"quantity-1": "38", "reasons": "Two packs were torn"})
    await agency.shot("carrying-assess")
    await agency.press("Accept these quantities")
    await expect(badge(page, "accepted in part")).to_be_visible()

    page = await go(supplier, "Deliver order 1", path)
    await expect(page.get_by_text("2 at most")).to_be_visible()
    await supplier.fill(note="TN-219")
    await page.get_by_role("button", name="Report the delivery").click()
    page = await go(agency, "Accept or refuse delivery 2", path)
    await agency.press("Accept all of it")
    await expect(badge(page, "accepted")).to_be_visible()

    page = await go(supplier, "Invoice what was accepted", path)
    await supplier.fill(reference="INV-77")
    await supplier.shot("carrying-invoice")
    await supplier.press("Send the invoice")
    await expect(badge(page, "to be paid")).to_be_visible()

    page = await agency.open(path)
    await page.locator("details", has_text="Open the dispute").locator("summary").last.click()
    await page.get_by_label("This invoice is void").check()
    await agency.fill(reasons="The order's number is missing on it")
    await agency.shot("carrying-dispute")
    await agency.press("Open the dispute")
    await expect(badge(page, "disputed")).to_be_visible()
    page = await go(supplier, "Answer dispute 1", path)
    await page.get_by_role("link", name="Read and answer").click()
    await page.get_by_label("This invoice is to be paid").check()
    await supplier.fill(words="It is in the second line")
    await page.get_by_role("button", name="Answer").click()
    await expect(page.get_by_text("It is in the second line")).to_be_visible()
    await supplier.shot("carrying-dispute-answered")
    page = await agency.open(f"/contracts/{contract['contract_id']}/disputes/1")
    await page.get_by_label("This invoice is to be paid").check()
    await agency.fill(words="So it is")
    await page.get_by_role("button", name="Answer").click()
    await expect(page.get_by_text("Both sides agreed")).to_be_visible()
    page = await agency.open(path)
    await expect(badge(page, "agreed")).to_be_visible()

    page = await go(agency, "Pay invoice 1", path)
    await page.get_by_role("button", name="We paid it").click()
    page = await go(supplier, "Confirm that you received the money", path)
    await page.get_by_role("button", name="We received the money").click()
    await expect(supplier.sees("everything is accepted and paid")).to_be_visible()
    await page.locator("summary", has_text="History").click()
    await supplier.shot("carrying-closed")

    visitor = await meet()
    page = await visitor.open(f"/organisations/{contract['supplier_id']}/record")
    await expect(page.get_by_text("Orders delivered on time")).to_be_visible()
    await visitor.shot("carrying-record")
