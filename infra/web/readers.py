"""Which language a reader wants, and the route with which it is chosen."""

import re
from typing import Any

from babel import negotiate_locale
from litestar import Request, post
from litestar.datastructures import Cookie
from litestar.enums import ScopeType
from litestar.response import Redirect
from litestar.types import ASGIApp, Receive, Scope, Send

from infra.web.access import PUBLIC
from infra.web.languages import COOKIE, ENGLISH, LANGUAGES, speaking

A_YEAR = 365 * 24 * 3600


def language_of(request: Request[Any, Any, Any]) -> str:
    """The language that the reader chose, else the member's, else the browser's, else English."""
    chosen, member = request.cookies.get(COOKIE), request.scope.get("user")
    if chosen in LANGUAGES:
        return chosen
    if member is not None and member.language in LANGUAGES:
        return str(member.language)
    ranges = [_weighed(part) for part in request.headers.get("accept-language", "").split(",")[:20]]
    wanted = [tag for quality, tag in sorted(ranges, key=lambda each: -each[0]) if quality > 0]
    return negotiate_locale(wanted, list(LANGUAGES), sep="-") or ENGLISH


def _weighed(part: str) -> tuple[float, str]:
    """``es-AR;q=0.8`` → (0.8, "es-AR"); a part that is not understood gets the weight 0."""
    tag, _, weight = (each.strip() for each in part.partition(";"))
    found = re.fullmatch(r"[A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8})*", tag) and re.fullmatch(
        r"(?:q=([01](?:\.\d{0,3})?))?", weight
    )
    return (float(found[1] or 1), tag) if found else (0.0, "")


def in_the_readers_language(app: ASGIApp) -> ASGIApp:
    """Middleware, after the authentication. The API is in English only and skips this."""

    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP or scope["path"].startswith(("/api/", "/static/")):
            await app(scope, receive, send)
            return
        with speaking(language_of(Request(scope))):
            await app(scope, receive, send)

    return middleware


@post("/language", opt=PUBLIC, include_in_schema=False)
async def choose_language(request: Request[Any, Any, Any]) -> Redirect:
    """Store the choice for a year and redirect to the page, a path of this site."""
    fields = await request.form()
    language, target = fields.get("language", ""), fields.get("next", "/")
    goal = target if isinstance(target, str) and re.fullmatch(r"/(?![/\\])[!-\[\]-~]*", target) else "/"
    cookies = []
    if language in LANGUAGES:
        cookies.append(Cookie(key=COOKIE, value=language, max_age=A_YEAR, path="/", httponly=True, samesite="lax"))
    return Redirect(goal, status_code=303, cookies=cookies)
