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
