"""The HTTP server with clients that send too much, too slowly or too often: real sockets, a small app, and a market
without servers."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Request, get, post
from litestar.params import JSONBody
from litestar.response import ServerSentEvent, Stream

from infra.service import Service
from infra.web import PUBLIC, STREAMED, create_app, limits, routes, server
from infra.web.app import BODY_BYTES, PACKAGE, SERVICES
from infra.web.limits import CALLERS, RequestRate
from infra.web.turns import AT_ONCE
from tests.market import unconnected

pytestmark = pytest.mark.servers

Dialogue = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Text(msgspec.Struct):
    text: str = ""


@post("/api/echo", opt=PUBLIC, status_code=200)
async def echo(data: JSONBody[Text]) -> Text:
    return data


@post("/api/nobody-reads", opt=PUBLIC, status_code=200)
async def nobody_reads() -> str:
    return "answered"


@get("/who", opt=PUBLIC)
async def who(request: Request[Any, Any, Any]) -> str:
    return f"{request.client.host if request.client else ''} {request.url.scheme}"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time limits that a test can wait for."""
    for name in ("HEAD_SECONDS", "BODY_SECONDS", "LINGER_SECONDS", "UNREAD_SECONDS"):
        monkeypatch.setattr(server, name, 0.2)


@asynccontextmanager
async def serving(
    home: Path, *more: Any, **settings: Any
) -> AsyncIterator[tuple[httpx.AsyncClient, Callable[[], Any]]]:
    """(client, function to open a bare connection) of a server with these additional routes."""
    resources = unconnected(home)
    config = replace(resources.config, **settings)
    resources = replace(resources, config=config)
    app = create_app(
        resources, [Service(name="echo", routes=[routes(resources, echo, nobody_reads, who, *more)])], home
    )
    web = server.server(app, config, resources.live.end, port=0)
    running = asyncio.create_task(web.serve())
    while not web.started:
        assert not running.done(), await running
        await asyncio.sleep(0.01)
    port = web.servers[0].sockets[0].getsockname()[1]

    async def connect() -> Dialogue:
        return await asyncio.open_connection("127.0.0.1", port)

    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        yield client, connect
    web.should_exit = True
    await running


async def answer_to(dialogue: Dialogue, *pieces: bytes) -> bytes:
    """Everything that the server answers to these pieces until it closes the connection."""
    reader, writer = dialogue
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def statuses(answer: bytes) -> list[int]:
    return [int(each) for each in re.findall(rb"HTTP/1.1 (\d+)", answer)]


GET = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n"
HEAD = b"POST /api/echo HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"


@pytest.mark.parametrize(
    "head",
    [
        b"GET /health HTTP/1.1\r\nhost: x\r\ncookie: " + b"c" * 40_000,
        b"GET /health HTTP/1.1\r\nhost: x\r\ncookie: " + b"c" * 40_000 + b"\r\n\r\n",
        b"GET /health?" + b"q" * 40_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /health HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 200 + b"\r\n",
    ],
    ids=["a header without end", "a large header", "a large address", "many headers"],
)
async def test_a_large_head_is_refused(tmp_path: Path, head: bytes) -> None:
    async with serving(tmp_path) as (client, connect):
        assert status(await answer_to(await connect(), head)) == 431
        assert (await client.get("/health")).status_code == 200


async def test_a_large_body_is_refused_whether_or_not_it_says_its_size(tmp_path: Path) -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    async with serving(tmp_path) as (client, _):
        headers = {"content-type": "application/json"}
        fits = await client.post("/api/echo", content=b" " * (BODY_BYTES - 2) + b"{}", headers=headers)
        assert fits.status_code == 200
        announced = await client.post("/api/echo", content=b" " * (BODY_BYTES + 1), headers=headers)
        assert (announced.status_code, announced.json()["status"]) == (413, 413)
        assert (await client.post("/api/echo", content=unannounced(), headers=headers)).status_code == 413
        form = await client.post("/language", data={"next": "x" * BODY_BYTES}, headers={"accept": "text/html"})
        assert (form.status_code, "Too long" in form.text) == (413, True)


async def test_a_slow_head_or_body_ends(tmp_path: Path, quick: None) -> None:
    async with serving(tmp_path) as (_, connect):
        assert await answer_to(await connect()) == b"", "nothing was asked"
        assert status(await answer_to(await connect(), b"GET /health HTTP/1.1\r\nhost:")) == 408
        assert status(await answer_to(await connect(), HEAD + b"content-length: 10\r\n\r\n{")) == 408
        assert status(await answer_to(await connect(), HEAD + b"transfer-encoding: chunked\r\n\r\n1\r\n{\r\n")) == 408


