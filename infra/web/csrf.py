"""Forms are taken from pages of the same session alone: each carries a token that no other site can know.

Within a login the token follows from the session, so that all pages and tabs of it have the same one and a token of another
session, or of before the login, is refused. A visitor's is random, signed, and kept in a cookie of its own.
"""

import hmac
import secrets
from collections.abc import Callable
from hashlib import sha256
from typing import Any

from litestar import Request
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.enums import RequestEncodingType
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.utils.scope.state import ScopeState

from infra.web.access import COOKIE as SESSION

COOKIE = "lonja_csrf"
HEADER = "x-csrf-token"
FIELD = "_csrf_token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FORMS = frozenset({RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART})


def forms_of_the_session(secret: str) -> Callable[[ASGIApp], ASGIApp]:
    """Middleware for pages. The API takes bearer tokens, which no browser sends by itself; a route with
    ``opt={"exclude_from_csrf": True}`` has another proof."""

    def signed(text: str) -> str:
        return hmac.new(secret.encode(), text.encode(), sha256).hexdigest()

    def token_of(session: str, kept: str) -> str:
        if session:
            return signed(f"session {session}")
        random, _, signature = kept.partition("-")
        if not hmac.compare_digest(signature.encode(), signed(f"visitor {random}").encode()):
            random = secrets.token_hex(16)
        return f"{random}-{signed(f'visitor {random}')}"

    def middleware(app: ASGIApp) -> ASGIApp:
        async def check(scope: Scope, receive: Receive, send: Send) -> None:
            exempt = scope["type"] != "http" or scope["path"].startswith(("/api/", "/static/"))
            if exempt or scope["route_handler"].opt.get("exclude_from_csrf"):
                await app(scope, receive, send)
                return
            request: Request[Any, Any, Any] = scope["litestar_app"].request_class(scope, receive)
            kept = request.cookies.get(COOKIE, "")
            token = token_of(request.cookies.get(SESSION, ""), kept)
            if scope["method"] not in SAFE and not hmac.compare_digest(
                (await _given(request)).encode(), token.encode()
            ):
                if not request.cookies.get(SESSION) and scope["route_handler"].opt.get("access") != "public":
                    raise NotAuthorizedException("log in first")  # the login of this form's page has ended
                raise PermissionDeniedException(
                    "The form is not of your present session (its CSRF token is not): load its page again and send it again"
                )
            ScopeState.from_scope(scope).csrf_token = token
            await app(scope, receive, send if kept == token else _keeping(token, send))

        return check

    return middleware


async def _given(request: Request[Any, Any, Any]) -> str:
    given = request.headers.get(HEADER)
    if given is None and request.content_type[0] in FORMS:
        given = (await request.form()).get(FIELD)
    return given if isinstance(given, str) else ""


def _keeping(token: str, send: Send) -> Send:
    cookie = Cookie(key=COOKIE, value=token, path="/", httponly=True, samesite="lax").to_header(header="")

    async def with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableScopeHeaders.from_message(message).add("set-cookie", cookie)
        await send(message)

    return with_cookie
