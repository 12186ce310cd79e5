"""The head of a request, bounded before anybody parses it.

Whoever wants to may send 32 KB of headers, before any login or limit of requests. What reads them (a regular expression, Python's
cookies, Litestar) was written for heads of some hundred bytes, and may need the square of a length. So no header here is longer than
any honest one, and of the cookies only ours are left, as plain ``name=value`` without escapes.
"""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from urllib.parse import SplitResult

from infra.web.access import COOKIE as SESSION
from infra.web.answers import FRESH
from infra.web.csrf import COOKIE as FORMS
from infra.web.languages import COOKIE as LANGUAGE
from infra.web.pages import NOTICE

Headers = list[tuple[bytes, bytes]]
LONGEST = 4_096
"""Bytes of a header, or of one cookie, which browsers bound so too."""
SHORT = 200
"""Of the languages that a browser asks for, which none of them fills."""
OURS = frozenset(name.encode() for name in (SESSION, FORMS, LANGUAGE, NOTICE))
_FRESH = re.compile(FRESH.encode() + rb"[0-9a-f]{32}")
_MOST_FRESH = 16
"""Answers that a browser is on the way to."""


def bounded(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers with whatever is longer cut off, and without those that say nothing; all cookies of ours in one header."""
    found: Headers = []
    cookies: dict[bytes, bytes] = {}
    for name, value in headers:
        if name == b"cookie":
            cookies |= _ours(value)
        elif cut := _CUT.get(name, _cut)(value):
            found.append((name, cut))
    if cookies:
        found.append((b"cookie", b"; ".join(name + b"=" + value for name, value in cookies.items())))
    return found


@lru_cache(256)
def _host(value: bytes) -> bytes:
    """None where it is no name of a server: Litestar would fail on the address of the request."""
    try:
        SplitResult("", value[:LONGEST].decode("latin-1"), "", "", "").port  # noqa: B018  # looks, and raises
    except ValueError:
        return b""
    return value[:LONGEST]


def _cut(value: bytes) -> bytes:
    return value[:LONGEST]


def _cut_short(value: bytes) -> bytes:
    return value[:SHORT]


_CUT: dict[bytes, Callable[[bytes], bytes]] = {b"accept-language": _cut_short, b"host": _host}


def _ours(value: bytes) -> dict[bytes, bytes]:
    """None of our cookies has an escape: one with a backslash is not from here."""
    found: dict[bytes, bytes] = {}
    for pair in value.split(b";"):
        name, _, text = pair.partition(b"=")
        name, text = name.strip(), text.strip()
        ours = name in OURS or (_FRESH.fullmatch(name) and len(found) < len(OURS) + _MOST_FRESH)
        if ours and len(text) <= LONGEST and b"\\" not in text:
            found[name] = text
    return found