async def test_a_body_that_nobody_reads_ends_with_the_answer(tmp_path: Path, quick: None) -> None:
    async with serving(tmp_path) as (_, connect):
        asked = b"POST /api/nobody-reads HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n"
        assert status(await answer_to(await connect(), asked, b"x" * 100_000)) == 200


async def test_a_connection_that_sends_empty_lines_ends(tmp_path: Path, quick: None, monkeypatch: Any) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0)
    async with serving(tmp_path) as (_, connect):
        reader, writer = await connect()
        writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
        assert status(await reader.readuntil(b"ok")) == 200
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(20):
                while True:
                    writer.write(b"\r\n")
                    await writer.drain()
                    await asyncio.sleep(0.05)
        writer.close()


async def test_requests_one_behind_the_other_are_all_answered(tmp_path: Path) -> None:
    body = b'{"text":"' + b"t" * 60_000 + b'"}'
    one = HEAD + b"content-length: %d\r\n\r\n" % len(body) + body
    last = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    async with serving(tmp_path) as (_, connect):
        answer = await answer_to(await connect(), one * 3 + last)
        assert len(re.findall(rb"HTTP/1.1 200", answer)) == 4


async def test_a_connection_whose_body_came_after_the_answer_ends(
    tmp_path: Path, quick: None, monkeypatch: Any
) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(server, "LINGER_SECONDS", 20)
    async with serving(tmp_path) as (_, connect):
        reader, writer = await connect()
        writer.write(b"POST /api/nobody-reads HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n")
        assert status(await reader.readuntil(b"answered")) == 200
        assert await answer_to((reader, writer), b"0123456789") == b""


async def test_a_live_stream_with_a_request_behind_it_ends_with_the_connection(tmp_path: Path) -> None:
    ended = asyncio.Event()

    @get("/live", opt=STREAMED)
    async def live() -> ServerSentEvent:
        async def news() -> AsyncIterator[str]:
            try:
                while True:
                    yield "news"
                    await asyncio.sleep(0.01)
            finally:
                ended.set()

        return ServerSentEvent(news())

    async with serving(tmp_path, live) as (_, connect):
        reader, writer = await connect()
        writer.write(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"news")
        writer.write(GET)
        await reader.readuntil(b"news")
        writer.transport.abort()
        async with asyncio.timeout(20):
            await ended.wait()


async def test_a_reader_that_takes_nothing_is_cut_off(tmp_path: Path, quick: None) -> None:
    body = b'{"text":"' + b"t" * (BODY_BYTES - 100) + b'"}'
    async with serving(tmp_path) as (_, connect):
        _, writer = await connect()
        for _ in range(12):
            writer.write(HEAD + b"content-length: %d\r\n\r\n" % len(body) + body)
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(20):
                await writer.wait_closed()


async def test_one_address_holds_so_many_connections(tmp_path: Path) -> None:
    async with serving(tmp_path, connections_per_address=2) as (client, connect):
        held = [await connect(), await connect()]
        refused = await answer_to(await connect())
        assert status(refused) == 503 and b"retry-after: 5" in refused
        for _, writer in held:
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.1)
        assert (await client.get("/health")).status_code == 200


async def test_all_addresses_together_hold_so_many_connections(tmp_path: Path) -> None:
    async with serving(tmp_path, connections=2, trusted_proxies=("127.0.0.1/32",)) as (_, connect):
        held = [await connect(), await connect()]
        assert status(await answer_to(await connect())) == 503
        for _, writer in held:
            writer.close()


async def test_a_trusted_proxy_stands_for_many(tmp_path: Path) -> None:
    async with serving(tmp_path, connections_per_address=1, trusted_proxies=("127.0.0.0/8",)) as (client, connect):
        held = [await connect(), await connect()]
        told = await client.get("/who", headers={"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"})
        assert told.text == "203.0.113.9 https"
        for _, writer in held:
            writer.close()


async def test_who_is_no_trusted_proxy_is_not_believed(tmp_path: Path) -> None:
    async with serving(tmp_path, rate_limit=3) as (client, _):
        headers = [{"x-forwarded-for": f"203.0.113.{n}", "x-forwarded-proto": "https"} for n in range(5)]
        answers = [await client.get("/who", headers=each) for each in headers]
        assert [answer.text for answer in answers[:3]] == ["127.0.0.1 http"] * 3
        assert [answer.status_code for answer in answers[3:]] == [429, 429]
        assert 0 < int(answers[4].headers["retry-after"]) <= 61


