"""Live pages: what :meth:`Transaction.announce` sends reaches every web process through one PostgreSQL LISTEN, and from
there its SSE watchers."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from infra.database import LOST, connect_alone
from infra.tasks import background

log = logging.getLogger(__name__)
QUEUE = 256
RETRY_SECONDS = 1.0
_END = object()
BEAT = object()
BEAT_SECONDS = 15.0
"""Seconds between two signs of life to a watcher to which nothing else is sent."""


class Live:
    """Fan-out by channel, such as ``auction:<id>``. A watcher that is too slow for its queue must read the state
    again (``None``)."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._watchers: dict[str, set[asyncio.Queue[Any]]] = defaultdict(set)
        self._ended = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with background(self._listen(), name="live"):
            yield

    async def watch(self, channel: str, beat: float | None = None) -> AsyncIterator[Any]:
        """Yield what is announced on the channel; ``None`` means that something may have been missed and the state must
        be read again; ``BEAT`` means that nothing was announced for ``beat`` seconds. Without beats, proxies would cut
        off a silent stream, and a reader that has gone would not be noticed.

        The first item is always ``None``, sent once listening has begun, so that nothing is lost between page and
        stream. It ends after :meth:`end`.
        """
        queue: asyncio.Queue[Any] = asyncio.Queue(QUEUE)
        self._watchers[channel].add(queue)
        try:
            yield None
            while not self._ended and (item := await _next(queue, beat)) is not _END:
                yield item
        finally:
            self._watchers[channel].discard(queue)
            if not self._watchers[channel]:
                del self._watchers[channel]

    def end(self) -> None:
        """End all watching because the process is about to end. Browsers reconnect to the next process."""
        self._ended = True
        for queues in self._watchers.values():
            for queue in queues:
                self._put(queue, _END)

    async def _listen(self) -> None:
        while True:
            try:
                connection = await connect_alone(self._url)
                try:
                    await connection.add_listener("lonja_live", self._heard)
                    self._tell_all_to_catch_up()
                    while not connection.is_closed():
                        await asyncio.sleep(RETRY_SECONDS)
                        await connection.execute("select 1")
                finally:
                    connection.terminate()
            except LOST as error:
                log.warning("live channel lost, trying again: %s", error)
                await asyncio.sleep(RETRY_SECONDS)

    def _heard(self, _connection: Any, _pid: int, _name: str, payload: str) -> None:
        message = msgspec.json.decode(payload)
        for queue in self._watchers.get(message["channel"], ()):
            self._put(queue, message["data"])

    def _tell_all_to_catch_up(self) -> None:
        for queues in self._watchers.values():
            for queue in queues:
                self._put(queue, None)

    def _put(self, queue: "asyncio.Queue[Any]", item: Any) -> None:
        if queue.full():
            while not queue.empty():
                queue.get_nowait()
            item = item if item is _END else None
        queue.put_nowait(item)


async def _next(queue: asyncio.Queue[Any], beat: float | None) -> Any:
    try:
        async with asyncio.timeout(beat):
            return await queue.get()
    except TimeoutError:
        return BEAT
