"""The file of a policy is edited while the market runs: a request keeps the VAT rate under which it was opened, and nobody who sends
something is blamed for a file that is not valid."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import catalogue
from catalogue.policy import keep_own_in
from infra.ids import new_id
from tests.market import Market
from tests.services.quotes.test_quotes_service import a_buyer, a_supplier, asked, asking, quoting, seen

pytestmark = pytest.mark.servers


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    keep_own_in(tmp_path)
    yield tmp_path
    keep_own_in(None)


async def test_a_request_keeps_the_usual_vat_that_it_was_opened_under(market: Market, folder: Path) -> None:
    name = market.resources.config.policy
    buyer, supplier = await a_buyer(market), await a_supplier(market)
    file = folder / f"{name}.toml"
    shipped = (Path(catalogue.__file__).parent / "policies" / file.name).read_text()
    file.write_text(f"vat_percent = 12.5\n{shipped}")
    request_id = await asked(market, buyer)
    file.write_text(f"vat_percent = 7\n{shipped}")
    told = quoting("12")
    del told["vat_rate"]
    async with market.browser(supplier) as browser:
        page = (await browser.get(f"/quotes/{request_id}")).text
    assert 'value="12.5"' in page
    key = new_id()
    async with market.client(supplier) as client:
        for _ in range(2):
            answer = await client.post(f"/api/quotes/{request_id}/mine", json=told, headers={"idempotency-key": key})
            assert answer.status_code == 200, answer.text
    found = await seen(market, request_id, supplier)
    assert Decimal(found["mine"]["vat_rate"]) == Decimal("12.5")
    assert Decimal(found["vat_percent"]) == Decimal("12.5")


async def test_a_policy_that_is_not_valid_any_more_is_no_fault_of_the_buyer(market: Market, folder: Path) -> None:
    buyer = await a_buyer(market)
    (folder / f"{market.resources.config.policy}.toml").write_text("vat_percent = 700\n")
    async with market.browser(buyer) as browser:
        page = await browser.get("/quotes/new")
    assert page.status_code == 503 and "The rules of this market cannot be read at the moment" in page.text
    async with market.client(buyer) as client:
        answer = await client.post("/api/quotes", json=asking(market), headers={"idempotency-key": new_id()})
    assert (answer.status_code, answer.json()["rule"]) == (503, "policy-not-valid"), answer.text
