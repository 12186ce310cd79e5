"""Who may call a route: written at the route as ``opt=PUBLIC``, ``opt=MEMBERS`` or ``opt=allow(role, …)``, checked here alone.

The session cookie counts for pages and for reading the API. What changes something through ``/api/`` needs a bearer token: no
browser sends one by itself, so the API needs no CSRF token.
"""

from collections.abc import Mapping
from typing import Any

from litestar.connection import ASGIConnection
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.handlers.base import BaseRouteHandler
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult

from infra.clock import Clock
from infra.tokens import ROLES, InvalidToken, Principal, Tokens

COOKIE = "lonja_session"
PUBLIC: Mapping[str, Any] = {"access": "public"}
MEMBERS: Mapping[str, Any] = {"access": frozenset(ROLES)}


def allow(*roles: str) -> Mapping[str, Any]:
    """Members with one of these roles."""
    unknown = set(roles) - set(ROLES)
    if unknown or not roles:
        raise ValueError(f"unknown roles {sorted(unknown)}" if unknown else "name at least one role")
    return {"access": frozenset(roles)}


class UnguardedRoute(TypeError):
    """A route does not say who may call it."""


async def check_access(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """App-level guard. Async, since Litestar sends a plain function to a thread for every request."""
    access = handler.opt.get("access")
    if access == "public" or connection.scope["method"] == "OPTIONS" or connection.url.path.startswith("/api/schema"):
        return
    if access is None:
        raise UnguardedRoute(f"{handler}: say opt=PUBLIC, MEMBERS or allow(role)")
    principal: Principal | None = connection.scope.get("user")
    if principal is None:
        raise NotAuthorizedException("log in first")
    if not principal.may(*access):
        raise PermissionDeniedException(f"this needs the role {' or '.join(sorted(access))}")


def known(
    connection: ASGIConnection[Any, Any, Any, Any], tokens: Tokens, clock: Clock
) -> tuple[Principal, str] | tuple[None, None]:
    """The principal of a valid cookie or bearer token, and the token."""
    header = connection.headers.get("authorization", "")
    token: str | None = None
    if header.lower().startswith("bearer "):
        token = header[7:]
    elif connection.scope.get("method") in ("GET", "HEAD") or not connection.url.path.startswith("/api/"):
        token = connection.cookies.get(COOKIE)
    if not token:
        return None, None
    try:
        return tokens.check(token, clock()), token
    except InvalidToken:
        return None, None


class Authentication(AbstractAuthenticationMiddleware):
    """Puts the principal into the scope; whether one is needed is the route's word."""

    tokens: Tokens
    clock: Clock

    async def authenticate_request(self, connection: ASGIConnection[Any, Any, Any, Any]) -> AuthenticationResult:
        principal, token = known(connection, self.tokens, self.clock)
        return AuthenticationResult(user=principal, auth=token)


def authentication(tokens: Tokens, clock: Clock) -> type[Authentication]:
    return type("BoundAuthentication", (Authentication,), {"tokens": tokens, "clock": staticmethod(clock)})
