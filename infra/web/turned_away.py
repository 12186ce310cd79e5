"""What the HTTP server says by itself to whom it turns away: problem details to programs, a small page to people, in their language.

The app does not see such a request, and the server perhaps not all of it: what came of its headers says who asks.
"""

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from http import HTTPStatus
from typing import Any, NamedTuple

from litestar import Request
from markupsafe import Markup

from infra.web.errors import PROBLEM, wants_page_of
from infra.web.head import bounded
from infra.web.languages import gettext, language_of, speaking
from infra.web.wire import ON_EVERY_ANSWER


class Words(NamedTuple):
    """Of a page, in the reader's language."""

    title: str
    what: str
    remedy: str


class Refusal(NamedTuple):
    """``why`` is for programs, ``words`` for people. 429 and 503 say when to come again."""

    status: int
    why: str
    words: Callable[[], Words]


PAGE = Markup("""<!doctype html>
<html lang="{language}">
<head>
  <meta charset="utf-8">
  <meta name="viewport" content="width=device-width, initial-scale=1">
  <title>{words.title} · Lonja</title>
  <link rel="stylesheet" href="/static/lonja.css">
  <link rel="icon" href="/static/lonja.svg" type="image/svg+xml">
</head>
<body>
  <header class="top"><nav><a class="brand" href="/">Lonja</a></nav></header>
  <main id="main">
    <section class="card narrow">
      <h1>{words.title}</h1>
      <p>{words.what}</p>
      <p>{words.remedy}</p>
      <p><a class="button" href="/">{home}</a></p>
    </section>
  </main>
</body>
</html>
""")
"""Without the reader's name, and without forms: nobody looked who it is."""


def answer(refusal: Refusal, url: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The whole answer, after which the connection ends. ``url`` and ``headers`` are what came of them."""
    scope: Any = {"type": "http", "headers": bounded(headers)}
    request = Request[Any, Any, Any](scope)
    if wants_page_of(url.decode("latin-1"), request.headers):
        return _page(refusal, language_of(request))
    return _problem(refusal)


@lru_cache
def _page(refusal: Refusal, language: str) -> bytes:
    with speaking(language):
        page = PAGE.format(language=language, words=refusal.words(), home=gettext("Home page"))
    return _whole(refusal.status, "text/html; charset=utf-8", page.encode())


@lru_cache
def _problem(refusal: Refusal) -> bytes:
    status, phrase = refusal.status, HTTPStatus(refusal.status).phrase
    body = json.dumps({"type": "about:blank", "title": phrase, "status": status, "detail": refusal.why})
    return _whole(status, PROBLEM, body.encode())


def _whole(status: int, kind: str, body: bytes) -> bytes:
    headers = [*ON_EVERY_ANSWER, (b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    headers += [(b"cache-control", b"no-store"), (b"connection", b"close")]
    if status in (429, 503):
        headers.append((b"retry-after", b"5"))
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}".encode(), *(b": ".join(pair) for pair in headers)]
    return b"\r\n".join([*lines, b"", body])


# What the pages say


def no_request() -> Words:
    return Words(
        gettext("This was not understood"),
        gettext("What arrived here is no request as browsers send them. Something on the way may have changed it."),
        gettext("Load the page again. If it stays, try another browser or another network."),
    )


def large_head(kilobytes: int, headers: int) -> Words:
    return Words(
        gettext("Too much came with the request"),
        gettext(
            "An address, with the cookies and all else that a browser sends beside it, may have %(kilobytes)s KB and"
            " %(headers)s headers at most.",
            kilobytes=kilobytes,
            headers=headers,
        ),
        gettext("Delete the cookies of this site in your browser and load the page again, or use a shorter address."),
    )


def many_wait() -> Words:
    return Words(
        gettext("Too many requests"),
        gettext("Your browser asked for more before it had read the answers to what it asked for."),
        gettext("Wait a minute and try again."),
    )


def too_slow(head: float, body: float) -> Words:
    return Words(
        gettext("It came too slowly"),
        gettext(
            "A request has %(head)s s to arrive, and a form %(body)s s more. Yours did not come whole in that time, and nothing was"
            " done.",
            head=f"{head:.0f}",
            body=f"{body:.0f}",
        ),
        gettext(
            "See whether your connection is slow. Then go back and send it again, in smaller parts if it was large."
        ),
    )


def many_connections() -> Words:
    return Words(
        gettext("Too many connections"),
        gettext("Too many connections to the market are open, from your network or from all together."),
        gettext("Close tabs of the market that you do not need, wait some seconds, and load the page again."),
    )
