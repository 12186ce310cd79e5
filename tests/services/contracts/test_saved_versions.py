"""A state that somebody else changed after it was read is not written back."""

from collections.abc import Awaitable, Callable

import pytest

from infra.database import Transaction
from infra.running import Outdated
from services.contracts.store import deals
from services.fulfilment.store import executions
from services.purchases.store import purchases
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_town
from tests.services.fulfilment.test_contracts_carried_out import a_signed_contract
from tests.services.purchases.test_purchases_bought import asked

Save = Callable[[Transaction], Awaitable[None]]


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


async def twice(market: Market, save: Save, service: str = "contracts") -> None:
    async with market.resources.database.transaction(service) as tx:
        await save(tx)
    with pytest.raises(Outdated):
        async with market.resources.database.transaction(service) as tx:
            await save(tx)


async def test_a_deal_and_its_execution(town: Town) -> None:
    work = await a_signed_contract(town)
    pool = town.market.resources.database.pool
    deal = await deals.get(pool, work.process_id, town.school.organisation_id)
    execution = await town.market.eventually(lambda: executions.get(pool, work.contract_id))
    assert deal is not None

    async def save_deal(tx: Transaction) -> None:
        await deals.save(tx, deal)

    async def save_execution(tx: Transaction) -> None:
        await executions.save(tx, execution, execution.execution)

    await twice(town.market, save_deal)
    await twice(town.market, save_execution, "fulfilment")


async def test_a_purchase(town: Town) -> None:
    purchase = await purchases.get(town.market.resources.database.pool, await asked(town))
    assert purchase is not None

    async def save(tx: Transaction) -> None:
        await purchases.save(tx, purchase)

    await twice(town.market, save, "purchases")
