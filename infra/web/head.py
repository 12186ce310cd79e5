"""Limits the headers of a request before they are parsed.

Anybody can send 32 KB of headers, before any login or request limit. The code that reads them (regular expressions,
Python's cookies, Litestar) was written for a few hundred bytes, and its time may be quadratic in their length.
Therefore each header is cut to the length that real ones need, and only our own cookies are kept, as plain
``name=value`` without escapes.
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
"""The most bytes of a header or of one cookie; browsers have the same limit."""
SHORT = 200
"""The most bytes of Accept-Language; no browser needs that many."""
OURS = frozenset(name.encode() for name in (SESSION, FORMS, LANGUAGE, NOTICE))
_FRESH = re.compile(FRESH.encode() + rb"[0-9a-f]{32}")
_MOST_FRESH = 16
"""The most cookies for answers that the browser has not shown yet."""


def bounded(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers, each cut to its limit, without empty ones, and with our cookies in one header."""
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
    """The host, or None if it is not the name of a server: Litestar would fail on the address of the request."""
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
    """Our cookies in the header. None of ours has an escape, so a cookie with a backslash is not ours."""
    found: dict[bytes, bytes] = {}
    for pair in value.split(b";"):
        name, _, text = pair.partition(b"=")
        name, text = name.strip(), text.strip()
        ours = name in OURS or (_FRESH.fullmatch(name) and len(found) < len(OURS) + _MOST_FRESH)
        if ours and len(text) <= LONGEST and b"\\" not in text:
            found[name] = text
    return found
