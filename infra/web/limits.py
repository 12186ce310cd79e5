"""Limits the requests per minute of one member or address, and how many of them are handled at once.

A refusal costs nearly as much as an answer. If a caller continues long after the first refusal, each further one is
delayed by a second, so that a caller which waits for answers asks at most once a second on each connection.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from math import floor
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.exceptions import TooManyRequestsException
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from infra.web.turns import CallerTurns
from infra.web.wire import network

WINDOW = 60
"""The length of a window, in seconds. The windows of all callers begin at the same time, so that no old counts are
kept."""
CALLERS = 100_000
"""The most callers that are counted separately in one window; later ones share one limit."""
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ANONYMOUS_SHARE = 5
"""Posting without a login (login, registration) has a fifth of the limit, counted by address."""
WEIGHT = 64 * 1024
"""Bytes of a body that count as one more request: reading a megabyte takes the time of many small requests."""
MOST_WEIGHT = 1 + 1024 * 1024 // WEIGHT
"""The weight of the largest allowed body (``BODY_BYTES``), and of a body without a stated length."""
STATIC = "/static/"
STATIC_SHARE = 10
"""The limit of files of pages, by address: a page has ten, which browsers cache."""
WATCHED = ("/health", "/health/live", "/health/ready", "/metrics")
WATCHED_WINDOW = 10
WATCHED_MOST = 200
"""The limit of requests by monitors and balancers in a window, by address; if the limit of all requests is higher on
average, then that."""
HELD_SECONDS = 1.0
HELD_AFTER = 100
"""After this many refusals in a window, or after as many as the limit if that is more, the next ones are delayed."""
MOST_HELD = 256
"""The most delayed requests at once, because behind a proxy connections are shared with others."""
_FLOOD = "a_refusal_to_be_held"
_COUNTED = "counted_for_the_limit"
"""The keys of these two in a scope."""


def address_of(request: Request[Any, Any, Any]) -> str:
    """The address for which attempts are counted; for IPv6 the network of one subscriber."""
    return network(request.client.host) if request.client else "?"


class RequestRate:
    """At most ``most`` requests of one caller in a window of that many seconds."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic, seconds: int = WINDOW) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._window = 0
        self._counts: Counter[str] = Counter()

    def wait(self, caller: str, weight: int = 1) -> int:
        """Count one request as ``weight`` requests. Return 0 if it is within the limit, else the seconds until the
        next window."""
        now = self._clock()
        window = floor(now / self._seconds)
        if window != self._window:
            self._window = window
            self._counts.clear()
        if caller not in self._counts and len(self._counts) >= CALLERS:
            caller = ""
        self._counts[caller] += weight
        return 0 if self._counts[caller] <= self._most else floor((window + 1) * self._seconds - now) + 1

    def is_flood(self, caller: str) -> bool:
        """Whether the caller continues long after the first refusal."""
        return self._counts[caller if caller in self._counts else ""] > self._most + max(self._most, HELD_AFTER)


class RequestLimits:
    """The limits of the requests of one process."""

    def __init__(self, most: int, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._sleep = sleep
        self._everything, self._anonymous, self._streams = (
            RequestRate(most),
            RequestRate(max(1, most // ANONYMOUS_SHARE)),
            RequestRate(most),
        )
        self._files = RequestRate(most * STATIC_SHARE)
        self._watched = RequestRate(max(WATCHED_MOST, 2 * most * WATCHED_WINDOW // WINDOW), seconds=WATCHED_WINDOW)
        self._turns = CallerTurns()
        self._held = 0

    def counted(self, app: ASGIApp) -> ASGIApp:
        """Middleware, after the authentication. Live streams are counted separately, because each page opens one: the
        stream must not use up the limit of other requests, nor they its own. Files of pages and requests of monitors
        are also counted separately."""

        async def limit(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP:
                self._count(scope)
            await app(scope, receive, send)

        return limit

    def _count(self, scope: Any) -> None:
        """Count the request for its caller. Raise TooManyRequestsException if the caller is above a limit."""
        scope[_COUNTED] = True
        user, address, options = scope.get("user"), _address(scope), scope["route_handler"].opt
        caller, unsafe = user.member_id if user else address, scope["method"] in UNSAFE
        weight = _weight(scope["headers"]) if unsafe else 1
        if scope["path"] in WATCHED:
            counts = [(self._watched, address)]
        elif scope["path"].startswith(STATIC):
            counts = [(self._files, address)]
        elif options.get("streamed"):
            counts = [(self._streams, caller)]
        elif unsafe and options.get("access") == "public":
            counts = [(self._everything, caller), (self._anonymous, address)]
        else:
            counts = [(self._everything, caller)]
        self._require(scope, counts, weight)

    def _require(self, scope: Any, counts: list[tuple[RequestRate, str]], weight: int = 1) -> None:
        if wait := max(rate.wait(caller, weight) for rate, caller in counts):
            scope[_FLOOD] = any(rate.is_flood(caller) for rate, caller in counts)
            raise TooManyRequestsException(headers={"retry-after": str(wait)})

    async def hold(self, scope: Any) -> None:
        """Wait before an answer that refuses a caller who continues long after the first refusal."""
        if scope.get(_FLOOD) and self._held < MOST_HELD:
            self._held += 1
            try:
                await self._sleep(HELD_SECONDS)
            finally:
                self._held -= 1

    def in_turn(self, app: ASGIApp) -> ASGIApp:
        """The last middleware, so that waiting for a turn counts as waiting for the answer. Streams, and requests that
        are decided in batches, take no turn."""

        async def take_turn(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP or _takes_no_turn(scope["path"]):
                await app(scope, receive, send)
                return
            user, options = scope.get("user"), scope["route_handler"].opt
            if options.get("streamed") or options.get("batched"):
                await app(scope, receive, send)
            else:
                await self._in_turn(user.member_id if user else _address(scope), app, scope, receive, send)

        return take_turn

    async def _in_turn(self, caller: str, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Hold the turn until the answer begins, because a client may read it slowly. While the body is still being
        sent, the request has no turn: otherwise all that share an address would wait for the slowest of them."""
        await self._turns.take(caller)
        taken, begun = True, False

        def give_back() -> None:
            nonlocal taken
            if taken:
                taken = False
                self._turns.give_back(caller)

        async def read() -> Any:
            nonlocal taken
            give_back()
            message = await receive()
            if not begun:
                await self._turns.take(caller)
                taken = True
            return message

        async def answer(message: Message) -> None:
            nonlocal begun
            begun = True
            give_back()
            await send(message)

        try:
            await app(scope, read, answer)
        finally:
            give_back()

    def count_stray(self, scope: Scope) -> None:
        """Count a request without a route for its path or method, for which no middleware ran. Raise
        TooManyRequestsException."""
        if not scope.get(_COUNTED):
            self._require(scope, [(self._everything, _address(scope))])


def _takes_no_turn(path: str) -> bool:
    return path.startswith(STATIC) or path in WATCHED


def _address(scope: Scope) -> str:
    client = scope.get("client")
    return network(client[0]) if client else ""


def _weight(headers: Iterable[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == b"content-length":
            return min(1 + int(value) // WEIGHT, MOST_WEIGHT) if value.isdigit() and len(value) < 10 else MOST_WEIGHT
        if name == b"transfer-encoding":
            return MOST_WEIGHT
    return 1
