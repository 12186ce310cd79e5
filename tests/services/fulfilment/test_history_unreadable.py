"""The history of a contract with an entry that only a newer release can read."""

import pytest

from tests.market import Market
from tests.services.contracts.market_builders import Town, a_town
from tests.services.fulfilment.test_contracts_carried_out import a_signed_contract
from tests.unreadable import in_health, one_line_is_strange, says_so_in_place

EVENTS = "fulfilment.execution_events"


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


@pytest.mark.parametrize(
    "change",
    [
        "type = 'lonja.contracts.NewerThing.v1'",
        "body = '{}'::jsonb",
        "body = 'null'::jsonb",
        """body = '{"outcome": "novel", "by": "novel"}'::jsonb""",
    ],
)
async def test_a_line_that_cannot_be_read_says_so_in_its_place(town: Town, change: str) -> None:
    work = await a_signed_contract(town)
    await work.order()
    await work.deliver()
    where = f"contract_id = '{work.contract_id}' and position = 2"
    path = f"/contracts/{work.contract_id}/execution"
    async with one_line_is_strange(town.market, EVENTS, where, change):
        await says_so_in_place(town.market, work.buyer, path, "1")
        assert "2" in in_health(f"line of the history of contract {work.contract_id}").detail


async def test_a_word_that_only_a_newer_release_has_says_so_in_its_place(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order()
    await work.deliver()
    await work.assess({}, reasons="Wet")
    where = f"contract_id = '{work.contract_id}' and position = 3"
    change = (
        """body = (select jsonb_set(body, '{by}', '"robot"') from fulfilment.execution_events where """ + where + ")"
    )
    async with one_line_is_strange(town.market, EVENTS, where, change):
        await says_so_in_place(town.market, work.buyer, f"/contracts/{work.contract_id}/execution", "1")
