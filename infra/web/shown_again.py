"""A page that answers a form, shown from where it is kept: what was typed and why it was refused as they were, the time as it is.

What else it shows is the world of when the form was sent, up to a quarter of an hour ago. Time that is left is counted from now, or a
reader would come too late; and a page that is shown once more (by Back, or a reload), or later than a minute after the sending, says
so, and leads to the page as it is now: the buttons on it may be of what has ended since.
"""

import re
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import quote

from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from markupsafe import Markup

from infra.web.answers import ASKED, FRESH, GONE, LATER, Answers, fresh_cookie, mark_of
from infra.web.compression import beside, unzipped
from infra.web.exact import arrived
from infra.web.languages import gettext, spoken
from infra.web.pages import when

HEAD = b"<!--answer-->"
"""Where the layout of a page that answers a form takes the sentence. What a person wrote is escaped: it holds no such mark, and no
attribute either."""
_NOW = re.compile(rb'data-server-now="[^"]*"')


def shown_from(answers: Answers) -> Any:
    """Middleware, after the check of the session: shows the answer that is asked for while it is kept, else the page, which says that the
    answer is gone. Where the clock is wrong nothing kept is shown: the page itself says what is the matter."""

    def middleware(app: ASGIApp) -> ASGIApp:
        async def show(scope: Scope, receive: Receive, send: Send) -> None:
            answer, now = None, arrived()
            if scope["type"] == ScopeType.HTTP and scope["method"] == "GET" and ASKED in scope and now:
                answer = await answers.kept(scope, scope[ASKED])  # type: ignore[literal-required]
            if answer is None or now is None:
                if ASKED in scope and now:
                    scope[GONE] = True  # type: ignore[literal-required]
                await app(scope, receive, send)
                return
            mark = mark_of(scope[ASKED])  # type: ignore[literal-required]
            once_more = FRESH + mark not in Request(scope).cookies
            head = _head(answer.sent_at, now, scope, once_more=once_more)
            body = await beside(partial(_as_of, now, head), answer.body, most=0)
            headers = [
                (b"content-type", answer.content_type.encode()),
                (b"content-length", str(len(body)).encode()),
                (b"cache-control", b"no-store"),
            ]
            if not once_more:
                headers.append((b"set-cookie", fresh_cookie(mark, seconds=0)))
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            await send({"type": "http.response.body", "body": body, "more_body": False})

        return show

    return middleware


def _as_of(now: datetime, head: bytes, kept: bytes) -> bytes:
    said = b'data-server-now="%s"' % now.isoformat().encode()
    page = _NOW.sub(said, unzipped(kept))
    return page.replace(HEAD, head, 1) if head else page


def _head(sent_at: datetime | None, now: datetime, scope: Any, *, once_more: bool) -> bytes:
    if sent_at is None or not (once_more or now - sent_at > LATER):
        return b""
    query = scope["query_string"].decode("latin-1")
    address = "/" + quote(scope["path"]).lstrip("/") + (f"?{query}" if query else "")
    sentence = Markup(gettext("This is the answer to what was sent at %(when)s. Since then things may have changed."))
    shown = Markup('<p class="notice" role="status" lang="{}">{} <a href="{}">{}</a></p>').format(
        spoken(), sentence % {"when": when(sent_at)}, address, gettext("See the page as it is now")
    )
    return shown.encode()
