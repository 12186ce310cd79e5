"""Security headers of every answer, and forms that are accepted only in the session in which they were shown."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from litestar import Response, get, post

from catalogue.roles import SUPPLIER_AGENT
from infra.clock import system_clock
from infra.ids import new_id
from infra.tokens import Principal, Tokens
from infra.web import BY_LINK, MEMBERS, PUBLIC, MemberVisit, redirect
from infra.web.access import COOKIE
from infra.web.app import STATIC_SECONDS
from tests.infra.test_http_limits import serving

pytestmark = pytest.mark.servers


@get("/page", opt=PUBLIC)
async def a_page() -> str:
    return "for all"


@get("/api/mine", opt=MEMBERS)
async def mine() -> str:
    return "for one"


@get("/open-data", opt=PUBLIC)
async def open_data() -> Response[str]:
    return Response("kept by who likes to", headers={"cache-control": "public, max-age=60"})


@get("/invitation", opt=BY_LINK)
async def invitation() -> str:
    return "for the holder of the link"


@post("/api/key", opt=PUBLIC, status_code=200)
async def new_token() -> str:
    return "secret"


@post("/form", opt=PUBLIC, status_code=200)
async def form() -> Response[None]:
    return redirect("/page", "taken")


@post("/members-form", opt=MEMBERS, status_code=200)
async def members_form(request: MemberVisit) -> str:
    return f"taken of {request.user.member_id}"


ROUTES = (a_page, mine, open_data, invitation, new_token, form, members_form)


def a_session(home: Path) -> str:
    who = Principal(
        member_id=new_id(), name="M", organisation_id=new_id(), organisation_name="O", roles=(SUPPLIER_AGENT,)
    )
    return Tokens.load(home / "secrets").issue(who, system_clock())


@asynccontextmanager
async def site(home: Path, **settings: object) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(home, *ROUTES, **settings) as (client, _):
        yield client


async def token_in(client: httpx.AsyncClient, session: str = "") -> str:
    """The token in a page of this session."""
    client.cookies.clear()
    if session:
        client.cookies.set(COOKIE, session)
    await client.get("/page")
    return client.cookies["lonja_csrf"]


async def test_a_form_is_valid_only_in_its_own_session(tmp_path: Path) -> None:
    async with site(tmp_path) as client:
        one, other = a_session(tmp_path), a_session(tmp_path)
        visitors, of_one, of_other = [await token_in(client, session) for session in ("", one, other)]

        async def sent(session: str, token: str, cookie: str) -> int:
            client.cookies.clear()
            cookies = {"lonja_csrf": cookie} | ({COOKIE: session} if session else {})
            headers = {"cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}
            path = "/members-form" if session else "/form"
            return (await client.post(path, data={"_csrf_token": token}, headers=headers)).status_code

        assert await sent(one, of_one, of_one) == 200
        assert await sent(one, of_one, "") == 200
        assert await sent("", visitors, visitors) == 303
        for token in (of_other, visitors, "", "x-y"):
            assert await sent(one, token, token) == 403, "a planted cookie with its token is of another session"
        assert await sent("", of_one, of_one) == 403
        assert await sent("", visitors, "") == 403
        assert await sent("", visitors + "0", visitors + "0") == 403


async def test_all_pages_of_a_session_have_the_same_token(tmp_path: Path) -> None:
    async with site(tmp_path) as client:
        session = a_session(tmp_path)
        assert await token_in(client, session) == await token_in(client, session)
        assert await token_in(client) != await token_in(client)


async def test_what_a_member_gets_is_kept_nowhere(tmp_path: Path) -> None:
    (tmp_path / "file.js").write_text("1")
    async with site(tmp_path) as client:
        assert "cache-control" not in (await client.get("/page")).headers
        client.cookies.set(COOKIE, a_session(tmp_path))
        for path in ("/page", "/api/mine", "/nowhere"):
            assert (await client.get(path)).headers["cache-control"] == "no-store", path
        assert (await client.get("/open-data")).headers["cache-control"] == "public, max-age=60"
        assert (await client.get("/static/file.js")).headers["cache-control"] == f"max-age={STATIC_SECONDS}"


async def test_a_secret_that_a_stranger_gets_is_kept_nowhere(tmp_path: Path) -> None:
    async with site(tmp_path) as client:
        assert (await client.get("/invitation")).headers["cache-control"] == "no-store"
        assert (await client.post("/api/key")).headers["cache-control"] == "no-store"


async def test_behind_a_trusted_proxy_with_tls_nothing_travels_without_it(tmp_path: Path) -> None:
    told = {"x-forwarded-for": "203.0.113.9", "x-forwarded-proto": "https"}
    async with site(tmp_path, trusted_proxies=("127.0.0.1/32",)) as client:
        page = await client.get("/page", headers=told)
        assert page.headers["strict-transport-security"] == "max-age=31536000"
        assert "Secure" in page.headers["set-cookie"]
    async with site(tmp_path) as client:
        page = await client.get("/page", headers=told)
        assert "strict-transport-security" not in page.headers and "Secure" not in page.headers["set-cookie"]


async def test_pages_load_nothing_and_send_nothing_elsewhere(tmp_path: Path) -> None:
    async with site(tmp_path) as client:
        policy = (await client.get("/page")).headers["content-security-policy"]
        for rule in ("object-src 'none'", "base-uri 'none'", "form-action 'self'", "frame-ancestors 'none'"):
            assert rule in policy


async def test_behind_tls_nothing_travels_without_it(tmp_path: Path) -> None:
    async with site(tmp_path, public_url="https://lonja.example") as client:
        page = await client.get("/page")
        assert page.headers["strict-transport-security"] == "max-age=31536000"
        token = page.cookies["lonja_csrf"]
        taken = await client.post("/form", data={"_csrf_token": token}, headers={"cookie": f"lonja_csrf={token}"})
        cookies = [*page.headers.get_list("set-cookie"), *taken.headers.get_list("set-cookie")]
        assert len(cookies) == 2 and all("Secure" in cookie for cookie in cookies)
    async with site(tmp_path) as client:
        page = await client.get("/page")
        assert "strict-transport-security" not in page.headers and "Secure" not in page.headers["set-cookie"]
