"""A deadline for work that waits for PostgreSQL, which also ends the work if the server is frozen or cut off.

It is not enough to cancel a statement. The driver waits until the server confirms the cancellation, and so does all
code that then rolls back or returns the connection to its pool; a frozen server confirms nothing. Closing the
connection ends every wait at once.
"""

import asyncio
import math
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Self

import asyncpg

ANSWER_SECONDS = 8.0
"""Seconds within which the web process answers a request: longer than the wait for a locked row, shorter than every
limit after which a process counts as silent."""
GRACE_SECONDS = 0.5
"""Seconds that the work has for cleaning up after its connections were closed; then it is cancelled."""


class Deadline:
    """A time limit for the block of ``async with Deadline(seconds)``. When the time is over, the connections that the
    block uses (see :func:`in_use`) are closed; after GRACE_SECONDS the block is cancelled. It ends with the error of a
    closed connection, or with TimeoutError."""

    def __init__(self, seconds: float | None) -> None:
        """Prepare the deadline. If ``seconds`` is None, there is no limit until :meth:`set` sets one."""
        self._seconds = seconds
        self._ends_at = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        """When the timer runs: at ``_ends_at`` or earlier. A deadline that is extended often, such as with each piece of
        a body, keeps its timer; the timer then finds that the end was moved."""
        self._connections: set[asyncpg.Connection] = set()
        self.is_over = False

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self._cancelling = asyncio.timeout(None)
        await self._cancelling.__aenter__()
        self._before = _current.set(self)
        self.set(self._seconds)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.set(None)
        if self._timer is not None:
            self._timer.cancel()
            # the timer refers to the context, and the context to this deadline: a request must leave no reference cycle
            self._timer = None
        _current.reset(self._before)
        await self._cancelling.__aexit__(kind, error, trace)

    def set(self, seconds: float | None) -> None:
        """Let the time be over ``seconds`` from now, instead of at the former limit; None: no limit."""
        if self.is_over and not self._cancelling.expired():  # the work is cleaning up: it gets the new time for that
            self._cancelling.reschedule(None)
        if seconds is None:
            self._ends_at = math.inf
        else:
            self._ends_at = self._loop.time() + seconds
            if self._ends_at < self._timer_at:
                self._start_timer(self._ends_at)

    def _start_timer(self, instant: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at, self._timer = instant, self._loop.call_at(instant, self._end_if_due)

    def _end_if_due(self) -> None:
        self._timer_at, self._timer = math.inf, None
        now = self._loop.time()
        if self._ends_at > now:
            if self._ends_at != math.inf:
                self._start_timer(self._ends_at)
            return
        self.is_over = True
        for connection in self._connections:
            with suppress(asyncpg.InterfaceError):  # the connection was closed just before
                connection.terminate()
        self._cancelling.reschedule(now + GRACE_SECONDS)

    @contextmanager
    def uses(self, connection: asyncpg.Connection) -> Iterator[None]:
        """Close the connection if the time ends while the block runs."""
        self._connections.add(connection)
        try:
            yield
        finally:
            self._connections.discard(connection)


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def in_use(connection: asyncpg.Connection) -> Iterator[None]:
    """Let the deadline around this block, if there is one, close the connection if its time ends while the block
    runs."""
    deadline = _current.get()
    if deadline is None:
        yield
        return
    with deadline.uses(connection):
        yield
