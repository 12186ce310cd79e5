"""The answers of the HTTP server to requests that it refuses itself: problem details for programs, a small page in
their language for people.

The app does not see such a request, and the server may have only a part of it: the received headers show who asks.
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
from infra.web.languages import gettext, speaking
from infra.web.readers import language_of
from infra.web.wire import ON_EVERY_ANSWER


class PageWords(NamedTuple):
    """The words of a page, in the reader's language."""

    title: str
    what: str
    remedy: str


class RefusedRequest(NamedTuple):
    """``why`` is for programs, ``words`` for people. The answers 429 and 503 say when to try again."""

    status: int
    why: str
    words: Callable[[], PageWords]


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
"""The page. It has no reader's name and no forms, because the reader was not identified."""


def answer(refusal: RefusedRequest, url: bytes, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The whole answer, after which the connection ends. ``url`` and ``headers`` are the received parts."""
    scope: Any = {"type": "http", "headers": bounded(headers)}
    request = Request[Any, Any, Any](scope)
    if wants_page_of(url.decode("latin-1"), request.headers):
        return _page(refusal, language_of(request))
    return _problem(refusal)


@lru_cache
def _page(refusal: RefusedRequest, language: str) -> bytes:
    with speaking(language):
        page = PAGE.format(language=language, words=refusal.words(), home=gettext("Home page"))
    return _whole(refusal.status, "text/html; charset=utf-8", page.encode())


@lru_cache
def _problem(refusal: RefusedRequest) -> bytes:
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


# The words of the pages


def no_request() -> PageWords:
    return PageWords(
        gettext("This was not understood"),
        gettext("What arrived here is not a valid request of a browser. Something on the way may have changed it."),
        gettext("Load the page again. If this happens again, try another browser or another network."),
    )


def large_head(kilobytes: int, headers: int) -> PageWords:
    return PageWords(
        gettext("Too much came with the request"),
        gettext(
            "An address, with the cookies and everything else that a browser sends with it, may have %(kilobytes)s KB and"
            " %(headers)s headers at most.",
            kilobytes=kilobytes,
            headers=headers,
        ),
        gettext("Delete the cookies of this site in your browser and load the page again, or use a shorter address."),
    )


def many_wait() -> PageWords:
    return PageWords(
        gettext("Too many requests"),
        gettext("Your browser sent new requests before it had read the answers to earlier ones."),
        gettext("Wait a minute and try again."),
    )


def too_slow(head: float, body: float) -> PageWords:
    return PageWords(
        gettext("The request arrived too slowly"),
        gettext(
            "A request has %(head)s s to arrive, and a form %(body)s s more. Yours did not arrive completely in that time, and nothing was"
            " done.",
            head=f"{head:.0f}",
            body=f"{body:.0f}",
        ),
        gettext("Your connection may be slow. Go back and send it again, in smaller parts if it was large."),
    )


def many_connections() -> PageWords:
    return PageWords(
        gettext("Too many connections"),
        gettext("Too many connections to the market are open, from your network or in total."),
        gettext("Close tabs of the market that you do not need, wait some seconds, and load the page again."),
    )
