"""A state that somebody else changed after it was read is not written back."""

import msgspec
import pytest

from infra.running import Outdated
from services.quotes import store
from tests.market import Market
from tests.services.quotes.test_quotes_service import a_buyer, a_supplier, asked, quote


async def test_a_request_and_the_quotes_on_it(market: Market) -> None:
    request_id = await asked(market, await a_buyer(market))
    supplier = await a_supplier(market)
    await quote(market, request_id, supplier, "10")
    database = market.resources.database
    async with database.transaction("quotes") as tx:
        read = await store.get(await tx.raw(), request_id)
        mine = await store.quote_of(tx, request_id, supplier.organisation_id)
    assert read is not None and mine is not None
    async with database.transaction("quotes") as tx:
        await store.save(tx, read, None)
    with pytest.raises(Outdated):
        async with database.transaction("quotes") as tx:
            await store.save(tx, read, None)
    with pytest.raises(Outdated):
        async with database.transaction("quotes") as tx:
            await store.seal(tx, read, msgspec.structs.replace(mine, version=2))
