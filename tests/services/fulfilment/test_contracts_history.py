"""The history of a contract with many entries."""

from services.fulfilment.pages.work import OF_HISTORY
from tests.market import Market
from tests.services.contracts.market_builders import a_town
from tests.services.contracts.test_contracts_pages import seen
from tests.services.fulfilment.test_contracts_carried_out import a_signed_contract

ORDER = "The buyer placed order "


async def test_the_page_shows_the_newest_entries_and_links_to_the_others(market: Market) -> None:
    town = await a_town(market)
    work = await a_signed_contract(town)
    assert (await work.order())[0] == 201
    await market.resources.database.pool.execute(
        "insert into fulfilment.execution_events select contract_id, n, at, member_name, type,"
        " jsonb_set(body, '{order}', to_jsonb(n)) from fulfilment.execution_events, generate_series(2, $2::int) n"
        " where contract_id = $1 and position = 1",
        work.contract_id,
        OF_HISTORY + 10,
    )
    page = f"/contracts/{work.contract_id}/execution"
    _, first = await seen(town, None, page)
    _, second = await seen(town, None, page, page="2")
    assert (first.count(ORDER), second.count(ORDER)) == (OF_HISTORY, 10)
    assert f"{ORDER}{OF_HISTORY + 10}<" in first and f"{ORDER}1<" in second
    assert f"{page}?page=2#history" in first and f"{page}?page=1#history" in second
    assert "page=3" not in second and "page=0" not in first
    async with market.browser() as browser:
        far = await browser.get(page, page="500")
        assert str(far.url).endswith(f"{page}?page=2") and far.text.count(ORDER) == 10
