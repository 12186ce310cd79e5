"""The HTTP server refuses some requests before the app sees them. People get a page, programs get problem details."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from litestar import get, post
from litestar.handlers import HTTPRouteHandler

from infra.web import MEMBERS, PUBLIC, page, server
from infra.web.access import COOKIE
from infra.web.arguments import Visit
from infra.web.languages import COOKIE as LANGUAGE
from tests.infra.test_http_limits import answer_to, quick, serving, status  # noqa: F401
from tests.market import unconnected
from tests.test_access import a_member

pytestmark = pytest.mark.servers

READER = b"host: x\r\naccept: text/html,*/*;q=0.8\r\naccept-language: %s\r\n"
TITLES = {
    "en": {400: "not understood", 408: "too slowly", 429: "Too many requests", 431: "Too much", 503: "Too many connec"},
    "es": {
        400: "No se ha entendido",
        408: "demasiado despacio",
        429: "peticiones",
        431: "llegó demasiado",
        503: "conexiones",
    },
    "ru": {400: "не понят", 408: "слишком медленно", 429: "запросов", 431: "слишком много", 503: "соединений"},
}


@get("/list", opt=PUBLIC)
async def a_list(request: Visit) -> Any:
    return page(request, "error.html", title="A list", detail="", remedy="", kept=None, link=None, reload=0)


@post("/list/sent", opt=MEMBERS)
async def sent(request: Visit) -> str:
    return "sent"


@post("/asked", opt=PUBLIC)
async def asked_of_all(request: Visit) -> str:
    return "asked"


@get("/api/list", opt=PUBLIC)
async def api_list() -> str:
    return "a list"


ROUTES: list[HTTPRouteHandler] = [a_list, sent, asked_of_all, api_list]


def read_refusal(answer: bytes) -> tuple[int, str, str]:
    """Return (status, head, body) of the last answer, after checking its length and headers."""
    last = answer[answer.rindex(b"HTTP/1.1") :]
    head, _, body = last.decode().partition("\r\n\r\n")
    assert f"content-length: {len(body.encode())}\r\n" in head
    assert "content-security-policy" in head and "connection: close" in head
    return status(last), head, body


@pytest.mark.parametrize("language", TITLES)
async def test_a_refusal_is_in_the_language_of_the_browser(tmp_path: Path, quick: None, language: str) -> None:  # noqa: F811
    reader = READER % language.encode()
    whole = b"GET /list HTTP/1.1\r\n" + reader + b"\r\n"
    form = b"POST /asked HTTP/1.1\r\ncontent-type: application/x-www-form-urlencoded\r\n" + reader
    tried = {
        "a large cookie": (b"GET /list HTTP/1.1\r\n" + reader + b"cookie: " + b"c" * 40_000, 431),
        "many headers": (b"GET /list HTTP/1.1\r\n" + reader + b"a: b\r\n" * 200 + b"\r\n", 431),
        "a head that does not end": (b"GET /list HTTP/1.1\r\n" + reader + b"x-more:", 408),
        "a body that does not end": (form + b"content-length: 10\r\n\r\n{", 408),
        "small chunks": (form + b"transfer-encoding: chunked\r\n\r\n" + b"1\r\n \r\n" * 20_000, 400),
        "a line that is no header": (b"GET /list HTTP/1.1\r\n" + reader + b"x: y\r\n\0\r\n\r\n", 400),
        "many at once": (whole * 100, 429),
    }
    async with serving(tmp_path, *ROUTES) as (_, connect):
        for name, (bytes_sent, code) in tried.items():
            found, head, body = read_refusal(await answer_to(await connect(), bytes_sent))
            assert (found, "text/html; charset=utf-8" in head) == (code, True), name
            assert f'<html lang="{language}">' in body and TITLES[language][code] in body.partition("</h1>")[0], name
            assert "<script" not in body and 'href="/"' in body


async def test_a_refusal_is_in_the_chosen_language_rather_than_in_that_of_the_browser(tmp_path: Path) -> None:
    async with serving(tmp_path, *ROUTES) as (_, connect):
        asked = b"GET /list HTTP/1.1\r\n" + READER % b"ru" + b"cookie: a=b; %s=es\r\n" % LANGUAGE.encode()
        _, _, body = read_refusal(await answer_to(await connect(), asked + b"a: b\r\n" * 200))
        assert '<html lang="es">' in body


@pytest.mark.parametrize("path", [b"/api/list", b"/ocds/releases"])
async def test_a_program_gets_problem_details_whatever_it_accepts(tmp_path: Path, path: bytes) -> None:
    async with serving(tmp_path, *ROUTES) as (_, connect):
        asked = b"GET " + path + b" HTTP/1.1\r\n" + READER % b"es" + b"a: b\r\n" * 200
        _, head, body = read_refusal(await answer_to(await connect(), asked))
        assert "application/problem+json" in head and json.loads(body)["status"] == 431


async def test_a_connection_above_the_limit_is_refused_after_its_headers_were_read(tmp_path: Path) -> None:
    async with serving(tmp_path, *ROUTES, connections_per_address=1) as (_, connect):
        held = await connect()
        for language in TITLES:
            asked = b"GET /list HTTP/1.1\r\n" + READER % language.encode() + b"\r\n"
            code, head, body = read_refusal(await answer_to(await connect(), asked))
            assert code == 503 and "retry-after: 5" in head
            assert f'<html lang="{language}">' in body and TITLES[language][503] in body
        held[1].close()


async def test_the_headers_of_only_a_few_connections_above_the_limits_are_read(
    tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setattr(server, "REFUSAL_SECONDS", 60)
    async with serving(tmp_path, connections_per_address=1) as (_, connect):
        held = [await connect() for _ in range(1 + server.MOST_READ_BEFORE_REFUSAL)]
        assert status(await answer_to(await connect())) == 503, "its headers are not read"
        held.pop()[1].close()
        await asyncio.sleep(0.1)
        last = await connect()
        code, _, _ = read_refusal(await answer_to(last, b"GET /who HTTP/1.1\r\nhost: x\r\n\r\n"))
        assert code == 503
        for _, writer in held:
            writer.close()


LONG = {"a long query": "?q=" + "q" * 9_000, "many values": "?" + "&".join(["a=1"] * 201)}
TOO_LONG = {"en": "is too long", "es": "es demasiado larga", "ru": "слишком длинный"}


@pytest.mark.parametrize("query", LONG.values(), ids=LONG)
@pytest.mark.parametrize("language", TOO_LONG)
async def test_a_long_address_is_refused_with_a_page_of_the_market(tmp_path: Path, query: str, language: str) -> None:
    member = unconnected(tmp_path).tokens.issue(a_member("buyer_officer"), datetime.now(UTC), hours=1)
    async with serving(tmp_path, *ROUTES) as (client, _):
        headers = {"accept": "text/html", "cookie": f"{COOKIE}={member}; {LANGUAGE}={language}"}
        answer = await client.get(f"/list{query}", headers=headers)
        assert answer.status_code == 414 and f'<html lang="{language}">' in answer.text
        assert TOO_LONG[language] in answer.text and '<a class="button" href="/list">' in answer.text
        assert 'action="/logout"' in answer.text and len(answer.text) < 8_000
        assert (await client.get("/list", headers=headers)).status_code == 200
        nowhere = await client.get(f"/nowhere{query}", headers=headers)
        assert (
            nowhere.status_code == 414 and "/nowhere" not in nowhere.text.partition("<main")[2].partition("</main")[0]
        )
        program = await client.get(f"/api/list{query}", headers=headers)
        assert program.json()["detail"].startswith("the address of a request may have at most 8,192 bytes")
        form = await client.post(f"/list/sent{query}", headers=headers)
        assert form.status_code == 403, "access is checked before the address"


async def test_a_long_path_is_refused_like_a_long_query(tmp_path: Path) -> None:
    async with serving(tmp_path, *ROUTES) as (client, _):
        answer = await client.get("/list/" + "p" * 20_000, headers={"accept": "text/html"})
        assert answer.status_code == 414 and "p" * 9_000 not in answer.text
        assert 'class="button" href="/"' in answer.text


async def test_requests_with_long_addresses_count_for_the_rate_limit(tmp_path: Path) -> None:
    async with serving(tmp_path, *ROUTES, rate_limit=3) as (client, _):
        for path in ("/list", "/nowhere"):
            found = [(await client.get(path + LONG["many values"])).status_code for _ in range(4)]
            assert found[-1] == 429
        assert (await client.get("/list")).status_code == 429


async def test_the_forms_on_an_error_page_can_be_sent(tmp_path: Path) -> None:
    member = unconnected(tmp_path).tokens.issue(a_member("buyer_officer"), datetime.now(UTC), hours=1)
    async with serving(tmp_path, *ROUTES) as (client, _):
        for session in (member, ""):
            for method, path in (("GET", "/nowhere"), ("POST", "/list")):
                html = {"accept": "text/html", "cookie": f"{COOKIE}={session}"}
                answer = await client.request(method, path, headers=html)
                assert answer.status_code == (404 if method == "GET" else 405)
                assert ('action="/logout"' in answer.text) == bool(session)
                token = answer.cookies["lonja_csrf"]
                assert f'name="_csrf_token" value="{token}"' in answer.text
                client.cookies.clear()
                html["cookie"] += f"; lonja_csrf={token}"
                chosen = await client.post("/language", data={"language": "es", "_csrf_token": token}, headers=html)
                assert chosen.status_code == 303, chosen.text


async def test_a_form_sent_to_an_address_that_takes_none_gets_a_link_to_the_page_there(tmp_path: Path) -> None:
    async with serving(tmp_path, *ROUTES) as (client, _):
        answer = await client.post("/list", data={"a": "b"}, headers={"accept": "text/html"})
        assert answer.status_code == 405 and "Nothing can be sent to this address" in answer.text
        assert '<a class="button" href="/list">' in answer.text
