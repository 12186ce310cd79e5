"""How many requests a minute one member or address may make, and how many of them are worked on at once."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
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
UNLIMITED = ("/static/", "/health", "/metrics")
_COUNTED = "counted_for_the_limit"
"""In a scope."""


def address_of(request: Request[Any, Any, Any]) -> str:
    """Whom tries are counted for; in IPv6 it is the network that one subscriber has to himself."""
    return network(request.client.host) if request.client else "?"


class Rate:
    """At most ``most`` a minute from one caller."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._window = 0
        self._counts: Counter[str] = Counter()

    def wait(self, caller: str, weight: int = 1) -> int:
        """Count one request, as ``weight`` of them. 0 when it is within the limit, else the seconds until the next window."""
        now = self._clock()
        window = int(now // WINDOW)
        if window != self._window:
            self._window = window
            self._counts.clear()
        if caller not in self._counts and len(self._counts) >= CALLERS:
            caller = ""
        self._counts[caller] += weight
        return 0 if self._counts[caller] <= self._most else int((window + 1) * WINDOW - now) + 1


class Limits:
    """Of the requests of one process."""

    def __init__(self, most: int) -> None:
        self._everything, self._anonymous, self._streams = Rate(most), Rate(max(1, most // ANONYMOUS_SHARE)), Rate(most)
        self._turns = Turns()

    def counted(self, app: ASGIApp) -> ASGIApp:
        """Middleware, after the authentication. Live streams are counted by themselves: each page opens one and is not to be without
        it, or without its next request, because of the other."""

        async def limit(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP or scope["path"].startswith(UNLIMITED):
                await app(scope, receive, send)
                return
            user, address, options = scope.get("user"), _address(scope), scope["route_handler"].opt
            streamed, unsafe = options.get("streamed"), scope["method"] in UNSAFE
            weight = _weight(scope["headers"]) if unsafe else 1
            wait = (self._streams if streamed else self._everything).wait(user.member_id if user else address, weight)
            if unsafe and options.get("access") == "public":
                wait = max(wait, self._anonymous.wait(address, weight))
            scope[_COUNTED] = True  # type: ignore[literal-required]
            if wait:
                raise TooManyRequestsException(headers={"retry-after": str(wait)})
            await app(scope, receive, send)

        return limit

    def in_turn(self, app: ASGIApp) -> ASGIApp:
        """Middleware, the last: to wait for a turn counts as waiting for the answer. Streams, and what is decided in batches, take none."""

        async def take_turn(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP or scope["path"].startswith(UNLIMITED):
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
        if scope.get(_COUNTED) or scope["path"].startswith(UNLIMITED):
            return
        if wait := self._everything.wait(_address(scope)):
            raise TooManyRequestsException(headers={"retry-after": str(wait)})


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
