"""Work that runs beside a block and ends with it."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from infra.health import HEALTH, State

log = logging.getLogger(__name__)
AGAIN_SECONDS = 1.0


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None], *, name: str) -> AsyncIterator[None]:
    """Run ``work`` for as long as the block runs, then cancel it and wait until it is gone. Log and health say so when it fails before."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_say_why)
    try:
        yield
    finally:
        await _end(task)


async def _end(task: asyncio.Task[None]) -> None:
    """Also a task that took its cancellation for an error of what it waited for, and went on."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_SECONDS)
    with suppress(asyncio.CancelledError):
        task.result()


def stop_if_cancelled() -> None:
    """For loops that go on after errors: a driver may make an error of its own of the cancellation that reaches it, and to cancel
    whoever waits for it counts once. Raises CancelledError."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _say_why(task: asyncio.Task[None]) -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    log.critical("%s failed, and does not go on", task.get_name(), exc_info=error)
    why = f"{type(error).__name__}: {error}"[:1000]
    HEALTH.report("task", task.get_name(), State.stopped, why, "read the log of this process, and restart it")
