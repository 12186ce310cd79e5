"""Background work of a block reports its failure."""

import asyncio
import logging

import pytest

from infra import tasks
from infra.health import HEALTH, PartState
from infra.tasks import background


async def _fails() -> None:
    raise ValueError("cannot bear it")


async def _returns() -> None:
    return


async def test_work_that_fails_is_reported_in_the_log_and_by_health(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.CRITICAL), pytest.raises(ValueError, match="cannot bear it"):
        async with background(_fails(), name="a failing task"):
            await asyncio.sleep(0.01)
    assert "a failing task failed" in caplog.text
    (said,) = [each for each in HEALTH if (each.kind, each.name) == ("task", "a failing task")]
    assert said.state is PartState.stopped and "cannot bear it" in said.detail
    HEALTH.report("task", "a failing task", PartState.running)


async def test_work_that_is_done_or_ended_is_nothing_to_tell() -> None:
    async with background(_returns(), name="a short task"), background(asyncio.sleep(60), name="a long task"):
        await asyncio.sleep(0.01)
    assert not [each for each in HEALTH if each.name in ("a short task", "a long task")]


async def test_work_that_took_its_cancellation_for_an_error_and_went_on_is_ended_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tasks, "AGAIN_SECONDS", 0.01)
    swallowed: list[int] = []

    async def goes_on() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed.append(1)

    async with asyncio.timeout(5), background(goes_on(), name="a deaf task"):
        await asyncio.sleep(0.01)
    assert swallowed
