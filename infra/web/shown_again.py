"""Shows a stored answer to a form: the typed values and the reason of the refusal unchanged, with the current time.

The rest of the page is as it was when the form was sent, up to 15 minutes ago. Remaining times are counted from now, so
that the reader is not late. A page that is shown again (by Back or a reload), or later than a minute after the form was
sent, says so and links to the current page, because its buttons may belong to something that has ended since.
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
from infra.web.compression import in_thread_if_large, unzipped
from infra.web.exact import arrived
from infra.web.languages import gettext, spoken
from infra.web.pages import when

HEAD = b"<!--answer-->"
"""The place of the sentence in the layout of such a page. Texts of people are escaped, so they contain neither this
mark nor an attribute."""
_NOW = re.compile(rb'data-server-now="[^"]*"')


def shown_from(answers: Answers) -> Any:
    """Middleware, after the check of the session: shows the requested answer while it is stored, else the page, which
    says that the answer is not available any more. If the clock is wrong, no stored answer is shown, and the page
    itself says what is wrong."""

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
            body = await in_thread_if_large(partial(_as_of, now, head), answer.body, most=0)
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
    sentence = Markup(
        gettext("This is the answer to what was sent at %(when)s. Something may have changed since then.")
    )
    shown = Markup('<p class="notice" role="status" lang="{}">{} <a href="{}">{}</a></p>').format(
        spoken(), sentence % {"when": when(sent_at)}, address, gettext("See the page as it is now")
    )
    return shown.encode()
