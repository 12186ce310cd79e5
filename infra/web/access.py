"""Who may call a route: the route states it as ``opt=PUBLIC``, ``opt=MEMBERS`` or ``opt=allow(role, …)``, and only this
module checks it.

The session cookie is accepted for pages and for reading the API. A request that changes something through ``/api/``
needs a bearer token, which browsers do not send by themselves, so the API needs no CSRF token.

Both checks are plain middleware. Litestar's guards and authentication would copy the route's handler, match patterns
and parse all headers for every request, which costs as much as deciding a bid.
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
"""A public route whose answer continues for as long as it is read. It is counted separately from other requests."""
BY_LINK: Mapping[str, Any] = {**PUBLIC, "by_link": True}
"""A public route whose address is a secret: its content is only for the holder of the link."""
LOADED_AGAIN: Mapping[str, Any] = {**PUBLIC, "loaded_again": True}
"""A form whose page has the same address and itself shows whether a login began or ended since it was loaded."""
MEMBERS: Mapping[str, Any] = {"access": frozenset(ROLES)}


def allow(*roles: str, batched: bool = False) -> Mapping[str, Any]:
    """Allow members with one of these roles. A ``batched`` request is decided together with those of others and takes
    no turn (:mod:`infra.web.turns`)."""
    unknown = set(roles) - set(ROLES)
    if unknown or not roles:
        raise ValueError(f"unknown roles {sorted(unknown)}" if unknown else "name at least one role")
    return {"access": frozenset(roles)} | ({"batched": True} if batched else {})


class UnguardedRoute(TypeError):
    """A route does not say who may call it."""


def checked_access(app: ASGIApp) -> ASGIApp:
    """Middleware that refuses callers whom the route does not allow."""

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
        needed = sorted(roles)
        raise PermissionDeniedException(f"this needs the role {' or '.join(needed)}", extra={"roles": needed})


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
    """Middleware that puts the principal into the scope. The route says whether one is needed."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def authenticate(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == ScopeType.HTTP:
                scope["user"], scope["auth"] = known(scope, tokens, clock)
            await app(scope, receive, send)

        return authenticate

    return middleware
