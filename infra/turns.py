"""Who goes first in a process: what comes in bulk lets live work pass."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

Turn = Callable[[], AbstractAsyncContextManager[None]]
PATIENCE = 1.0
"""Seconds that a bulk batch lets live work pass. Live work that never rests slows bulk down and does not stop it."""


class Turns:
    """Shared by the consumers of one process."""

    def __init__(self) -> None:
        self._at_work = 0
        self._rest = asyncio.Event()
        self._rest.set()

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """Live work, at once."""
        self._at_work += 1
        self._rest.clear()
        try:
            yield
        finally:
            self._at_work -= 1
            if not self._at_work:
                self._rest.set()

    @asynccontextmanager
    async def bulk(self) -> AsyncIterator[None]:
        """Bulk work, when no live work is under way."""
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self._rest.wait()
        yield
