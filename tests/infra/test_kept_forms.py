"""A form that cannot be accepted is shown again to its sender, and cannot be used by others."""

import html
import re
from pathlib import Path

import httpx
import pytest
from litestar import Response, get, post

from catalogue.roles import BUYER_OFFICER
from infra.web import MEMBERS, PUBLIC, MemberVisit, allow, form_fields
from infra.web.access import COOKIE
from infra.web.kept import KeptForm, kept_by_login
from tests.infra.test_http_limits import serving
from tests.infra.test_web_safety import a_session

pytestmark = pytest.mark.servers
WRITTEN = "Paper for the\nreading room <b>"
FIELDS = {"reason": WRITTEN, "boxes": ["1", "2"], "password": "hush-hush", "_csrf_token": "of a former login"}


@get("/page", opt=PUBLIC)
async def a_page() -> str:
    return "for all"


@post("/members-form", opt=MEMBERS, status_code=200)
async def members_form(request: MemberVisit) -> Response[dict[str, str]]:
    return Response(await form_fields(request))


@get("/officers-form", opt=allow(BUYER_OFFICER))
async def officers_form() -> str:
    return "for officers"


async def sent(
    client: httpx.AsyncClient, fields: dict[str, object], *, session: str = "", origin: str = "", language: str = "en"
) -> httpx.Response:
    client.cookies.clear()
    headers = {"accept": "text/html", "accept-language": language, "origin": origin or str(client.base_url).rstrip("/")}
    if session:
        headers["cookie"] = f"{COOKIE}={session}; lonja_language={language}"
    return await client.post("/members-form", data=fields, headers=headers)


def inputs(page: str) -> list[tuple[str, str]]:
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)" ?/?>', page)
    return [(html.unescape(name), html.unescape(value)) for name, value in found]


async def test_who_was_logged_out_meanwhile_logs_in_with_what_was_written(tmp_path: Path) -> None:
    async with serving(tmp_path, a_page, members_form) as (client, _):
        page = await sent(client, FIELDS)
        assert page.status_code == 401
        assert 'action="/login"' in page.text and "hush-hush" not in page.text
        kept = kept_by_login(iter(inputs(page.text)))
        assert kept == KeptForm("/members-form", [("reason", WRITTEN), ("boxes", "1"), ("boxes", "2")])
        assert dict(inputs(page.text))["_csrf_token"] == page.cookies["lonja_csrf"], "the login can be sent"


async def test_who_logged_in_as_another_meanwhile_sends_it_again_with_one_button(tmp_path: Path) -> None:
    async with serving(tmp_path, a_page, members_form) as (client, _):
        session = a_session(tmp_path)
        page = await sent(client, FIELDS, session=session)
        assert page.status_code == 403
        assert 'action="/members-form"' in page.text and "hush-hush" not in page.text
        fields = dict(inputs(page.text))
        again = await sent(client, fields, session=session)  # type: ignore[arg-type]
        assert again.status_code == 200
        assert again.json()["reason"] == WRITTEN


@pytest.mark.parametrize(
    ("language", "role"),
    [("en", "buyer officer"), ("es", "gestor de compras"), ("ru", "специалист заказчика")],
)
async def test_who_lacks_a_role_reads_which(tmp_path: Path, language: str, role: str) -> None:
    async with serving(tmp_path, a_page, officers_form) as (client, _):
        headers = {"accept": "text/html", "cookie": f"{COOKIE}={a_session(tmp_path)}; lonja_language={language}"}
        refused = await client.get("/officers-form", headers=headers)
        assert refused.status_code == 403
        assert role in refused.text and "buyer_officer" not in refused.text
        told = await client.get("/officers-form", headers={**headers, "accept": "application/json"})
        assert told.json()["detail"] == "this needs the role buyer_officer", "programs read the word of their token"


async def test_what_another_site_posted_is_offered_to_nobody(tmp_path: Path) -> None:
    async with serving(tmp_path, a_page, members_form) as (client, _):
        for origin in ("https://evil.example", "null"):
            for session in ("", a_session(tmp_path)):
                page = await sent(client, FIELDS, session=session, origin=origin)
                assert page.status_code in (401, 403)
                assert "reading room" not in page.text


@pytest.mark.parametrize(
    ("language", "sentences"),
    [
        ("es", ("Ha iniciado o cerrado sesión desde que se cargó la página de este formulario.", "Enviar de nuevo")),
        ("ru", ("С тех пор как страница этой формы была загружена, вы вошли или вышли.", "Отправить ещё раз")),
    ],
)
async def test_it_is_said_in_the_readers_language(tmp_path: Path, language: str, sentences: tuple[str, ...]) -> None:
    async with serving(tmp_path, a_page, members_form) as (client, _):
        page = await sent(client, FIELDS, session=a_session(tmp_path), language=language)
        for sentence in sentences:
            assert sentence in page.text
        assert "session" not in re.sub(r"<[^>]*>", "", page.text), "no English sentence is left"
