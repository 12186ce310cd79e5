"""How many requests a minute one member or address may make."""

import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.exceptions import TooManyRequestsException
from litestar.types import ASGIApp, Receive, Scope, Send

from infra.web.server import network

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


def limited(most: int) -> Callable[[ASGIApp], ASGIApp]:
    """Middleware, after the authentication. Live streams are counted by themselves: each page opens one and is not to be without it, or
    without its next request, because of the other."""
    everything, anonymous, streams = Rate(most), Rate(max(1, most // ANONYMOUS_SHARE)), Rate(most)

    def middleware(app: ASGIApp) -> ASGIApp:
        async def limit(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP and not scope["path"].startswith(UNLIMITED):
                user, client = scope.get("user"), scope.get("client")
                address = network(client[0]) if client else ""
                counted = streams if scope["route_handler"].opt.get("streamed") else everything
                weight = _weight(scope["headers"]) if scope["method"] in UNSAFE else 1
                wait = counted.wait(user.member_id if user else address, weight)
                if scope["method"] in UNSAFE and scope["route_handler"].opt.get("access") == "public":
                    wait = max(wait, anonymous.wait(address, weight))
                if wait:
                    raise TooManyRequestsException(headers={"retry-after": str(wait)})
            await app(scope, receive, send)

        return limit

    return middleware


def _weight(headers: Iterable[tuple[bytes, bytes]]) -> int:
    for name, value in headers:
        if name == b"content-length":
            return min(1 + int(value) // WEIGHT, MOST_WEIGHT) if value.isdigit() and len(value) < 10 else MOST_WEIGHT
        if name == b"transfer-encoding":
            return MOST_WEIGHT
    return 1
