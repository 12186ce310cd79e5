"""The order of work in a process: bulk work lets live work go first, and its batches are done one after the other."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, suppress

Turn = Callable[[], AbstractAsyncContextManager[None]]
PATIENCE = 0.05
"""Seconds for which a bulk batch waits for live work. Continuous live work slows bulk work down but does not stop it. A
batch also yields while it runs (:data:`infra.inbox.SLICE`)."""
PATIENCE_WITH_BULK = 1.0
"""Seconds for which a batch waits for another batch, which may be delayed for reasons of its own."""


class ConsumerTurns:
    """The order among the consumers of one process; they share one object."""

    def __init__(self) -> None:
        self._at_work = 0
        self._rest = asyncio.Event()
        self._rest.set()
        self._in_bulk = asyncio.Lock()

    @asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """Begin live work, at once."""
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
        """Begin bulk work when no other is running. The order is first come, first served, so that all consumers read
        the same messages at about the same time and each message is decoded once."""
        async with AsyncExitStack() as stack:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_WITH_BULK):
                    await stack.enter_async_context(self._in_bulk)
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE):
                    await self._rest.wait()
            yield
