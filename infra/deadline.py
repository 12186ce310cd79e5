"""A deadline for work that waits for PostgreSQL: it ends the wait for a server that is frozen or cut off, too.

To cancel a statement is not enough. The driver waits until the server confirms the cancellation, and so does everybody who then
rolls back, or gives the connection back to its pool; a frozen server confirms nothing. To hang up ends every wait at once.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from types import TracebackType
from typing import Self

import asyncpg

ANSWER_SECONDS = 8.0
"""Within which the web process answers a request: longer than the wait for a locked row, shorter than any limit of silence."""
GRACE_SECONDS = 0.5
"""For what is tidied up after the connections were closed, before the work is cancelled."""


class Deadline:
    """``async with Deadline(seconds)``: when the time is over, the connections that the block uses (see :func:`in_use`) are closed, and
    whatever else it waits for is cancelled. Raises what a closed connection raises, or TimeoutError."""

    def __init__(self, seconds: float | None) -> None:
        """None: no limit until one is :meth:`set`."""
        self._seconds = seconds
        self._timer: asyncio.TimerHandle | None = None
        self._connections: set[asyncpg.Connection] = set()
        self.is_over = False

    async def __aenter__(self) -> Self:
        self._cancelling = asyncio.timeout(None)
        await self._cancelling.__aenter__()
        self._before = _current.set(self)
        self.set(self._seconds)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.set(None)
        _current.reset(self._before)
        await self._cancelling.__aexit__(kind, error, trace)

    def set(self, seconds: float | None) -> None:
        """From now on, instead of what was set before."""
        if self._timer is not None:
            self._timer.cancel()
        if not self._cancelling.expired():
            self._cancelling.reschedule(None)
        self._timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self._over)

    def _over(self) -> None:
        self.is_over = True
        for connection in self._connections:
            with suppress(asyncpg.InterfaceError):  # it went by itself just now
                connection.terminate()
        self._cancelling.reschedule(asyncio.get_running_loop().time() + GRACE_SECONDS)

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
    """The block waits for this connection: the deadline around it, if there is one, closes it."""
    deadline = _current.get()
    if deadline is None:
        yield
        return
    with deadline.uses(connection):
        yield
