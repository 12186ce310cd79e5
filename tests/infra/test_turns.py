"""Live work goes first, and bulk work is never shut out."""

import asyncio

import pytest

from infra import turns
from infra.turns import Turns


async def test_bulk_work_waits_for_live_work() -> None:
    one, done = Turns(), []

    async def bulk() -> None:
        async with one.bulk():
            done.append("bulk")

    async with one.live():
        async with one.live():
            waiting = asyncio.create_task(bulk())
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        done.append("live")
    await waiting
    assert done == ["live", "bulk"]


async def test_live_work_waits_for_nothing() -> None:
    one = Turns()
    async with one.bulk(), one.live(), one.live():
        pass


async def test_bulk_work_goes_on_beside_live_work_that_never_rests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE", 0.01)
    one = Turns()
    async with one.live(), one.bulk():
        pass


async def test_bulk_batches_go_one_after_the_other_and_who_came_first_goes_first() -> None:
    one, done = Turns(), []

    async def bulk(name: str) -> None:
        async with one.bulk():
            done.append(f"{name} begins")
            await asyncio.sleep(0)
            done.append(f"{name} ends")

    await asyncio.gather(bulk("first"), bulk("second"))
    assert done == ["first begins", "first ends", "second begins", "second ends"]


async def test_a_bulk_batch_that_does_not_end_holds_up_no_other_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "PATIENCE_WITH_BULK", 0.01)
    one = Turns()
    async with one.bulk(), one.bulk():
        pass
    async with asyncio.timeout(5), one.bulk():
        pass
