"""The HTTP server: uvicorn, whose connections have limits of size, time and number.

uvicorn itself limits neither the head of a request, nor the time in which a request arrives, nor the number of
connections of a client. Here each connection has a deadline, which one check per second of all connections enforces,
without a timer per request. uvicorn also does not limit how many requests one read contains, or how much a chunked body
contains besides the body; here the parser is stopped.

The app limits the size of bodies (``request_max_body_size``) and answers requests with a long address
(:mod:`infra.web.wire`). Data that arrives after an early answer is discarded, for a short time only.
"""

import asyncio
import ipaddress
import math
import resource
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from infra.config import Config
from infra.web import turned_away
from infra.web.lines import LINES, OfAddress
from infra.web.turned_away import RefusedRequest
from infra.web.wire import network, shortened

HEAD_BYTES = 32 * 1024
"""The most bytes of the request line and all headers; also of everything in a chunked body besides the body; also of
empty lines before a request."""
HEADERS = 100
WAITING = 16
"""The most requests of a connection that wait for the answer to an earlier one."""
PIECE = 16 * 1024
"""Bytes of a read that are parsed before their size is checked."""
HEAD_SECONDS = 10.0
"""Seconds from the connection, or the first byte of a request, to the end of its headers."""
BODY_SECONDS = 60.0
"""Seconds from the end of the headers to the end of the body."""
IDLE_SECONDS = 15
"""Seconds between two requests of a connection."""
LINGER_SECONDS = 2.0
"""Seconds for which a connection that was answered early is still read, so that the sender sees the answer and not a
reset."""
UNREAD_SECONDS = 60.0
"""Seconds for which a client may read nothing of its answer."""
GRACE_SECONDS = 3
"""Seconds that running requests get when the process gets the signal to end."""
MOST_READ_BEFORE_REFUSAL = 32
"""The most connections above the limits whose headers are read, so that people get the answer in their language; others
are answered at once."""
REFUSAL_SECONDS = 1.0
"""Seconds within which such a connection must send its headers."""
OTHER_FILES = 200
"""File descriptors that are reserved for the rest of the process."""


