"""How many requests a minute one member or address may make, and how many of them are worked on at once.

A refusal costs nearly as much as an answer. So where somebody goes on long after the first one, each is held for a second: who asks again
with each answer then asks no more than once a second on each connection.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable
from math import floor
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.exceptions import TooManyRequestsException
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from infra.web.turns import Turns
from infra.web.wire import network

WINDOW = 60
"""Seconds. All callers' windows begin at the same time, so that nothing of an old one is kept."""
CALLERS = 100_000
"""Told apart in one window; those that come after them share one limit."""
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})
ANONYMOUS_SHARE = 5
"""Posting where nobody needs to be logged in (login, registration) has a fifth of the limit, counted by address."""
WEIGHT = 64 * 1024
"""Bytes of a body that count as one request more: to read a megabyte costs the time of many small ones."""
MOST_WEIGHT = 1 + 1024 * 1024 // WEIGHT
"""Of the largest body that is read (``BODY_BYTES``), and of one that does not say how long it is."""
STATIC = "/static/"
STATIC_SHARE = 10
"""Files of pages, by address: a page has ten, which a browser keeps."""
WATCHED = ("/health", "/health/live", "/health/ready", "/metrics")
WATCHED_WINDOW = 10
WATCHED_MOST = 200
"""Looks of monitors and balancers in such a window, by address; where the limit of all requests comes to more on average, as many
again."""
HELD_SECONDS = 1.0
HELD_AFTER = 100
"""Refusals in a window after which the next ones are held, or as many as the limit, if that is more."""
MOST_HELD = 256
"""At once: behind a proxy, connections are shared with others."""
_FLOOD = "a_refusal_to_be_held"
_COUNTED = "counted_for_the_limit"
"""These two in a scope."""


def address_of(request: Request[Any, Any, Any]) -> str:
    """Whom tries are counted for; in IPv6 it is the network that one subscriber has to himself."""
    return network(request.client.host) if request.client else "?"


class Rate:
    """At most ``most`` in a window of so many seconds from one caller."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic, seconds: int = WINDOW) -> None:
        self._most = most
        self._seconds = seconds
        self._clock = clock
        self._window = 0
        self._counts: Counter[str] = Counter()

    def wait(self, caller: str, weight: int = 1) -> int:
        """Count one request, as ``weight`` of them. 0 when it is within the limit, else the seconds until the next window."""
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
        """Whether the caller goes on long after it was refused."""
        return self._counts[caller if caller in self._counts else ""] > self._most + max(self._most, HELD_AFTER)


class Limits:
    """Of the requests of one process."""

    def __init__(self, most: int) -> None:
        self._everything, self._anonymous, self._streams = Rate(most), Rate(max(1, most // ANONYMOUS_SHARE)), Rate(most)
        self._files = Rate(most * STATIC_SHARE)
        self._watched = Rate(max(WATCHED_MOST, 2 * most * WATCHED_WINDOW // WINDOW), seconds=WATCHED_WINDOW)
        self._turns = Turns()
        self._held = 0

    def counted(self, app: ASGIApp) -> ASGIApp:
        """Middleware, after the authentication. Live streams are counted by themselves: each page opens one and is not to be without
        it, or without its next request, because of the other. So are files of pages, and what monitors ask for."""

        async def limit(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP:
                self._count(scope)
            await app(scope, receive, send)

        return limit

    def _count(self, scope: Any) -> None:
        """Raises TooManyRequestsException."""
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

    def _require(self, scope: Any, counts: list[tuple[Rate, str]], weight: int = 1) -> None:
        if wait := max(rate.wait(caller, weight) for rate, caller in counts):
            scope[_FLOOD] = any(rate.is_flood(caller) for rate, caller in counts)
            raise TooManyRequestsException(headers={"retry-after": str(wait)})

    async def hold(self, scope: Any) -> None:
        """Before an answer: wait where it is a refusal to somebody who goes on."""
        if scope.get(_FLOOD) and self._held < MOST_HELD:
            self._held += 1
            try:
                await asyncio.sleep(HELD_SECONDS)
            finally:
                self._held -= 1

    def in_turn(self, app: ASGIApp) -> ASGIApp:
        """Middleware, the last: to wait for a turn counts as waiting for the answer. Streams, and what is decided in batches, take none."""

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
        """Until the answer begins: a reader may take it as slowly as it wants. Whoever is still sending the body has no turn meanwhile:
        those who share an address would wait for the slowest of them."""
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
        """Where there is no route for the path or the method, no middleware ran: count it now. Raises TooManyRequestsException."""
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
