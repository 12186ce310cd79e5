"""A program that opens SSE connections and records what each receives, and when. It imports little, so that it starts
quickly."""

import asyncio
import json
import re
import sys
import time
from collections.abc import Sequence

import uvloop

WATCHERS = 1000


class Watcher(asyncio.Protocol):
    """One SSE connection. ``seen`` has the number in each ``event`` that it received, and the time."""

    NUMBER = re.compile(rb"\r\ndata: \D*(\d+)\D")
    """The first number in the data of an event."""

    def __init__(self, request: bytes, event: bytes) -> None:
        self.request, self.event = request, b"event: " + event
        self.seen: list[tuple[int, float]] = []
        self.buffer = b""
        self.connected: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.write(self.request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        now = time.monotonic()
        if not self.connected.done():
            if not data.startswith(b"HTTP/1.1 200"):
                raise SystemExit(data.decode())
            self.connected.set_result(None)
        self.buffer += data
        at = self.buffer.rfind(self.event)
        if at >= 0 and (found := self.NUMBER.match(self.buffer, at + len(self.event))):
            self.seen.append((int(found[1]), now))
        self.buffer = self.buffer[-100:]


async def watch(port: int, path: str, event: str, tokens: Sequence[str]) -> None:
    """Connect all watchers and print "ready". Then read a number from stdin, wait until each watcher has received an
    ``event`` with this number or a higher one, and print what all of them received."""
    loop = asyncio.get_running_loop()
    watchers = []
    for number in range(WATCHERS):
        cookie = f"cookie: lonja_session={tokens[number]}\r\n" if number < len(tokens) else ""
        request = f"GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n{cookie}\r\n".encode()
        _, watcher = await loop.create_connection(
            lambda request=request: Watcher(request, event.encode()), "127.0.0.1", port
        )  # type: ignore[misc]
        watchers.append(watcher)
        await watcher.connected
    print("ready", flush=True)
    last = int(await loop.run_in_executor(None, sys.stdin.readline))
    async with asyncio.timeout(60):
        while any(not watcher.seen or watcher.seen[-1][0] < last for watcher in watchers):
            await asyncio.sleep(0.05)
    print(json.dumps([watcher.seen for watcher in watchers]))


if __name__ == "__main__":
    uvloop.run(watch(**json.loads(sys.argv[1])))