NO_REQUEST = RefusedRequest(400, "these bytes are no HTTP request", turned_away.no_request)
LARGE_HEAD = RefusedRequest(
    431,
    f"the address and the headers of a request may have at most {HEAD_BYTES:,} bytes and {HEADERS} headers",
    partial(turned_away.large_head, HEAD_BYTES // 1024, HEADERS),
)
SMALL_CHUNKS = RefusedRequest(
    400,
    f"the sizes of chunks, trailers and empty lines around a body may have at most {HEAD_BYTES:,} bytes:"
    " send larger chunks, of 1 KB or more",
    turned_away.no_request,
)
MANY_WAIT = RefusedRequest(
    429,
    f"more than {WAITING} requests of this connection wait for their answers: read some before you send more",
    turned_away.many_wait,
)
TOO_SLOW = RefusedRequest(
    408,
    f"a request has {HEAD_SECONDS:.0f} s for its headers and {BODY_SECONDS:.0f} s for its body",
    partial(turned_away.too_slow, HEAD_SECONDS, BODY_SECONDS),
)
MANY_CONNECTIONS = RefusedRequest(
    503, "too many connections are open, of this address or of all", turned_away.many_connections
)


class _Refused(Exception):
    """Stops the parser."""


class Door:
    """Counts the connections of a server, in all and by address. A trusted proxy has the connections of many clients,
    so only the total limit applies to it."""

    def __init__(self, most: int, most_per_address: int, proxies: tuple[str, ...]) -> None:
        self._most = most
        self._most_per_address = most_per_address
        self._proxies = [ipaddress.ip_network(proxy) for proxy in proxies]
        self._total = 0
        self._heard = 0
        self._by_address: Counter[str] = Counter()

    def enter(self, host: str) -> bool:
        """Count one more connection. Return False if it is over a limit; it is counted all the same."""
        address = network(host)
        self._total += 1
        self._by_address[address] += 1
        alone = self._by_address[address] <= self._most_per_address or self._is_proxy(host)
        return alone and self._total <= self._most

    def hear(self) -> bool:
        """Whether the headers of a connection above the limits are read before it is refused; its ``leave`` must then
        say that it was ``heard``."""
        if self._heard < MOST_READ_BEFORE_REFUSAL:
            self._heard += 1
            return True
        return False

    def leave(self, host: str, *, heard: bool = False) -> None:
        address = network(host)
        self._heard -= heard
        self._total -= 1
        self._by_address[address] -= 1
        if not self._by_address[address]:
            del self._by_address[address]

    def _is_proxy(self, host: str) -> bool:
        return bool(self._proxies and host) and any(ipaddress.ip_address(host) in proxy for proxy in self._proxies)


class Connection(HttpToolsProtocol):
    """One connection. ``door`` is its server's; see :func:`connections_through`."""

    door: Door
    _deadline = math.inf
    _in_head = False
    _body_to_come = False
    _head_bytes = 0
    url = b""
    _heard = False
    """The connection is above a limit, and is refused when its headers have arrived."""
    _refusal: RefusedRequest | None = None
    """The refusal that is to be sent."""
    _unread = 0
    _unread_since = math.inf
    _running: RequestResponseCycle | None = None
    """The request that is being answered; ``cycle`` is the latest one."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.logger = OfAddress(self.logger, network(self._host))  # type: ignore[assignment]
        self._deadline = self.loop.time() + HEAD_SECONDS
        if not self.door.enter(self._host):
            self._heard = self.door.hear()
            self._deadline = self.loop.time() + REFUSAL_SECONDS
            if not self._heard:
                transport.write(self._said(MANY_CONNECTIONS))
                transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.door.leave(self._host, heard=self._heard)
        super().connection_lost(exc)  # which informs the latest request
        self._stop_running()

    @property
    def _host(self) -> str:
        return self.client[0] if self.client else ""

    @property
    def _answering(self) -> bool:
        return self._running is not None and not self._running.response_complete

    def data_received(self, data: bytes) -> None:
        for start in range(0, len(data), PIECE):
            if self._refusal or self.transport.is_closing():
                break
            piece = data[start : start + PIECE]
            self._head_bytes += len(piece)
            super().data_received(piece)
            if self._head_bytes > HEAD_BYTES and not self._refusal:
                self._refuse(LARGE_HEAD if self._in_head else SMALL_CHUNKS)
        if self._refusal and self._answering and not self.transport.is_closing():
            self.flow.pause_reading()  # until the answers before the refusal are given

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= WAITING:
            self._refuse(MANY_WAIT)
            raise _Refused
        super().on_message_begin()
        self._in_head = True
        self._deadline = self.loop.time() + HEAD_SECONDS

    def on_header(self, name: bytes, value: bytes) -> None:
        """Ignore trailers: uvicorn would add them to the headers, which identify the caller."""
        if not self._in_head:
            return
        if len(self.headers) >= HEADERS:
            self._refuse(LARGE_HEAD)
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        # The data since the last request includes more than its head, and is nearly always within the limit.
        if self._head_bytes > HEAD_BYTES and self._size_of_head() > HEAD_BYTES:
            self._refuse(LARGE_HEAD)
            raise _Refused
        if self._heard:
            self._refuse(MANY_CONNECTIONS)
            raise _Refused
        self.url = shortened(self.url, self.scope)
        super().on_headers_complete()
        self._in_head, self._head_bytes, self._body_to_come = False, 0, True
        self._deadline = self.loop.time() + BODY_SECONDS

    def _size_of_head(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def on_body(self, body: bytes) -> None:
        self._head_bytes -= len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._head_bytes, self._body_to_come = 0, False
        # The request may have been answered already, and then no answer will set the next deadline.
        self._deadline = math.inf if self._answering else self.loop.time() + IDLE_SECONDS
        super().on_message_complete()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._answering or self.transport.is_closing():
            return  # another request came before this answer, or this was the last answer
        if self._refusal:
            self._end(self._said(self._refusal))
        elif self._body_to_come:
            self._deadline = min(self._deadline, self.loop.time() + LINGER_SECONDS)
        elif not self._in_head:
            self._deadline = self.loop.time() + IDLE_SECONDS + HEAD_SECONDS  # called with few bytes: see data_received

    def send_400_response(self, msg: str) -> None:
        """The parser has stopped: by itself, or after :meth:`_refuse`."""
        if not self._refusal:
            self._refuse(NO_REQUEST)

    def _refuse(self, refusal: RefusedRequest) -> None:
        """Answer instead of the app, after the answers to earlier complete requests, and read on for a moment. If the
        app has begun or given its answer to the refused request, only close the connection."""
        self._refusal = refusal
        if self._answering and not self._body_to_come:
            self._deadline = math.inf
        elif not self._answering:
            self._end(b"" if self._body_to_come else self._said(refusal))
        else:
            unanswered = self._running is self.cycle and not self.cycle.response_started
            self._stop_running()
            if unanswered:
                self._end(self._said(refusal))
            else:
                self.transport.close()

    def _stop_running(self) -> None:
        """Tell the app that its answer is not read any more. uvicorn does this only for the latest request: a live
        stream that another request follows would never end."""
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected, self._running.waiting_for_100_continue = True, False
            self._running.message_event.set()
        self._running = None

    def _said(self, refusal: RefusedRequest) -> bytes:
        return turned_away.answer(refusal, self.url, self.headers or ())

    def _end(self, answer: bytes) -> None:
        """Send this answer and close the connection."""
        self._deadline = self.loop.time() + LINGER_SECONDS
        self.transport.write(answer)
        self.transport.write_eof()

    def look(self, now: float) -> None:
        """Close the connection if its time is over. Called once a second."""
        if self.transport.is_closing():
            return
        if now > self._deadline and not self.flow.read_paused:
            if self._heard and not self._refusal:
                self._refuse(MANY_CONNECTIONS)
            elif (self._in_head or self._body_to_come) and not self._refusal:
                self._refuse(TOO_SLOW)
            else:
                self.transport.close()
        unread = self.transport.get_write_buffer_size() if self.flow.write_paused else 0
        if not unread or unread != self._unread:
            self._unread, self._unread_since = unread, now
        elif now > self._unread_since + UNREAD_SECONDS:
            self.transport.abort()


def connections_through(door: Door) -> type[Connection]:
    return type("ConnectionThroughDoor", (Connection,), {"door": door})


class WebServer(uvicorn.Server):
    """``end_streams`` ends the live streams, which do not end by themselves. It is called when the server stops."""

    def __init__(self, settings: uvicorn.Config, end_streams: Callable[[], None]) -> None:
        super().__init__(settings)
        self._end_streams = end_streams

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are handled by the process (see :func:`infra.runtime.serve`): uvicorn would raise them again at its
        end, and a normal stop would look like a crash."""
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % 10 == 0:
            LINES.look()
            now = asyncio.get_running_loop().time()
            for connection in list(self.server_state.connections):
                if isinstance(connection, Connection):
                    connection.look(now)
        return await super().on_tick(counter)

    async def shutdown(self, sockets: Any = None) -> None:
        self._end_streams()
        await super().shutdown(sockets)


def server(app: Any, config: Config, end_streams: Callable[[], None], *, port: int) -> WebServer:
    """The server of ``app``, not yet started. It allows as many connections as the settings say, but not more than the
    system has file descriptors for."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = config.connections + OTHER_FILES
    if soft < wanted:
        soft = min(wanted, hard) if hard != resource.RLIM_INFINITY else wanted
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    door = Door(min(config.connections, soft - OTHER_FILES), config.connections_per_address, config.trusted_proxies)
    return WebServer(
        uvicorn.Config(
            app,
            host=config.host,
            port=port,
            http=connections_through(door),
            ws="none",
            log_config=None,  # like all other logs
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