async def test_a_long_body_counts_as_many_requests(tmp_path: Path) -> None:
    async with serving(tmp_path, rate_limit=30) as (client, _):
        long = {"text": "x" * (limits.WEIGHT * 3)}
        posts = [(await client.post("/api/echo", json=long)).status_code for _ in range(3)]
        assert posts == [200, 429, 429]  # four of the six forms that a visitor may post in a minute
        assert (await client.get("/who")).status_code == 200


@pytest.mark.parametrize(
    ("headers", "weight"),
    [
        ([], 1),
        ([(b"content-length", b"0")], 1),
        ([(b"host", b"x"), (b"content-length", b"65535")], 1),
        ([(b"content-length", b"65536")], 2),
        ([(b"content-length", b"1048576")], limits.MOST_WEIGHT),
        ([(b"content-length", b"9" * 400)], limits.MOST_WEIGHT),
        ([(b"content-length", b"-5")], limits.MOST_WEIGHT),
        ([(b"transfer-encoding", b"chunked")], limits.MOST_WEIGHT),
    ],
)
def test_the_weight_of_a_body_in_the_rate_limit(headers: list[tuple[bytes, bytes]], weight: int) -> None:
    assert limits._weight(headers) == weight


async def test_live_streams_are_counted_by_themselves(tmp_path: Path) -> None:
    @get("/live", opt=STREAMED)
    async def live() -> str:
        return "over at once"

    async with serving(tmp_path, live, rate_limit=2) as (client, _):
        assert [(await client.get(path)).status_code for path in ("/live", "/live", "/live", "/who", "/who", "/who")] == [
            200, 200, 429, 200, 200, 429,
        ]  # fmt: skip


async def test_posting_without_login_has_a_stricter_limit(tmp_path: Path) -> None:
    async with serving(tmp_path, rate_limit=20) as (client, _):
        posts = [(await client.post("/api/echo", json={})).status_code for _ in range(6)]
        assert posts == [200] * 4 + [429] * 2
        assert (await client.get("/who")).status_code == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/nowhere"), ("DELETE", "/who")])
async def test_what_finds_no_route_counts_too(tmp_path: Path, method: str, path: str) -> None:
    async with serving(tmp_path, rate_limit=5) as (client, _):
        found = [(await client.request(method, path)).status_code for _ in range(8)]
        assert set(found[:5]) <= {404, 405} and set(found[5:]) == {429}
        assert (await client.get("/who")).status_code == 429, "it is one count"
        assert (await client.get("/health")).status_code == 200


async def test_requests_of_one_caller_take_turns_and_others_wait_for_none(tmp_path: Path) -> None:
    at_work, most, go_on = 0, 0, asyncio.Event()

    @get("/slow", opt=PUBLIC)
    async def slow() -> str:
        nonlocal at_work, most
        at_work, most = at_work + 1, max(most, at_work + 1)
        await go_on.wait()
        at_work -= 1
        return "done"

    async with serving(tmp_path, slow, trusted_proxies=("127.0.0.1/32",)) as (client, _):

        def asked(path: str, host: str) -> Any:
            return client.get(path, headers={"x-forwarded-for": host})

        many = [asyncio.create_task(asked("/slow", "10.0.0.1")) for _ in range(20)]
        while at_work < AT_ONCE:
            await asyncio.sleep(0.01)
        assert (await asked("/who", "10.0.0.2")).text.startswith("10.0.0.2")
        go_on.set()
        assert {(await each).status_code for each in many} == {200}
    assert most == AT_ONCE


async def test_an_answer_that_is_read_slowly_keeps_no_turn(tmp_path: Path) -> None:
    @get("/long", opt=PUBLIC)
    async def long() -> Stream:
        async def pieces() -> AsyncIterator[str]:
            yield "begun"
            await asyncio.sleep(60)

        return Stream(pieces())

    async with serving(tmp_path, long) as (client, connect):
        readers = []
        for _ in range(AT_ONCE + 1):
            reader, writer = await connect()
            writer.write(b"GET /long HTTP/1.1\r\nhost: x\r\n\r\n")
            async with asyncio.timeout(20):
                assert b"200" in await reader.readline()
            readers.append(writer)
        assert (await client.get("/who")).status_code == 200
        for writer in readers:
            writer.close()


