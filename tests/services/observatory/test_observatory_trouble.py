"""An item whose prices cannot be judged is set aside by itself, says so, and comes back with new prices."""

from typing import Any

import pytest

from infra.health import HEALTH, State
from infra.ids import new_id
from services.observatory.handlers import PAUSE
from tests.services.observatory.stories import a_contract
from tests.services.observatory.test_observatory_service import Observatory, observatory, three

__all__ = ["observatory"]
pytestmark = pytest.mark.servers


async def test_an_item_whose_prices_fail_costs_itself_alone_and_comes_back_with_new_ones(
    observatory: Observatory,
) -> None:
    broken, whole = new_id(), new_id()
    await three(observatory, broken)
    kept = await observatory.market.fetch(
        "with old as (select observation_id, body from observatory.observations where item_key = $1 limit 1)"
        " update observatory.observations o set body = '{}' from old where o.observation_id = old.observation_id"
        " returning o.observation_id, old.body",
        broken,
    )
    await observatory.hears(a_contract(broken, "12", observatory.today))
    await three(observatory, whole)
    observatory.market.clock.advance(PAUSE)

    async def trouble() -> str | None:
        rows = await observatory.market.fetch("select trouble from observatory.items where item_key = $1", broken)
        return str(rows[0]["trouble"]) if rows[0]["trouble"] else None

    assert await observatory.market.eventually(trouble)
    assert (await observatory.settled(whole, 3))["answer"]["reference"]
    assert any(each.state is State.degraded and broken in each.detail for each in HEALTH)
    found = await observatory.item(broken)
    assert found["answer"]["in_trouble"] and found["answer"]["reference"]["median"] == "10"
    async with observatory.market.client() as client:
        assert "could not be judged" in (await client.get(f"/observatory/items/{broken}")).text

    await observatory.market.fetch(
        "update observatory.observations set body = $2 where observation_id = $1 returning 1", *kept[0].values()
    )
    await observatory.hears(a_contract(broken, "13", observatory.today))
    mended: dict[str, Any] = await observatory.settled(broken, 5)
    assert not mended["answer"]["in_trouble"] and mended["answer"]["reference"]["median"] == "11"
