"""The parts of a worker fail separately, and wait for unavailable servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import asyncpg
import pytest
from aiokafka.errors import KafkaConnectionError

from infra import away, parts
from infra.health import HEALTH, Condition, PartState
from infra.held import ConsumerStopped
from infra.parts import supervise
from infra.running import NotRunning


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "SHORTEST", 0.001)
    monkeypatch.setattr(away, "PAUSE", 0.001)


@asynccontextmanager
async def supervised(
    kind: str, run: Callable[[], Awaitable[None]], resumed: Callable[[], Awaitable[object]] | None = None
) -> AsyncIterator["asyncio.Task[None]"]:
    task = asyncio.create_task(supervise(kind, "probe", run, resumed or asyncio.Event().wait))
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def condition(kind: str) -> Condition:
    return next(each for each in HEALTH if (each.kind, each.name) == (kind, "probe"))


def state(kind: str) -> PartState | None:
    return next((each.state for each in HEALTH if (each.kind, each.name) == (kind, "probe")), None)


async def until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not check():
            await asyncio.sleep(0.001)


async def test_a_part_is_begun_again_after_a_cancellation_that_was_not_its_own() -> None:
    """For example if a library waits for a task that it cancelled itself."""
    runs = 0

    async def loses_its_own_task() -> None:
        nonlocal runs
        runs += 1
        if runs == 1:
            lost = asyncio.create_task(asyncio.sleep(60))
            asyncio.get_running_loop().call_later(0.01, lost.cancel)
            await lost
        await asyncio.Event().wait()

    async with supervised("consumer", loses_its_own_task) as task:
        await until(lambda: runs == 2)
        assert not task.done()
    assert task.cancelled()


async def test_a_stopped_consumer_stands_still_and_its_neighbours_go_on() -> None:
    beats = 0

    async def stops() -> None:
        raise ConsumerStopped("20 events in a row failed", [])

    async def beat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0)

    async with supervised("consumer", stops) as stopped, supervised("timer", beat) as neighbour:
        await until(lambda: state("consumer") is PartState.stopped)
        before = beats
        await until(lambda: beats > before + 10)
        assert not stopped.done() and not neighbour.done()
    assert "20 events" in condition("consumer").detail and "consumers resume probe" in condition("consumer").remedy


async def test_a_stopped_consumer_goes_on_when_somebody_says_so_and_may_stop_again() -> None:
    said = asyncio.Semaphore(0)
    begun = 0

    async def stops_twice() -> None:
        nonlocal begun
        begun += 1
        if begun < 3:
            raise ConsumerStopped("20 events in a row failed", [])
        await asyncio.Event().wait()

    async with supervised("consumer", stops_twice, said.acquire):
        for times in (1, 2):
            await until(lambda times=times: begun == times and state("consumer") is PartState.stopped)  # type: ignore[misc]
            said.release()
        await until(lambda: begun == 3 and state("consumer") is PartState.running)


async def test_a_part_that_fails_is_begun_again_and_says_so() -> None:
    tries = 0
    well = asyncio.Event()

    async def fails_twice() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ValueError("a bug")
        well.set()
        await asyncio.Event().wait()

    async with supervised("relay", fails_twice):
        await until(lambda: tries > 1)
        assert condition("relay").state is PartState.degraded and "a bug" in condition("relay").detail
        await asyncio.wait_for(well.wait(), 10)


async def test_what_a_part_needs_and_is_away_is_no_fault_of_the_part() -> None:
    async def away_now() -> None:
        raise asyncpg.CannotConnectNowError("starting up")

    async with supervised("timer", away_now):
        await until(lambda: state("timer") is PartState.waiting and "starting up" in condition("timer").detail)
        assert condition("timer").remedy == f"{away.BRING_IT_BACK}; the timer then continues by itself"


async def test_who_keeps_locked_what_a_part_needs_is_to_be_found() -> None:
    async def locked() -> None:
        raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout")

    async with supervised("timer", locked):
        await until(lambda: state("timer") is PartState.waiting and "lock timeout" in condition("timer").detail)
        assert condition("timer").remedy.startswith(away.FREE_THE_LOCK)


async def test_what_is_away_is_tried_again_soon_however_often_it_was_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "LONGEST_AWAY", 0.002)
    tries = 0

    async def away_for_long() -> None:
        nonlocal tries
        tries += 1
        raise KafkaConnectionError("no broker")

    async with supervised("consumer", away_for_long):
        await until(lambda: tries > 40)


@pytest.mark.parametrize(
    "error", [KafkaConnectionError("no broker"), NotRunning("PostgreSQL"), ConnectionRefusedError()]
)
async def test_a_server_that_is_not_there_at_the_start_is_waited_for(error: Exception) -> None:
    tries = iter([error, error, None])

    async def begin() -> str:
        if (failure := next(tries)) is not None:
            raise failure
        return "there"

    assert await away.there("the server", begin) == "there"


async def test_a_fault_at_the_start_is_not_waited_for() -> None:
    async def begin() -> None:
        raise ValueError("wrong settings")

    with pytest.raises(ValueError, match="wrong settings"):
        await away.there("the server", begin)


async def test_a_part_whose_driver_makes_an_error_of_the_cancellation_ends_all_the_same() -> None:
    async def run() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise OSError("another operation is in progress") from None

    async def never() -> None:
        await asyncio.sleep(60)

    part = asyncio.create_task(supervise("timer", "one that swallows", run, never))
    await asyncio.sleep(0.01)
    part.cancel()
    await asyncio.wait({part}, timeout=5)
    assert part.cancelled()
