"""Runs work in the background of a block."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from typing import Any

from infra.health import HEALTH, PartState

log = logging.getLogger(__name__)
AGAIN_SECONDS = 1.0


@asynccontextmanager
async def background(work: Coroutine[Any, Any, None], *, name: str) -> AsyncIterator[None]:
    """Run ``work`` for as long as the block runs, then cancel it and wait for its end. If it fails before, log and
    health say so."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(_say_why)
    try:
        yield
    finally:
        await _end(task)


async def _end(task: asyncio.Task[None]) -> None:
    """Cancel the task until it ends: it may have taken a cancellation for an error of something that it waited for, and
    gone on."""
    while not task.done():
        task.cancel()
        await asyncio.wait({task}, timeout=AGAIN_SECONDS)
    with suppress(asyncio.CancelledError):
        task.result()


def stop_if_cancelled() -> None:
    """Raise CancelledError if this task was cancelled. Loops that continue after errors call it, because a driver may turn a
    cancellation into an error of its own, and a task is cancelled only once."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


def _say_why(task: asyncio.Task[None]) -> None:
    if task.cancelled() or (error := task.exception()) is None:
        return
    log.critical("%s failed, and does not continue", task.get_name(), exc_info=error)
    why = f"{type(error).__name__}: {error}"[:1000]
    HEALTH.report("task", task.get_name(), PartState.stopped, why, "read the log of this process, and restart it")
