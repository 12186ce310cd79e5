"""What moderators decide about contracts that are carried out is listed by page."""

from dataclasses import replace
from datetime import timedelta

import pytest

from services.fulfilment.store import executions
from services.fulfilment.views.disputes import OF_ONE, open_disputes
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_town
from tests.services.contracts.test_contract_queues import EXPECTED, MODERATOR, copies, leafed
from tests.services.fulfilment.test_contracts_carried_out import a_signed_contract


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


async def test_contracts_with_disputes_are_listed_by_page_and_many_disputes_of_one_hide_no_other(town: Town) -> None:
    work = await a_signed_contract(town)
    await work.order()
    await work.deliver()
    await work.assess({}, reasons="Wet")
    body = {"about": "delivery", "number": 1, "asks": "set-aside", "reasons": "It was dry"}
    assert (await work.tell(work.supplier, "disputes", body))[0] == 201
    async with copies(town, "executions", "contract_id", work.contract_id, "disputes.0.said.0.words"):
        found = await leafed(town, MODERATOR, "/contracts/disputes")
        assert [each for each in found if each.startswith("copy ")] == EXPECTED
    kept = await executions.get(town.market.resources.database.pool, work.contract_id)
    assert kept is not None
    (dispute,) = kept.execution.disputes
    many = [
        replace(dispute, number=number, decide_by=dispute.decide_by - timedelta(minutes=number)) for number in range(9)
    ]
    listed = open_disputes([replace(kept.execution, disputes=tuple(many)), kept.execution], town.market.clock())
    assert [each.dispute.number for each in listed] == [*range(8, 8 - OF_ONE, -1), dispute.number]
