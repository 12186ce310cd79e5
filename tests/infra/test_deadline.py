"""A deadline ends every wait of its block, also for a server that confirms nothing."""

import asyncio
import gc
import weakref
from typing import Any

import asyncpg
import pytest
import uvloop

from infra import deadline
from infra.deadline import Deadline, in_use


@pytest.fixture
def short_grace(monkeypatch: pytest.MonkeyPatch) -> float:
    """A grace period of a fraction of a second."""
    monkeypatch.setattr(deadline, "GRACE_SECONDS", 0.02)
    return deadline.GRACE_SECONDS


class Frozen:
    """A connection whose server does not answer: a wait for it continues after a cancellation, until the connection is
    closed."""

    def __init__(self) -> None:
        self._closed = asyncio.Event()
        self.terminate = self._closed.set

    async def ask(self) -> None:
        while not self._closed.is_set():
            try:
                await self._closed.wait()
            except asyncio.CancelledError:
                continue
        raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


async def wait_for(connection: Any) -> None:
    with in_use(connection):
        await connection.ask()


async def test_the_connections_that_are_in_use_are_closed() -> None:
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        async with Deadline(0.01):
            await wait_for(Frozen())


async def test_connections_of_other_tasks_in_the_block_are_closed_too() -> None:
    with pytest.raises(ExceptionGroup) as failed:
        async with Deadline(0.01), asyncio.TaskGroup() as tasks:
            tasks.create_task(wait_for(Frozen()))
    assert isinstance(failed.value.exceptions[0], asyncpg.ConnectionDoesNotExistError)


@pytest.mark.usefixtures("short_grace")
async def test_a_block_that_waits_for_no_connection_is_cancelled() -> None:
    with pytest.raises(TimeoutError):
        async with Deadline(0.01):
            await asyncio.Event().wait()


async def test_a_lifted_deadline_ends_and_closes_nothing() -> None:
    connection = Frozen()
    async with Deadline(0.01) as lifted:
        lifted.set(None)
        with in_use(connection):  # type: ignore[arg-type]
            await asyncio.sleep(0.05)
    assert not connection._closed.is_set()


async def test_a_task_that_outlives_the_block_goes_on() -> None:
    connection = Frozen()
    async with Deadline(0.01):
        task = asyncio.create_task(wait_for(connection))
    await asyncio.sleep(0.05)
    assert not task.done()
    connection.terminate()
    with pytest.raises(asyncpg.ConnectionDoesNotExistError):
        await task


async def test_work_that_is_done_in_time_is_not_cancelled() -> None:
    async with Deadline(10):
        await asyncio.sleep(0)


async def test_an_answer_that_has_begun_in_the_time_of_grace_is_not_cut_off(short_grace: float) -> None:
    connection = Frozen()
    async with Deadline(0.01) as over:
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await wait_for(connection)
        over.set(None)
        await asyncio.sleep(2 * short_grace)
    assert over.is_over


def test_a_deadline_is_freed_without_the_collector_of_cycles() -> None:
    """Under load, reference cycles of requests caused pauses of 50 ms."""

    async def request() -> "weakref.ref[Deadline]":
        async with Deadline(60) as deadline:
            await asyncio.sleep(0)
        return weakref.ref(deadline)

    async def left() -> Deadline | None:
        kept = await asyncio.create_task(request())
        await asyncio.sleep(0)
        return kept()

    gc.disable()
    try:
        assert uvloop.run(left()) is None
    finally:
        gc.enable()
