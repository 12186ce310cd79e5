"""Compresses answers; long ones outside the event loop.

Litestar compresses on the event loop, at gzip's highest level: 9 MB took a third of a second, in which nobody could
bid. Here one long answer at a time is compressed in a thread, while the loop continues; very long ones at a lower
level.
"""

import asyncio
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from litestar.datastructures import Headers, MutableScopeHeaders
from litestar.types import Message, Scope, Send

T = TypeVar("T")
SHORTEST = 500
"""A body with fewer bytes is not compressed."""
AT_ONCE = 32 * 1024
"""Up to this many bytes are compressed on the loop, which takes about a millisecond."""
LONG = 1024 * 1024
LEVEL, LIGHTLY = 6, 1
"""The levels of zlib: normal, and for more than ``LONG`` bytes."""
_GZIP = 16 + zlib.MAX_WBITS
_one_at_a_time = ThreadPoolExecutor(1, "compression")
_STREAM = "text/event-stream"


async def in_thread_if_large(work: Callable[[bytes], T], data: bytes, *, most: int = AT_ONCE) -> T:
    """The result of ``work`` on ``data``: computed at once if ``data`` has at most ``most`` bytes, else in the one
    thread for such work."""
    if len(data) <= most:
        return work(data)
    return await asyncio.get_running_loop().run_in_executor(_one_at_a_time, work, data)


def zipped(data: bytes) -> bytes:
    return zlib.compress(data, LIGHTLY if len(data) > LONG else LEVEL, _GZIP)


def unzipped(data: bytes) -> bytes:
    return zlib.decompress(data, _GZIP)


def takes_gzip(scope: Scope) -> bool:
    return "gzip" in Headers.from_scope(scope).get("accept-encoding", "")


class Compressed:
    """Passes on the app's answers, compressed. An answer in pieces is compressed piece by piece; event streams are not
    compressed."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Any = None
        self._pieces: Any = None
        """The single thread that compresses long answers."""

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if _is_compressible(message):
                self._start = message
            else:
                await self._send(message)
        elif message["type"] != "http.response.body" or (self._start is None and self._pieces is None):
            await self._send(message)
        elif self._start is None:
            await self._piece(message)
        elif message.get("more_body"):
            self._pieces = zlib.compressobj(LEVEL, wbits=_GZIP)
            del self._headers()["content-length"]
            await self._begin()
            await self._piece(message)
        else:
            await self._whole(message)

    async def _whole(self, message: Any) -> None:
        body = message.get("body", b"")
        if len(body) >= SHORTEST:
            body = await in_thread_if_large(zipped, body)
            self._headers()["content-length"] = str(len(body))
            await self._begin()
        else:
            start, self._start = self._start, None
            await self._send(start)
        await self._send({"type": "http.response.body", "body": body, "more_body": False})

    async def _piece(self, message: Any) -> None:
        pieces, more = self._pieces, message.get("more_body", False)

        def work(data: bytes) -> bytes:
            found: bytes = pieces.compress(data) + pieces.flush(zlib.Z_SYNC_FLUSH if more else zlib.Z_FINISH)
            return found

        body = await in_thread_if_large(work, message.get("body", b""))
        await self._send({"type": "http.response.body", "body": body, "more_body": more})

    def _headers(self) -> MutableScopeHeaders:
        return MutableScopeHeaders.from_message(self._start)

    async def _begin(self) -> None:
        headers = self._headers()
        headers["content-encoding"] = "gzip"
        headers.extend_header_value("vary", "Accept-Encoding")
        start, self._start = self._start, None
        await self._send(start)


def _is_compressible(message: Any) -> bool:
    headers = Headers(message["headers"])
    as_it_is = message["status"] in (204, 206, 304)
    return not (as_it_is or "content-encoding" in headers or headers.get("content-type", "").startswith(_STREAM))
