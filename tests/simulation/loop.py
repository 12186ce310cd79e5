"""An event loop in which time passes only while everything waits, and then at once. It uses nothing outside itself."""

import asyncio
from collections.abc import Callable, Coroutine
from contextvars import Context
from heapq import heappop, heappush
from itertools import count
from typing import Any, TypeVar

T = TypeVar("T")
LONGEST = 3600.0
"""The simulated seconds after which a story must have ended."""


class NothingToWaitFor(Exception):
    """Everything waits for something else."""


class Endless(Exception):
    """A task was cancelled and goes on for ever."""


class PlayedLoop(asyncio.BaseEventLoop):
    """The order of all callbacks follows from the order of calls and from their delays. For equal times the earlier
    call is first.

    The base class does the rest. Only what it does with a selector is written again, because there is no selector here.
    """

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._number = count()

    def time(self) -> float:
        return self._now

    def call_at(
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._timers, (when, next(self._number), handle))
        return handle

    def call_later(
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is skipped when its time comes."""

    def _run_once(self) -> None:
        ready: Any = self._ready  # type: ignore[attr-defined]
        timers = self._timers
        while not ready and timers:
            when, _, handle = heappop(timers)
            if not handle.cancelled():
                self._now = max(self._now, when)
                ready.append(handle)
        if not ready:
            raise NothingToWaitFor
        if self._now > LONGEST:
            raise Endless(", ".join(sorted(task.get_name() for task in asyncio.all_tasks(self))))
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle.cancelled():
                handle._run()


def play(story: Coroutine[Any, Any, T]) -> T:
    """Run a story to its end, and cancel the tasks that it left."""
    loop = PlayedLoop()
    try:
        return loop.run_until_complete(story)
    finally:
        left = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
