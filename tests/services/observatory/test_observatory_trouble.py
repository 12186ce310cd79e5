"""An item whose prices cannot be judged is set aside by itself, says so, and comes back with new prices."""

from decimal import Decimal
from typing import Any

import pytest

from infra.health import HEALTH, State
from infra.ids import new_id
from services.observatory import handlers
from services.observatory.intake import Item
from tests.services.observatory.stories import a_contract
from tests.services.observatory.test_observatory_service import Observatory, observatory, three

__all__ = ["observatory"]
pytestmark = pytest.mark.servers


async def test_an_item_whose_prices_fail_costs_itself_alone_and_comes_back_with_new_ones(
    observatory: Observatory, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = new_id(), new_id()
    await three(observatory, broken)
    judge = handlers.judge

    def fails(item: Item, *rest: Any) -> Any:
        if item.item_key == broken:
            raise ArithmeticError("a price that cannot be computed with")
        return judge(item, *rest)

    async def trouble() -> str | None:
        rows = await observatory.market.fetch("select trouble from observatory.items where item_key = $1", broken)
        observatory.market.clock.advance(handlers.PAUSE)
        return str(rows[0]["trouble"]) if rows[0]["trouble"] else None

    with monkeypatch.context() as patched:
        patched.setattr(handlers, "judge", fails)
        await observatory.hears(a_contract(broken, "12", observatory.today))
        await three(observatory, whole)
        assert "a price that cannot be computed with" in await observatory.market.eventually(trouble)
        assert any(each.state is State.degraded and broken in each.detail for each in HEALTH)
    found = await observatory.item(broken)
    assert found["answer"]["in_trouble"] and Decimal(found["answer"]["reference"]["median"]) == 10
    async with observatory.market.client() as client:
        assert "could not be judged" in (await client.get(f"/observatory/items/{broken}")).text

    await observatory.hears(a_contract(broken, "13", observatory.today))
    mended = await observatory.settled(broken, 5)
    assert not mended["answer"]["in_trouble"] and Decimal(mended["answer"]["reference"]["median"]) == 11
