"""Who may call a route: written at the route as ``opt=PUBLIC``, ``opt=MEMBERS`` or ``opt=allow(role, …)``, checked here alone.

The session cookie counts for pages and for reading the API. What changes something through ``/api/`` needs a bearer token: no
browser sends one by itself, so the API needs no CSRF token.

Both are plain middleware and not Litestar's guard and authentication, which copy the route's handler, match patterns and parse all
headers for every request: that costs as much as deciding a bid.
"""

from collections.abc import Callable, Mapping
from typing import Any

from litestar import Request
from litestar.enums import ScopeType
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.types import ASGIApp, Receive, Scope, Send

from catalogue.roles import ROLES
from infra.clock import Clock
from infra.tokens import InvalidToken, Principal, Tokens

COOKIE = "lonja_session"
PUBLIC: Mapping[str, Any] = {"access": "public"}
STREAMED: Mapping[str, Any] = {**PUBLIC, "streamed": True}
"""Public, and its answer goes on for as long as it is read. Counted apart from other requests."""
BY_LINK: Mapping[str, Any] = {**PUBLIC, "by_link": True}
"""Public, but its address is a secret: what it shows is for the holder of the link alone."""
LOADED_AGAIN: Mapping[str, Any] = {**PUBLIC, "loaded_again": True}
"""A form whose page is at the same address, and says itself how things stand where a login began or ended since it was loaded."""
MEMBERS: Mapping[str, Any] = {"access": frozenset(ROLES)}


def allow(*roles: str, batched: bool = False) -> Mapping[str, Any]:
    """Members with one of these roles. What is ``batched`` is decided together with what others send meanwhile, and takes no turns
    (:mod:`infra.web.turns`)."""
    unknown = set(roles) - set(ROLES)
    if unknown or not roles:
        raise ValueError(f"unknown roles {sorted(unknown)}" if unknown else "name at least one role")
    return {"access": frozenset(roles)} | ({"batched": True} if batched else {})


class UnguardedRoute(TypeError):
    """A route does not say who may call it."""


def checked_access(app: ASGIApp) -> ASGIApp:
    """Middleware: lets in whom the route lets in."""

    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] == ScopeType.HTTP
            and scope["method"] != "OPTIONS"
            and not scope["path"].startswith("/api/schema")
        ):
            handler = scope["route_handler"]
            access = handler.opt.get("access")
            if access is None:
                raise UnguardedRoute(f"{handler}: say opt=PUBLIC, MEMBERS or allow(role)")
            if access != "public":
                _require(scope.get("user"), access)
        await app(scope, receive, send)

    return check


def _require(principal: Principal | None, roles: frozenset[str]) -> None:
    if principal is None:
        raise NotAuthorizedException("log in first")
    if not principal.may(*roles):
        raise PermissionDeniedException(f"this needs the role {' or '.join(sorted(roles))}")


def known(scope: Scope, tokens: Tokens, clock: Clock) -> tuple[Principal, str] | tuple[None, None]:
    """The principal of a valid cookie or bearer token, and the token."""
    header = next((value for name, value in scope["headers"] if name == b"authorization"), b"")
    token: str | None = None
    if header[:7].lower() == b"bearer ":
        token = header[7:].decode("latin-1")
    elif scope.get("method") in ("GET", "HEAD") or not scope["path"].startswith("/api/"):
        token = Request(scope).cookies.get(COOKIE)
    if not token:
        return None, None
    try:
        return tokens.check(token, clock()), token
    except InvalidToken:
        return None, None


def authentication(tokens: Tokens, clock: Clock) -> Callable[[ASGIApp], ASGIApp]:
    """Middleware that puts the principal into the scope; whether one is needed is the route's word."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def authenticate(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP:
                scope["user"], scope["auth"] = known(scope, tokens, clock)
            await app(scope, receive, send)

        return authenticate

    return middleware
