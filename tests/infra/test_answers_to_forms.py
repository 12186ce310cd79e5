"""Answers to forms have their own addresses: for one session, for a limited time, and with a limited total size."""

import gzip
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest
from litestar import Response, get, post
from litestar.response import Template
from litestar.utils.scope.state import ScopeState

from infra.clock import Clock, ManualClock, system_clock
from infra.config import Config
from infra.database import Database
from infra.embedded import Servers
from infra.runtime import standing
from infra.service import Resources, Service
from infra.tokens import Principal
from infra.web import MEMBERS, PUBLIC, Visit, create_app, form_fields, page, routes
from infra.web.access import COOKIE
from infra.web.answers import LIMITS, Answers, StoredAnswer
from tests.market import database_with_tables

pytestmark = pytest.mark.servers
ANSWER = StoredAnswer(422, "text/html", b"is required")


@pytest.fixture
async def database(servers: Servers) -> AsyncIterator[Database]:
    database = await Database.connect(await database_with_tables(servers), system_clock)
    yield database
    await database.close()


def a_scope(token: str, member: str = "", address: str = "192.0.2.1") -> dict[str, Any]:
    scope: dict[str, Any] = {"client": (address, 1), "user": SimpleNamespace(member_id=member) if member else None}
    ScopeState.from_scope(scope).csrf_token = token  # type: ignore[arg-type]
    return scope


async def test_an_answer_is_shown_to_its_session_and_member_alone_by_any_process(database: Database) -> None:
    anna = a_scope("token", "anna")
    number = await Answers(database).keep(anna, ANSWER)
    assert number is not None
    other = Answers(database)
    assert await other.kept(anna, number) == ANSWER
    for stranger in (a_scope("token"), a_scope("token", "bert"), a_scope("another", "anna"), a_scope("another")):
        assert await other.kept(stranger, number) is None
    assert await other.kept(anna, "0" * 32) is None
    assert await other.kept({"user": None}, number) is None


async def test_who_reads_the_table_reads_no_answer(database: Database) -> None:
    number = await Answers(database).keep(a_scope("token", "anna"), ANSWER)
    row = await database.pool.fetchrow("select * from operations.answers")
    assert row is not None and number is not None
    for value in (ANSWER.body, number.encode(), bytes.fromhex(number)):
        assert value not in msgspec.msgpack.encode([each for each in row.values() if isinstance(each, bytes)])


async def test_it_ends_after_a_quarter_of_an_hour_and_is_deleted(database: Database) -> None:
    anna, answers = a_scope("token", "anna"), Answers(database)
    number = await answers.keep(anna, ANSWER)
    left = await database.pool.fetchval("select extract(epoch from kept_until - now()) from operations.answers")
    assert number is not None and 14 * 60 < left <= 15 * 60
    await database.pool.execute("update operations.answers set kept_until = now()")
    assert await answers.kept(anna, number) is None
    await answers.prune()
    assert await database.pool.fetchval("select count(*) from operations.answers") == 0


async def test_a_session_has_its_latest_answers(database: Database) -> None:
    anna, answers = a_scope("token", "anna"), Answers(database, LIMITS._replace(latest=2))
    numbers = [str(await answers.keep(anna, ANSWER)) for _ in range(4)]
    assert [await answers.kept(anna, number) is not None for number in numbers] == [False, False, True, True]


async def test_who_is_refused_ten_times_finds_the_first_answer(database: Database) -> None:
    anna, answers = a_scope("token", "anna"), Answers(database)
    page = msgspec.structs.replace(ANSWER, body=os.urandom(20_000))
    numbers = [str(await answers.keep(anna, page)) for _ in range(10)]
    assert [await answers.kept(anna, number) for number in numbers] == [page] * 10


async def test_a_session_keeps_the_latest_large_answers_that_fit(database: Database) -> None:
    size = await _size_of_one(database)
    anna, answers = a_scope("token", "anna"), Answers(database, LIMITS._replace(session_bytes=3 * size))
    numbers = [str(await answers.keep(anna, ANSWER)) for _ in range(5)]
    assert [await answers.kept(anna, number) is not None for number in numbers] == [False, False, True, True, True]


