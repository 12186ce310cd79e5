"""A long answer is compressed outside the event loop, and arrives unchanged."""

import gzip
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from litestar import Response, get, post
from litestar.response import ServerSentEvent, Stream

from infra.web import PUBLIC, PathNumber, answers, compression
from infra.web.answers import LIMITS, SHRINKS
from infra.web.compression import AT_ONCE, LONG, SHORTEST
from tests.infra.test_http_limits import serving

pytestmark = pytest.mark.servers
PIECES = [b"a" * 10, b"b" * (AT_ONCE + 1), b"", b"c" * 10]


@get("/long/{length:int}", opt=PUBLIC)
async def long(length: PathNumber) -> Response[str]:
    return Response("x" * length, media_type="text/plain")


async def _pieces() -> AsyncIterator[bytes]:
    for piece in PIECES:
        yield piece


@get("/pieces", opt=PUBLIC)
async def pieces() -> Stream:
    return Stream(_pieces())


@get("/live", opt=PUBLIC)
async def live() -> ServerSentEvent:
    async def news() -> AsyncIterator[str]:
        yield "x" * SHORTEST

    return ServerSentEvent(news())


@get("/nothing", opt=PUBLIC, status_code=204)
async def nothing() -> None:
    return None


@post("/form/{length:int}", opt={**PUBLIC, "exclude_from_csrf": True}, status_code=422)
async def a_form(length: PathNumber) -> Response[str]:
    return Response("x" * length, media_type="text/html", status_code=422)


@get("/", opt=PUBLIC)
async def home() -> str:
    return "home"


ROUTES = (home, long, pieces, live, nothing, a_form)


async def test_the_longer_ones_are_compressed_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where: list[tuple[int, bool]] = []
    original = compression.zipped

    def watched(data: bytes) -> bytes:
        where.append((len(data), threading.current_thread() is threading.main_thread()))
        return original(data)

    monkeypatch.setattr(compression, "zipped", watched)
    lengths = [SHORTEST - 1, SHORTEST, AT_ONCE, AT_ONCE + 1, LONG, 9 * LONG]
    async with serving(tmp_path, *ROUTES) as (client, _):
        for length in lengths:
            answer = await client.get(f"/long/{length}")
            assert answer.text == "x" * length
            assert answer.headers.get("content-encoding") == (None if length < SHORTEST else "gzip")
            assert int(answer.headers["content-length"]) <= length
            plain = await client.get(f"/long/{length}", headers={"accept-encoding": "identity"})
            assert plain.text == answer.text and "content-encoding" not in plain.headers
    assert where == [(length, length <= AT_ONCE) for length in lengths[1:]]
    assert gzip.decompress(original(b"x" * 3 * LONG)) == b"x" * 3 * LONG


async def test_what_comes_in_pieces_is_compressed_in_pieces_and_events_are_not(tmp_path: Path) -> None:
    async with serving(tmp_path, *ROUTES) as (client, _):
        whole = await client.get("/pieces")
        assert (whole.content, whole.headers["content-encoding"]) == (b"".join(PIECES), "gzip")
        assert "accept-encoding" in whole.headers["vary"].lower() and "content-length" not in whole.headers
        assert "content-encoding" not in (await client.get("/live")).headers
        assert (await client.get("/nothing")).status_code == 204
        assert (await client.head("/long/9999")).content == b""
        (tmp_path / "file.js").write_text("x" * 9_999)
        assert (await client.get("/static/file.js")).text == "x" * 9_999


async def test_an_answer_to_a_form_that_can_hardly_be_kept_is_given_without_trying(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def watched(data: bytes) -> bytes:
        tried.append(len(data))
        return compression.zipped(data)

    monkeypatch.setattr(answers, "zipped", watched)
    most = SHRINKS * LIMITS.bytes
    async with serving(tmp_path, *ROUTES) as (client, _):
        headers = {"sec-fetch-site": "same-origin", "accept-encoding": "identity"}
        for length in (most + 1, 9):
            answer = await client.post(f"/form/{length}", headers=headers)
            assert (answer.status_code, len(answer.content)) == (422, length)
    assert tried == [9]
