"""Headers of a request cannot take much time: they are cut before they are parsed, and no unusual header causes a
crash."""

from pathlib import Path

import pytest
from litestar import Response, get, post

from infra.web import PUBLIC, Visit, form_fields
from infra.web.access import COOKIE
from infra.web.head import LONGEST, OURS, SHORT, bounded
from infra.web.readers import _weighed
from tests.infra.test_http_limits import serving

pytestmark = pytest.mark.servers
ALMOST_ALL = 31_000


@get("/seen", opt=PUBLIC)
async def seen(request: Visit) -> dict[str, list[int]]:
    """The length of each header, and the number of cookies."""
    return {name: [len(value)] for name, value in request.headers.items()} | {"cookies": [len(request.cookies)]}


@post("/form", opt=PUBLIC)
async def a_form(request: Visit) -> Response[dict[str, str]]:
    return Response(await form_fields(request))


@get("/form", opt=PUBLIC)
async def its_page(request: Visit) -> Response[str]:
    return Response("a form", media_type="text/html")


HEADERS = [
    *("accept", "accept-encoding", "accept-language", "authorization", "content-type", "cookie", "forwarded"),
    *("idempotency-key", "if-modified-since", "if-none-match", "last-event-id", "origin", "range", "referer"),
    *("sec-fetch-site", "traceparent", "user-agent", "x-csrf-token", "hx-request", "hx-current-url"),
]


async def test_no_header_is_parsed_at_a_length_that_nobody_honest_sends(tmp_path: Path) -> None:
    async with serving(tmp_path, seen) as (client, _):
        for name in HEADERS:
            for value in ("en" + " " * ALMOST_ALL + "x", 'a="' + "\\" * ALMOST_ALL + '"', "a=b;" * (ALMOST_ALL // 4)):
                client.cookies.clear()
                answer = await client.get("/seen", headers={name: value.encode()})
                lengths = answer.json()
                assert answer.status_code == 200, (name, value[:9], answer.text[:300])
                assert lengths.get(name, [0])[0] <= (SHORT if name == "accept-language" else LONGEST), name
                assert lengths["cookies"] == [0]


def test_only_cookies_of_the_market_without_an_escape_are_read() -> None:
    session = COOKIE.encode()
    for value in (b'"' + b"\\" * 2 * 2_000 + b'"', b"a" * (LONGEST + 1)):
        assert bounded([(b"cookie", session + b"=" + value)]) == []
    others = b"; ".join(b"other%d=1" % number for number in range(4_000))
    assert bounded([(b"cookie", others + b"; " + session + b"=token")]) == [(b"cookie", session + b"=token")]
    notice = b'lonja_notice="%D0%B4/b"'
    assert bounded([(b"cookie", session + b"=a"), (b"cookie", notice)]) == [(b"cookie", session + b"=a; " + notice)]
    fresh = [b"lonja_fresh_%032x=1" % number for number in range(4_000)]
    assert bounded([(b"cookie", b"; ".join([b"lonja_fresh_x=1", *fresh]))]) == [(b"cookie", b"; ".join(fresh[:20]))]
    assert len(OURS) == 4


def test_a_language_is_understood_as_browsers_and_people_write_it() -> None:
    for part, understood in {
        "es-AR;q=0.8": (0.8, "es-AR"),
        " ru ; q=0.5 ": (0.5, "ru"),
        "en": (1.0, "en"),
        "en;": (1.0, "en"),
        "en;q=2": (0.0, ""),
        "en x": (0.0, ""),
        "*": (0.0, ""),
    }.items():
        assert _weighed(part) == understood, part


@pytest.mark.parametrize("name", ["origin", "referer", "host"])
@pytest.mark.parametrize(
    "value", ["http://[", "[", "http://[x]:99999", "//[::1", "http://x:port/", "\xe9\xff", "http://\u2100"]
)
async def test_an_address_that_is_not_valid_causes_no_crash(tmp_path: Path, name: str, value: str) -> None:
    headers = {"accept": "text/html", "sec-fetch-site": "same-origin", name: value.encode("utf-8")}
    if name == "origin":
        del headers["sec-fetch-site"]
    async with serving(tmp_path, a_form, its_page) as (client, _):
        for path in ("/form", "/nowhere", "/login"):
            for answer in (
                await client.post(path, data={"a": "b"}, headers=headers),
                await client.get(path, headers=headers),
            ):
                assert answer.status_code < 500, (path, answer.text)
