"""Which items are judged: an item whose prices cannot be judged is set aside alone, and live prices come before those
of an import."""

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from infra.health import HEALTH, PartState
from infra.ids import new_id
from services.observatory import handlers, store
from services.observatory.intake import Item, Origin, Seen
from tests.services.observatory.builders import a_contract
from tests.services.observatory.test_observatory_service import Observatory, observatory, three

__all__ = ["observatory"]
pytestmark = pytest.mark.servers


class Undone(Exception):
    """Undoes what a test did in the shared market."""


async def test_an_item_whose_prices_fail_does_not_affect_the_others_and_comes_back_with_new_prices(
    observatory: Observatory, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, whole = new_id(), new_id()
    await three(observatory, broken)
    judge = handlers.judge

    def fails(item: Item, *rest: Any) -> Any:
        if item.item_key == broken:
            raise ArithmeticError("a price that cannot be computed with")
        return judge(item, *rest)

    said: list[str] = []

    async def trouble() -> str | None:
        rows = await observatory.market.fetch("select trouble from observatory.items where item_key = $1", broken)
        if not rows[0]["trouble"]:
            observatory.market.clock.advance(handlers.PAUSE)
            return None
        said.extend(each.detail for each in HEALTH if each.state is PartState.degraded)
        return str(rows[0]["trouble"])

    with monkeypatch.context() as patched:
        patched.setattr(handlers, "judge", fails)
        await observatory.hears(a_contract(broken, "12", observatory.today))
        await three(observatory, whole)
        assert "a price that cannot be computed with" in await observatory.market.eventually(trouble)
        assert any(broken in detail for detail in said)
    found = await observatory.item(broken)
    assert found["answer"]["in_trouble"] and Decimal(found["answer"]["reference"]["median"]) == 10
    async with observatory.market.client() as client:
        assert "could not be judged" in (await client.get(f"/observatory/items/{broken}")).text

    await observatory.hears(a_contract(broken, "13", observatory.today))
    mended = await observatory.settled(broken, 5)
    assert not mended["answer"]["in_trouble"] and Decimal(mended["answer"]["reference"]["median"]) == 11


async def test_an_item_with_a_live_price_is_judged_before_those_of_an_import(observatory: Observatory) -> None:
    imported, live, both = new_id(), new_id(), new_id()

    def seen(key: str) -> Seen:
        item = Item(item_key=key, title=key, currency="BRL")
        return Seen(origin=Origin.OFFER, document_id=new_id(), items=(item,), observations=())

    with suppress(Undone):
        async with observatory.market.resources.database.transaction("observatory") as tx:
            await (await tx.raw()).execute("update observatory.items set due_at = null")
            await store.put_all(tx, [seen(imported), seen(both)], tx.now - timedelta(hours=1), in_bulk=True)
            await store.put_all(tx, [seen(live), seen(both)], tx.now)
            await store.put_all(tx, [seen(both)], tx.now, in_bulk=True)
            first = await store.claim_due(tx, 2, 1000)
            await (await tx.raw()).execute(
                "update observatory.items set due_at = null where item_key = any($1::text[])", [live, both]
            )
            then = await store.claim_due(tx, 2, 1000)
            raise Undone
    assert {card.item.item_key for card in first} == {live, both}
    assert [card.item.item_key for card in then] == [imported]
