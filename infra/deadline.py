"""A deadline for work that waits for PostgreSQL. It also ends the wait for a server that is frozen or cut off.

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
"""Seconds for cleaning up after the connections were closed, before the work is cancelled."""


class Deadline:
    """``async with Deadline(seconds)``: when the time is over, the connections that the block uses (see :func:`in_use`)
    are closed, and everything else that it waits for is cancelled. Raises what a closed connection raises, or
    TimeoutError."""

    def __init__(self, seconds: float | None) -> None:
        """With ``seconds`` None there is no limit until one is :meth:`set`."""
        self._seconds = seconds
        self._ends_at = math.inf
        self._timer: asyncio.TimerHandle | None = None
        self._looks_at = math.inf
        """When the timer runs: at ``_ends_at`` or earlier, so that a deadline that is extended, for instance with each
        piece of a body, needs no new timer."""
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
            self._timer = (
                # it refers to the context, which refers to this deadline: requests must not leave reference cycles
                None
            )
        _current.reset(self._before)
        await self._cancelling.__aexit__(kind, error, trace)

    def set(self, seconds: float | None) -> None:
        """Set the limit, counted from now, instead of the former one."""
        if self.is_over and not self._cancelling.expired():
            self._cancelling.reschedule(None)
        if seconds is None:
            self._ends_at = math.inf
        else:
            self._ends_at = self._loop.time() + seconds
            if self._ends_at < self._looks_at:
                self._look_at(self._ends_at)

    def _look_at(self, instant: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._looks_at, self._timer = instant, self._loop.call_at(instant, self._look)

    def _look(self) -> None:
        self._looks_at, self._timer = math.inf, None
        now = self._loop.time()
        if self._ends_at > now:
            if self._ends_at != math.inf:
                self._look_at(self._ends_at)
            return
        self.is_over = True
        for connection in self._connections:
            with suppress(asyncpg.InterfaceError):  # it ended by itself just now
                connection.terminate()
        self._cancelling.reschedule(now + GRACE_SECONDS)

    @contextmanager
    def uses(self, connection: asyncpg.Connection) -> Iterator[None]:
        self._connections.add(connection)
        try:
            yield
        finally:
            self._connections.discard(connection)


_current: ContextVar[Deadline | None] = ContextVar("deadline", default=None)


@contextmanager
def in_use(connection: asyncpg.Connection) -> Iterator[None]:
    """Tells the deadline around the block, if there is one, that the block waits for this connection: the deadline
    closes it."""
    deadline = _current.get()
    if deadline is None:
        yield
        return
    with deadline.uses(connection):
        yield
