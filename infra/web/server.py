"""The HTTP server: uvicorn, whose connections have limits of size, time and number.

uvicorn itself limits neither the head of a request nor the time that one takes to come, and anybody may hold any number of
connections. Here each connection has a deadline, which one look a second at all of them enforces: no timer a request.

The body's size is the app's limit (``request_max_body_size``), which answers in the reader's language. What still comes after an
answer is thrown away for a short while only.
"""

import asyncio
import ipaddress
import json
import math
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from http import HTTPStatus
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from infra.config import Config

HEAD_BYTES = 32 * 1024
"""Of the request line and all headers."""
HEADERS = 100
HEAD_SECONDS = 10.0
"""From the connection, or the first byte of a request, to the end of its headers."""
BODY_SECONDS = 60.0
"""From the end of the headers to the end of the body."""
IDLE_SECONDS = 15
"""Between two requests of a connection."""
LINGER_SECONDS = 2.0
"""How long a connection that was answered early is read on, so that the sender sees the answer and no reset."""
UNREAD_SECONDS = 60.0
"""How long a reader may take nothing of its answer."""
GRACE_SECONDS = 3
"""For requests that run when the process is told to end."""
OTHER_FILES = 200
"""Descriptors that connections leave to the rest of the process."""


class _Refused(Exception):
    """Stops the parser."""


class Door:
    """Counts the connections of a server, in all and by address. Trusted proxies stand for many: only the total counts for them."""

    def __init__(self, most: int, most_per_address: int, proxies: tuple[str, ...]) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._proxies = [ipaddress.ip_network(proxy) for proxy in proxies]
        self._total = 0
        self._by_address: Counter[str] = Counter()

    def enter(self, host: str) -> bool:
        """Count one more, in either case; False when it is one too many."""
        address = network(host)
        self._total += 1
        self._by_address[address] += 1
        alone = self._by_address[address] <= self._most_per_address or self._is_proxy(host)
        return alone and self._total <= self._most

    def leave(self, host: str) -> None:
        address = network(host)
        self._total -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def _is_proxy(self, host: str) -> bool:
        return bool(self._proxies and host) and any(ipaddress.ip_address(host) in proxy for proxy in self._proxies)


@lru_cache(4096)
def network(host: str) -> str:
    """Whom an address stands for: itself, in IPv6 its /64 network, which one subscriber has to himself."""
    if ":" not in host:
        return host
    try:
        return str(ipaddress.IPv6Network((host.partition("%")[0], 64), strict=False).network_address)
    except ValueError:  # what a proxy writes instead
        return host


class Connection(HttpToolsProtocol):
    """One connection. ``door`` is its server's; see :func:`connections_through`."""

    door: Door
    _deadline = math.inf
    _in_head = False
    _body_to_come = False
    _head_bytes = 0
    _status = 0
    """Of the answer that refused a request; 0 while none was."""
    _unread = 0
    _unread_since = math.inf

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._deadline = self.loop.time() + HEAD_SECONDS
        if not self.door.enter(self._host):
            transport.write(_answer(503))
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.door.leave(self._host)
        super().connection_lost(exc)

    @property
    def _host(self) -> str:
        return self.client[0] if self.client else ""

    def data_received(self, data: bytes) -> None:
        if self._status:
            return  # it was answered
        self._head_bytes += len(data)
        super().data_received(data)
        if self._in_head and self._head_bytes > HEAD_BYTES and not self._status:
            self._refuse(431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self._deadline = self.loop.time() + HEAD_SECONDS

    def on_headers_complete(self) -> None:
        self._in_head = False
        # What came since the last request is more than its head, and nearly always little enough.
        if (self._head_bytes > HEAD_BYTES and self._size_of_head() > HEAD_BYTES) or len(self.headers) > HEADERS:
            self._refuse(431)
            raise _Refused
        self._head_bytes, self._body_to_come = 0, True
        self._deadline = self.loop.time() + BODY_SECONDS
        super().on_headers_complete()

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def on_message_complete(self) -> None:
        self._head_bytes = 0  # the body's
        self._body_to_come, self._deadline = False, math.inf
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_head or not self.cycle.response_complete:
            return  # another request came before this answer
        if self._body_to_come:
            self._deadline = min(self._deadline, self.loop.time() + LINGER_SECONDS)
        else:
            self._deadline = (
                self.loop.time() + IDLE_SECONDS + HEAD_SECONDS
            )  # of empty lines uvicorn would read any number

    def send_400_response(self, msg: str) -> None:
        """The parser has stopped: by itself, or after :meth:`_refuse`."""
        if not self._status:
            self._refuse(400)

    def _refuse(self, status: int) -> None:
        """Answer for the app and read on for a moment. Where the app is in the middle of an answer only the end is left."""
        self._status = status
        self._deadline = self.loop.time() + LINGER_SECONDS
        waits = self.cycle is not None and not self.cycle.response_complete
        if waits:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if waits and (self.pipeline or self.cycle.response_started or not self._body_to_come):
            self.transport.close()
        else:
            self.transport.write(_answer(status))
            self.transport.write_eof()

    def look(self, now: float) -> None:
        """Close what is over its time; called once a second."""
        if self.transport.is_closing():
            return
        if now > self._deadline and not self.flow.read_paused:
            if (self._in_head or self._body_to_come) and not self._status:
                self._refuse(408)
            else:
                self.transport.close()
        unread = self.transport.get_write_buffer_size() if self.flow.write_paused else 0
        if not unread or unread != self._unread:
            self._unread, self._unread_since = unread, now
        elif now > self._unread_since + UNREAD_SECONDS:
            self.transport.abort()


def _answer(status: int) -> bytes:
    """Of programs rather than of people: browsers do not come here. 503 says when to come again."""
    phrase = HTTPStatus(status).phrase
    body = json.dumps({"type": "about:blank", "title": phrase, "status": status}).encode()
    again = "retry-after: 5\r\n" if status == 503 else ""
    head = (
        f"HTTP/1.1 {status} {phrase}\r\ncontent-type: application/problem+json\r\n"
        f"content-length: {len(body)}\r\n{again}connection: close\r\n\r\n"
    )
    return head.encode() + body


def connections_through(door: Door) -> type[Connection]:
    return type("ConnectionThroughDoor", (Connection,), {"door": door})


class Server(uvicorn.Server):
    """``end_streams`` makes live streams end, which never do by themselves; it is called when the server is to end."""

    def __init__(self, settings: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(settings)
        self._end_streams = end_streams

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the process's (see :func:`infra.runtime.serve`): uvicorn would raise them again at its end, and to be told
        to end would look like a crash."""
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.look(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: Any = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)


def server(app: Any, config: Config, end_streams: Callable[[], None], *, port: int) -> Server:
    """The server of ``app``, not yet started. As many connections as the settings say, or as the system has descriptors for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.connections + OTHER_FILES
    if soft < wanted:
        soft = min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    door = Door(min(config.connections, soft - OTHER_FILES), config.connections_per_address, config.trusted_proxies)
    return Server(
        uvicorn.Config(
            app,
            host=config.host,
            port=port,
            http=connections_through(door),
            ws="none",
            log_config=None,  # as all other logs
            log_level="warning",
            access_log=False,
            proxy_headers=bool(config.trusted_proxies),
            forwarded_allow_ips=list(config.trusted_proxies),
            server_header=False,
            timeout_keep_alive=IDLE_SECONDS,
            timeout_graceful_shutdown=GRACE_SECONDS,
        ),
        end_streams,
    )
