"""Who goes first in a process: what comes in bulk lets live work pass, and is done one batch after the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

Turn = Callable[[], AbstractAsyncContextManager[None]]
PATIENCE = 0.05
"""Seconds that a bulk batch lets live work pass. Live work that never rests slows bulk down and does not stop it: a batch gives way in
itself too (:data:`infra.inbox.SLICE`)."""
PATIENCE_WITH_BULK = 1.0
"""Seconds that it waits for another one, which may be held up by something that is its own affair."""


class Turns:
    """Shared by the consumers of one process."""

    def __init__(self) -> None:
        self._at_work = 0
        self._rest = asyncio.Event()
        self._rest.set()
        self._in_bulk = asyncio.Lock()

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
        """Bulk work, when no other is under way. Who came first goes first, so that all consumers read the same messages at about the
        same time, and each is decoded once."""
        async with AsyncExitStack() as stack:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_WITH_BULK):
                    await stack.enter_async_context(self._in_bulk)
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._rest.wait()
            yield
