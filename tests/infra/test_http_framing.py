"""Limits of a connection: the bytes besides requests and bodies, and the number of simultaneous requests. Above them
the server's parser stops.

Bytes, requests and answers are counted; the tests feed the parser with reads of a given size.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from infra.web import lines, server
from tests.infra.test_http_limits import GET, HEAD, answer_to, serving, statuses
from tests.market import unconnected

pytestmark = pytest.mark.servers

CLOSING = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
CHUNKED = HEAD + b"transfer-encoding: chunked\r\n\r\n"


def counted(monkeypatch: pytest.MonkeyPatch, *names: str) -> list[str]:
    """Count the calls of these methods of uvicorn from now on."""
    calls: list[str] = []

    def count(name: str) -> None:
        method = getattr(HttpToolsProtocol, name)

        def counting(self: HttpToolsProtocol, *arguments: Any) -> None:
            calls.append(name)
            method(self, *arguments)

        monkeypatch.setattr(HttpToolsProtocol, name, counting)

    for name in names:
        count(name)
    return calls


class _Nowhere(asyncio.Transport):
    """A transport that accepts writes and is connected to nothing."""

    closing = False

    def write(self, data: Any) -> None:
        pass

    def write_eof(self) -> None:
        pass

    def pause_reading(self) -> None:
        pass

    def resume_reading(self) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closing

    def close(self) -> None:
        self.closing = True


@asynccontextmanager
async def connected(home: Path) -> AsyncIterator[server.Connection]:
    """A connection that the test feeds, so that it controls the size of each read. It gets no answers meanwhile."""
    resources = unconnected(home)

    async def silent(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.Event().wait()

    settings = server.server(silent, resources.config, resources.live.end, port=0).config
    settings.load()
    state = ServerState()
    connection = settings.http_protocol_class(settings, state, {})  # type: ignore[call-arg]
    assert isinstance(connection, server.Connection)
    connection.connection_made(_Nowhere())
    yield connection
    for task in list(state.tasks):
        task.cancel()
    await asyncio.gather(*state.tasks, return_exceptions=True)


async def test_so_many_requests_wait_on_a_connection_and_one_more_is_too_many(tmp_path: Path) -> None:
    async with serving(tmp_path) as (client, connect):
        answer = await answer_to(await connect(), GET * 1000)
        assert statuses(answer) == [200] * (1 + server.WAITING) + [429], "in the order of the requests"
        assert answer.count(b"retry-after: 5") == 1
        assert (await client.get("/health")).status_code == 200


async def test_one_read_of_requests_is_not_parsed_to_its_end(tmp_path: Path, monkeypatch: Any) -> None:
    begun = counted(monkeypatch, "on_message_begin")
    async with connected(tmp_path) as connection:
        connection.data_received(b"GET / HTTP/1.1\r\n\r\n" * 14_000)
        assert len(begun) == 1 + server.WAITING


async def test_what_comes_after_a_refusal_is_not_parsed(tmp_path: Path, monkeypatch: Any) -> None:
    begun = counted(monkeypatch, "on_message_begin")
    async with connected(tmp_path) as connection:
        for _ in range(10):
            connection.data_received(GET * 14_000)
        assert len(begun) == 1 + server.WAITING
        assert connection.flow.read_paused, "until the requests before it are answered"


async def test_a_bad_request_leaves_the_answers_before_it(tmp_path: Path) -> None:
    async with serving(tmp_path) as (_, connect):
        assert statuses(await answer_to(await connect(), GET * 3 + b"\0\0\r\n\r\n")) == [200, 200, 200, 400]


@pytest.mark.parametrize(
    "endless",
    [
        CHUNKED + b"2\r\n{}\r\n0\r\n" + b"a: b\r\n" * 200_000,
        CHUNKED + b"2\r\n{}\r\n0\r\na: " + b"b" * 1_000_000,
        CHUNKED + b"2\r\n{}\r\n0\r\n" + b"a" * 1_000_000,
        CHUNKED + b"2;" + b"a" * 1_000_000,
        CHUNKED + b"2;a=b;" * 200_000,
        CHUNKED + b"1;a\r\n \r\n" * 200_000,
        CHUNKED + b"1\r\n \r\n" * 200_000,
        CHUNKED + b"0" * 1_000_000,
        b"\r\n" * 500_000,
        GET + b"\r\n" * 500_000,
    ],
    ids=[
        "trailers", "a trailer", "the name of a trailer", "an extension", "extensions", "chunks with an extension",
        "chunks of a byte", "the size of a chunk", "empty lines", "empty lines after a request",
    ],
)  # fmt: skip
async def test_what_is_sent_beside_a_body_has_a_limit(tmp_path: Path, monkeypatch: Any, endless: bytes) -> None:
    fed = 0
    feed = HttpToolsProtocol.data_received

    def feeding(self: HttpToolsProtocol, data: bytes) -> None:
        nonlocal fed
        fed += len(data)
        feed(self, data)

    monkeypatch.setattr(HttpToolsProtocol, "data_received", feeding)
    async with connected(tmp_path) as connection:
        for start in range(0, len(endless), 262_144):
            connection.data_received(endless[start : start + 262_144])
        assert connection._refusal and connection._refusal.status == 400
        assert fed <= server.HEAD_BYTES + 2 * server.PIECE
    async with serving(tmp_path) as (client, connect):
        assert statuses(await answer_to(await connect(), endless))[-1] == 400
        assert (await client.get("/health")).status_code == 200


async def test_one_read_of_headers_is_not_parsed_to_its_end(tmp_path: Path, monkeypatch: Any) -> None:
    calls = counted(monkeypatch, "on_header")
    for line in (b"a: b\r\n", b"a:\r\n"):
        calls.clear()
        async with connected(tmp_path) as connection:
            connection.data_received(b"GET / HTTP/1.1\r\n" + line * 50_000)
            assert connection._refusal and connection._refusal.status == 431
            assert len(calls) == server.HEADERS


async def test_a_body_in_chunks_with_trailers_is_read(tmp_path: Path) -> None:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in [b'{"text":"', *[b"t" * 100] * 5_000, b'"}'])
    trailers = b"0\r\n" + b"a: b\r\n" * 10 + b"\r\n"
    async with serving(tmp_path) as (_, connect):
        answer = await answer_to(await connect(), CHUNKED + chunks + trailers, CLOSING)
        assert statuses(answer) == [200, 200] and b"t" * 500_000 in answer


async def test_trailers_do_not_say_who_asks(tmp_path: Path) -> None:
    asked = b"GET /who HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 203.0.113.1\r\ntransfer-encoding: chunked\r\n\r\n"
    async with serving(tmp_path, trusted_proxies=("127.0.0.1/32",)) as (_, connect):
        answer = await answer_to(await connect(), asked + b"0\r\nx-forwarded-for: 203.0.113.2\r\n\r\n" + CLOSING)
        assert b"203.0.113.1 http" in answer


async def test_a_refused_rest_of_a_body_that_was_answered_is_not_answered_again(tmp_path: Path) -> None:
    asked = b"POST /api/nobody-reads HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"
    async with serving(tmp_path) as (_, connect):
        reader, writer = await connect()
        writer.write(asked)
        first = await reader.readuntil(b"answered")
        assert statuses(first + await answer_to((reader, writer), b"1;" + b"e" * 200_000)) == [200]


async def test_what_one_address_sends_fills_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 600.0
    monkeypatch.setattr(lines, "LINES", lines.Lines(lambda: now))
    upgrade = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: x\r\n\r\n"
    async with connected(tmp_path) as first:

        def meet(host: str, data: bytes) -> None:
            connection = type(first)(first.config, first.server_state, {})
            connection.connection_made(_Nowhere({"peername": (host, 1)}))
            connection.data_received(data)

        for _ in range(20):
            for sent in (GET * 100, b"\0\0\r\n\r\n", upgrade):
                meet("192.0.2.1", sent)
        written = len(caplog.records)
        assert written == lines.MOST
        meet("192.0.2.2", GET * 100)
        assert len(caplog.records) == written + 1, "others are heard"
        now += lines.WINDOW
        lines.LINES.look()
        lines.LINES.look()
        (told,) = caplog.messages[written + 1 :]
        assert told.startswith("70 lines about the requests of 1 addresses were left out") and "192.0.2.1" in told
        meet("192.0.2.1", GET * 100)
        assert len(caplog.records) == written + 3


def test_addresses_that_come_last_share_their_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines, "ADDRESSES", 2)
    counted = lines.Lines(lambda: 0.0)
    assert [counted.take(f"192.0.2.{number}") for number in range(20)] == [True] * (2 + lines.MOST) + [False] * 8


def in_chunks(size: int, total: int = 1_000_000) -> bytes:
    """A body of ``total`` bytes in chunks of this size."""
    text = b'{"text":"' + b"x" * (total - 11) + b'"}'
    pieces = [text[at : at + size] for at in range(0, total, size)]
    return CHUNKED + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("size", [512, 1024, 4096, 8192, 16_384])
async def test_a_body_in_the_chunks_of_a_proxy_is_taken(tmp_path: Path, size: int) -> None:
    async with serving(tmp_path) as (_, connect):
        reader, writer = await connect()
        writer.write(in_chunks(size))
        assert (await reader.readline()).split()[1] == b"200"
        writer.close()


@pytest.mark.parametrize(
    ("sent", "status", "why"),
    [
        (in_chunks(100), 400, "send larger chunks"),
        (b"\0\0\r\n\r\n", 400, "no HTTP request"),
        (b"GET /health HTTP/1.1\r\nhost: x\r\ncookie: " + b"c" * 40_000, 431, "32,768 bytes and 100 headers"),
        (GET * 100, 429, "16 requests"),
        (b"GET /" + b"q" * 9_000 + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 414, "8,192 bytes"),
        (b"GET /?answer" + b"&a" * 200 + b" HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", 414, "200 parameters"),
    ],
    ids=["small chunks", "no request", "a large head", "many requests", "a long address", "many parameters"],
)
async def test_a_refusal_says_why(tmp_path: Path, sent: bytes, status: int, why: str) -> None:
    async with serving(tmp_path) as (_, connect):
        answer = await answer_to(await connect(), sent)
    last = answer[answer.rindex(b"HTTP/1.1") :]
    assert last.startswith(b"HTTP/1.1 %d" % status) and b"application/problem+json" in last
    assert why in json.loads(last.partition(b"\r\n\r\n")[2])["detail"]
