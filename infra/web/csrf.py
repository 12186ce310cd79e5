"""Forms are accepted only from pages of the same session: each has a token that other sites cannot know.

Within a login the token is derived from the session: all its pages and tabs have the same one, and a token of another
session, or from before the login, is refused. A visitor's token is random, signed, and stored in its own cookie.
"""

import hmac
import secrets
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from litestar import Request
from litestar.datastructures import Cookie, MutableScopeHeaders
from litestar.enums import RequestEncodingType, ScopeType
from litestar.exceptions import NotAuthorizedException, PermissionDeniedException
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from litestar.utils.scope.state import ScopeState

from infra.web.access import COOKIE as SESSION
from infra.web.languages import gettext

COOKIE = "lonja_csrf"
HEADER = "x-csrf-token"
FIELD = "_csrf_token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_TOKEN_OF = "lonja_csrf_token_of"
FORMS = frozenset({RequestEncodingType.URL_ENCODED, RequestEncodingType.MULTI_PART})


class Forms:
    """The forms of a market, whose ``secret`` signs their tokens."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def begin(self, request: Request[Any, Any, Any]) -> str:
        """Return the token of the request's session, and put it into the forms of this answer."""
        token = self.token_of(request.cookies.get(SESSION, ""), request.cookies.get(COOKIE, ""))
        ScopeState.from_scope(request.scope).csrf_token = token
        return token

    def token_of(self, session: str, kept: str) -> str:
        if session:
            return self._signed(f"session {session}")
        random, _, signature = kept.partition("-")
        if not hmac.compare_digest(signature.encode(), self._signed(f"visitor {random}").encode()):
            random = secrets.token_hex(16)
        return f"{random}-{self._signed(f'visitor {random}')}"

    def _signed(self, text: str) -> str:
        return hmac.new(self._secret, text.encode(), sha256).hexdigest()

    def of_the_session(self, app: ASGIApp) -> ASGIApp:
        """Middleware for pages. The API takes bearer tokens, which browsers do not send by themselves; a route with
        ``opt={"exclude_from_csrf": True}`` has another proof."""

        async def check(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != ScopeType.HTTP or scope["path"].startswith(("/api/", "/static/")):
                await app(scope, receive, send)
                return
            request: Request[Any, Any, Any] = scope["litestar_app"].request_class(scope, receive)
            token = self.begin(request)
            scope[_TOKEN_OF] = self.token_of  # type: ignore[literal-required]
            unchecked = scope["method"] in SAFE or scope["route_handler"].opt.get("exclude_from_csrf")
            if not unchecked and not hmac.compare_digest((await _given(request)).encode(), token.encode()):
                if not request.cookies.get(SESSION) and scope["route_handler"].opt.get("access") != "public":
                    raise NotAuthorizedException("log in first")  # the login of this form's page has ended
                if scope["route_handler"].opt.get("loaded_again"):
                    await _load_again(request.url.path, send)
                    return
                said = gettext("You have logged in or out since the page of this form was loaded.")
                words = (
                    gettext("Not sent"),
                    gettext(
                        "Check that it is still right for the account in which you are logged in now, before you send it."
                    ),
                )
                raise PermissionDeniedException(said, extra={"said": said, "words": words})
            await app(scope, receive, send if request.cookies.get(COOKIE) == token else _keeping(token, send))

        return check


async def _load_again(path: str, send: Send) -> None:
    headers = [(b"location", quote("/" + path.lstrip("/")).encode()), (b"content-length", b"0")]
    await send({"type": "http.response.start", "status": 303, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _given(request: Request[Any, Any, Any]) -> str:
    given = request.headers.get(HEADER)
    if given is None and request.content_type[0] in FORMS:
        given = (await request.form()).get(FIELD)
    return given if isinstance(given, str) else ""


def begin_session(request: Request[Any, Any, Any], session: str) -> None:
    """The forms of this answer belong to the session that begins with it."""
    ScopeState.from_scope(request.scope).csrf_token = request.scope[_TOKEN_OF](session, "")  # type: ignore[literal-required]


def token_cookies(request: Request[Any, Any, Any]) -> list[Cookie]:
    """The cookies for an answer with a form that is given before the route is reached."""
    token = ScopeState.from_scope(request.scope).csrf_token
    return [_cookie(token)] if isinstance(token, str) else []


def _cookie(token: str) -> Cookie:
    return Cookie(key=COOKIE, value=token, path="/", httponly=True, samesite="lax")


def _keeping(token: str, send: Send) -> Send:
    cookie = _cookie(token).to_header(header="")

    async def with_cookie(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableScopeHeaders.from_message(message).add("set-cookie", cookie)
        await send(message)

    return with_cookie
