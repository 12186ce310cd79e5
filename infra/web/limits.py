"""How many requests a minute one member or address may make."""

import time
from collections import Counter
from collections.abc import Callable

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
UNLIMITED = ("/static/", "/health", "/metrics")


class Rate:
    """At most ``most`` a minute from one caller."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._window = 0
        self._counts: Counter[str] = Counter()

    def wait(self, caller: str) -> int:
        """Count one request. 0 when it is within the limit, else the seconds until the next window."""
        now = self._clock()
        window = int(now // WINDOW)
        if window != self._window:
            self._window = window
            self._counts.clear()
        if caller not in self._counts and len(self._counts) >= CALLERS:
            caller = ""
        self._counts[caller] += 1
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
                wait = counted.wait(user.member_id if user else address)
                if scope["method"] in UNSAFE and scope["route_handler"].opt.get("access") == "public":
                    wait = max(wait, anonymous.wait(address))
                if wait:
                    raise TooManyRequestsException(headers={"retry-after": str(wait)})
            await app(scope, receive, send)

        return limit

    return middleware