async def test_a_stranger_who_comes_again_and_again_fills_a_share_of_his_network(database: Database) -> None:
    answers = Answers(database, LIMITS._replace(each=3))
    taken = [await answers.keep(a_scope(f"visitor {number}"), ANSWER) for number in range(6)]
    assert [number is not None for number in taken] == [True] * 3 + [False] * 3
    assert await answers.keep(a_scope("elsewhere", address="198.51.100.7"), ANSWER) is not None
    assert await answers.keep(a_scope("token", "anna"), ANSWER) is not None


async def test_many_strangers_take_nothing_from_members_and_push_nobody_out(database: Database) -> None:
    size = await _size_of_one(database)
    answers = Answers(database, LIMITS._replace(all_bytes=3 * size))
    first = a_scope("first", address="192.0.2.0")
    number = await answers.keep(first, ANSWER)
    for host in range(1, 9):
        await answers.keep(a_scope(f"visitor {host}", address=f"198.51.{host}.1"), ANSWER)
    assert await database.pool.fetchval("select count(*) from operations.answers where visitor") == 3
    assert number is not None and await answers.kept(first, number) == ANSWER
    assert await answers.keep(a_scope("token", "anna"), ANSWER) is not None


async def test_a_page_that_is_too_long_is_not_kept(database: Database) -> None:
    anna, answers = a_scope("token", "anna"), Answers(database)
    assert await answers.keep(anna, msgspec.structs.replace(ANSWER, body=os.urandom(LIMITS.bytes))) is None
    assert await answers.keep(anna, msgspec.structs.replace(ANSWER, body=os.urandom(LIMITS.bytes // 2))) is not None


async def _size_of_one(database: Database) -> int:
    await Answers(database).keep(a_scope("token", "anna"), ANSWER)
    size: int = await database.pool.fetchval("select bytes from operations.answers")
    await database.pool.execute("delete from operations.answers")
    return size


@get("/form", opt=PUBLIC, media_type="text/html")
async def a_form(request: Visit) -> str:
    return f"an empty form, {request.url.query}"


@post("/form", opt=PUBLIC)
async def refusing(request: Visit) -> Response[str]:
    typed = (await form_fields(request))["typed"]
    return Response(f"{typed} is wrong {'.' * 2000}", status_code=422, media_type="text/html")


@get("/page/{name:str}", opt=PUBLIC)
async def a_page(request: Visit, name: str) -> Template:
    return page(request, "base.html")


@post("/page/{name:str}", opt=PUBLIC)
async def refused_page(request: Visit, name: str) -> Template:
    return page(request, "base.html", notice='is wrong: data-server-now="x" <!--answer-->', status_code=422)


@post("/counting", opt=PUBLIC)
async def counting(resources: Resources) -> Response[str]:
    text = f'<b data-until="z" data-server-now="{resources.clock().isoformat()}">{"." * 2000}</b>'
    return Response(text, status_code=422, media_type="text/html")


@post("/nobody-loads-this", opt=MEMBERS)
async def refusing_members() -> Response[str]:
    return Response("wrong", status_code=422, media_type="text/html")


@post("/failing", opt=PUBLIC)
async def failing() -> Response[str]:
    return Response("our fault", status_code=500, media_type="text/html")


@post("/api/form", opt=PUBLIC)
async def of_programs() -> Response[str]:
    return Response("wrong", status_code=422, media_type="text/html")


@asynccontextmanager
async def serving(servers: Servers, clock: Clock | None = None) -> AsyncIterator[tuple[httpx.AsyncClient, Any]]:
    config = Config.load({**os.environ, "LONJA_HOME": str(servers.home)})
    config = replace(config, database_url=await database_with_tables(servers))
    async with standing(config, clock) as resources:
        handlers = (a_page, refused_page, counting, a_form, refusing, refusing_members, failing, of_programs)
        app = create_app(
            resources, [Service(name="forms", routes=[routes(resources, *handlers)])], config.home / "static"
        )
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://market") as client:
            yield client, resources


async def sent(
    client: httpx.AsyncClient, path: str, *, referer: str | None = "http://market/form?a=1&b=%C3%A1", **more: str
) -> httpx.Response:
    await client.get("/form")
    headers: Mapping[str, str] = {"origin": "http://market", "accept": "text/html", **more}
    if referer is not None:
        headers = {**headers, "referer": referer}
    fields = {"typed": "nonsense", "_csrf_token": client.cookies["lonja_csrf"]}
    return await client.post(path, data=fields, headers=headers)


async def test_a_refused_form_is_shown_by_a_page_of_its_own_that_can_be_loaded_again(servers: Servers) -> None:
    async with serving(servers) as (client, resources):
        answer = await sent(client, "/form")
        assert answer.status_code == 303 and answer.text == ""
        place = answer.headers["location"]
        assert place.startswith("/form?a=1&b=%C3%A1&answer=")
        for headers in ({}, {"accept-encoding": "identity"}):
            page = await client.get(place, headers=headers)
            assert (page.status_code, page.headers["cache-control"]) == (422, "no-store")
            assert page.text.startswith("nonsense is wrong")
            assert page.headers["content-type"].startswith("text/html")
        assert (await client.head(place)).status_code == 422

        again = await sent(client, "/form", referer=f"http://market{place}")
        assert again.headers["location"].count("answer=") == 1
        assert again.headers["location"] != place

        client.cookies.clear()
        page = await client.get(place)
        assert (page.status_code, page.text) == (200, "an empty form, a=1&b=%C3%A1"), "nobody else is shown it"
        await resources.database.pool.execute("delete from operations.answers")
        assert (await client.get(place)).status_code == 200


@pytest.mark.parametrize(
    ("referer", "place"),
    [
        ("https://evil.example/form?x=1", "/form?answer="),
        (None, "/form?answer="),
        ("http://market/nobody-loads-this", "/form?answer="),
        ("http://market//evil.example/form", "/form?answer="),
    ],
)
async def test_the_way_leads_to_a_page_of_this_site_that_can_be_loaded(
    servers: Servers, referer: str | None, place: str
) -> None:
    async with serving(servers) as (client, _):
        answer = await sent(client, "/form", referer=referer)
        assert answer.status_code == 303 and answer.headers["location"].startswith(place)


async def test_a_client_without_a_way_back_is_answered_at_once(servers: Servers) -> None:
    async with serving(servers) as (client, resources):
        assert (await sent(client, "/form", **{"hx-request": "true"})).status_code == 422
        assert (await sent(client, "/form", origin="null")).status_code == 422
        assert (await sent(client, "/api/form")).status_code == 422
        assert (await sent(client, "/failing")).status_code == 500
        assert await resources.database.pool.fetchval("select count(*) from operations.answers") == 0


async def test_where_nothing_can_be_kept_the_form_is_answered_all_the_same(servers: Servers) -> None:
    async with serving(servers) as (client, resources):
        await resources.database.pool.execute("alter table operations.answers rename to gone")
        answer = await sent(client, "/form")
        assert (answer.status_code, answer.text[:17]) == (422, "nonsense is wrong")
        assert (await client.get("/form?answer=1")).text == "an empty form, "


async def test_an_answer_is_not_shown_to_the_next_session_of_a_member(servers: Servers) -> None:
    async with serving(servers) as (client, resources):
        somebody = Principal(member_id="m", name="M", organisation_id="o", organisation_name="O", roles=("moderator",))
        client.cookies[COOKIE] = resources.tokens.issue(somebody, resources.clock(), hours=1)
        place = (await sent(client, "/form")).headers["location"]
        assert (await client.get(place)).status_code == 422
        client.cookies[COOKIE] = resources.tokens.issue(
            msgspec.structs.replace(somebody, name="N"), resources.clock(), hours=1
        )
        assert (await client.get(place)).status_code == 200


SENTENCE = "This is the answer to what was sent at"
SENT_AT = datetime(2026, 11, 29, 23, 10, tzinfo=UTC)


@pytest.mark.parametrize("encoding", ["gzip", "identity"])
async def test_time_that_is_left_is_counted_from_the_reading_not_from_the_sending(
    servers: Servers, encoding: str
) -> None:
    clock = ManualClock(SENT_AT)
    async with serving(servers, clock) as (client, _):
        place = (await sent(client, "/counting")).headers["location"]
        for _ in range(2):
            now = clock.advance(timedelta(seconds=50))
            text = (await client.get(place, headers={"accept-encoding": encoding})).text
            assert text.startswith(f'<b data-until="z" data-server-now="{now.isoformat()}">...')


@pytest.mark.parametrize(
    ("language", "words"),
    [
        ("en", ("This is the answer to what was sent at", "See the page as it is now")),
        ("es", ("Esta es la respuesta a lo que se envió", "Ver la página como está ahora")),
        ("ru", ("Это ответ на то, что было отправлено", "Показать страницу, какая она сейчас")),
    ],
)
@pytest.mark.parametrize("at_once", [True, False])
async def test_an_answer_that_is_shown_once_more_or_late_says_at_its_head_when_it_was_sent(
    servers: Servers, language: str, words: tuple[str, str], at_once: bool
) -> None:
    clock = ManualClock(SENT_AT)
    async with serving(servers, clock) as (client, _):
        client.cookies["lonja_language"] = language
        referer = "http://market/page/%C3%A1?a=1&b=%22%3E"
        place = (await sent(client, "/page/x", referer=referer)).headers["location"]
        if at_once:
            assert words[0] not in (await client.get(place)).text, "nobody needs it straight after sending"
        clock.advance(timedelta(seconds=2 if at_once else 61))
        answer = await client.get(place)
        assert answer.status_code == 422
        head = answer.text.partition('<main id="main"')[2][:500]
        assert words[0] in head and words[1] in head and f'lang="{language}"' in head
        assert 'datetime="2026-11-29T23:10:00Z"' in head and "23:10" in head
        assert '<a href="/page/%C3%A1?a=1&amp;b=%22%3E">' in head
        assert "data-server-now=&#34;x&#34; &lt;!--answer--&gt;" in answer.text, "what a person wrote stays as it is"
        assert answer.text.count(words[0]) == 1
        assert words[0] not in (await client.get("/page/x")).text


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            "It was kept for 15 minutes at most, only for the sender of the form, and is not available any more.",
        ),
        ("es", "Se guarda 15 minutos como máximo, para quien lo envió, y ya no está."),
        ("ru", "Он хранится не дольше 15 минут, для того, кто её отправил, и его больше нет."),
    ],
)
async def test_a_page_says_that_a_kept_answer_is_gone(servers: Servers, language: str, words: str) -> None:
    async with serving(servers) as (client, resources):
        client.cookies["lonja_language"] = language
        place = (await sent(client, "/page/x", referer="http://market/page/x")).headers["location"]
        assert words not in (await client.get(place)).text
        await resources.database.pool.execute("update operations.answers set kept_until = now()")
        gone = await client.get(place)
        assert gone.status_code == 200 and words in gone.text.partition('<main id="main"')[2][:500]
        assert words not in (await client.get("/page/x")).text
        assert words not in (await sent(client, "/page/x", referer=f"http://market{place}")).text


async def test_each_answer_is_shown_without_that_sentence_the_first_time(servers: Servers) -> None:
    async with serving(servers) as (client, _):
        places = [(await sent(client, "/page/x")).headers["location"] for _ in range(2)]
        said = [SENTENCE in (await client.get(place)).text for place in [places[1], places[0], places[1], places[0]]]
        assert said == [False, False, True, True], "they were sent by two tabs, neither of which has shown its answer"


async def test_an_answer_that_the_former_release_kept_is_shown(servers: Servers, database: Database) -> None:
    clock = ManualClock(SENT_AT)
    async with serving(servers, clock) as (client, resources):
        await sent(client, "/page/x")
        scope = a_scope(client.cookies["lonja_csrf"])
        body = gzip.compress(b'<main id="main"><!--answer--><b data-server-now="then">')
        number = await Answers(resources.database).keep(scope, StoredAnswer(422, "text/html", body))
        text = (await client.get(f"/page/x?answer={number}")).text
        assert text == f'<main id="main"><!--answer--><b data-server-now="{SENT_AT.isoformat()}">'