async def test_a_body_that_does_not_come_keeps_no_turn(tmp_path: Path) -> None:
    async with serving(tmp_path) as (client, connect):
        writers = []
        for _ in range(AT_ONCE * 2):
            _, writer = await connect()
            writer.write(HEAD + b"content-length: 2000\r\n\r\n{")
            await writer.drain()
            writers.append(writer)
        await asyncio.sleep(0.2)
        assert (await client.get("/who", timeout=10)).status_code == 200
        assert (await client.post("/api/echo", json={"text": "x" * 100_000}, timeout=10)).status_code == 200
        for writer in writers:
            writer.close()


def test_the_counts_of_callers_do_not_grow_without_limit() -> None:
    now = 0.0
    rate = RequestRate(2, lambda: now)
    assert [rate.wait("member") for _ in range(3)] == [0, 0, limits.WINDOW + 1]
    for number in range(CALLERS * 2):
        rate.wait(str(number))
    assert len(rate._counts) <= CALLERS + 1
    assert rate.wait("a newcomer") > 0 and rate.wait("1") == 0
    now = float(limits.WINDOW)
    assert rate.wait("member") == 0
    assert len(rate._counts) == 1


async def test_paths_that_no_file_can_have_are_bad_requests(tmp_path: Path) -> None:
    (tmp_path / "file.js").touch()
    async with serving(tmp_path) as (client, _):
        for path in ("%00", "a%00b", "x" * 300, "file.js/more"):
            assert (await client.get(f"/static/{path}")).status_code == 400, path
        assert (await client.get("/static/nothing.js")).status_code == 404
        assert (await client.get("/static/../../etc/passwd")).status_code == 404


async def test_static_files_of_services_are_served_and_have_names_of_their_own(tmp_path: Path) -> None:
    found = [*PACKAGE.glob("static/*"), *SERVICES.glob("*/static/*")]
    names = [path.name for path in found]
    assert "live_auction.js" in names and len(names) == len(set(names))
    async with serving(tmp_path) as (client, _):
        for path in found:
            assert (await client.get(f"/static/{path.name}")).content == path.read_bytes()


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"text":['])
async def test_deep_json_is_refused(tmp_path: Path, opening: bytes) -> None:
    async with serving(tmp_path) as (client, _):
        for depth, status in ((4_000, 400), (100_000, 413)):  # the second has too many lists
            answer = await client.post(
                "/api/echo", content=opening * depth, headers={"content-type": "application/json"}
            )
            assert answer.status_code == answer.json()["status"] == status


async def test_json_that_is_not_utf_8_is_a_bad_request(tmp_path: Path) -> None:
    async with serving(tmp_path) as (client, _):
        answer = await client.post(
            "/api/echo", content=b'{"text": "a\xff"}', headers={"content-type": "application/json"}
        )
        assert answer.status_code == 400


WATCHED = """
import asyncio, sys
from pathlib import Path
from tests.infra.test_http_limits import watched
asyncio.run(watched(Path(sys.argv[1]), int(sys.argv[2])))
"""


async def watched(home: Path, port: int) -> None:
    """A web process with a live page."""
    from infra.runtime import serve

    resources = unconnected(home)

    @get("/live", opt=PUBLIC)
    async def live() -> ServerSentEvent:
        async def news() -> AsyncIterator[str]:
            async for said in resources.live.watch("page"):
                yield str(said)

        return ServerSentEvent(news())

    await serve(create_app(resources, [Service(name="live", routes=[routes(resources, live)])], home), resources, port)


async def test_live_streams_end_with_the_process_which_is_no_crash(tmp_path: Path, free_port: int) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WATCHED, str(tmp_path), str(free_port), stderr=asyncio.subprocess.PIPE
    )
    transport = httpx.AsyncHTTPTransport(retries=100)
    async with httpx.AsyncClient(transport=transport, timeout=30) as client:
        while True:
            assert process.returncode is None, await process.communicate()
            try:
                await client.get(f"http://127.0.0.1:{free_port}/health")
                break
            except httpx.TransportError:
                await asyncio.sleep(0.1)
        async with client.stream("GET", f"http://127.0.0.1:{free_port}/live") as stream:
            pieces = stream.aiter_bytes()
            assert b"None" in await anext(pieces)
            os.kill(process.pid, signal.SIGTERM)
            assert [piece async for piece in pieces] == [], "it ended in order, without an error of the connection"
    _, errors = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0, errors
    assert b"Cancel" not in errors, "nothing had to be cancelled"


@pytest.fixture
def free_port(tmp_path: Path) -> int:
    from infra.embedded.ports import free_port

    return free_port(tmp_path, "web")
