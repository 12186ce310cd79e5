"""A posted form is parsed only if it can be one of ours, and never leads to a page of many times its size."""

from pathlib import Path
from typing import Any

import pytest
from litestar import Response, post

from infra.web import MEMBERS, PUBLIC, Visit, exact, form_fields
from infra.web.exact import MOST_FIELDS, SHORT_FORM
from infra.web.kept import GOAL, MOST_KEPT, PREFIX, kept_by_login
from tests.infra.test_http_limits import serving

pytestmark = pytest.mark.servers
FORM = {"content-type": "application/x-www-form-urlencoded", "accept": "text/html"}


@post("/form", opt={**PUBLIC, "exclude_from_csrf": True}, status_code=200)
async def a_form(request: Visit) -> Response[dict[str, str]]:
    return Response(await form_fields(request))


@post("/checked", opt=PUBLIC, status_code=200)
async def a_checked_form(request: Visit) -> Response[dict[str, str]]:
    return Response(await form_fields(request))


@post("/members-form", opt=MEMBERS, status_code=200)
async def members_form(request: Visit) -> Response[dict[str, str]]:
    return Response(await form_fields(request))


ROUTES = (a_form, a_checked_form, members_form)


async def test_more_fields_than_a_form_has_are_refused_before_they_are_parsed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parsed: list[int] = []
    original = exact._pairs

    def watched(body: bytes) -> Any:
        parsed.append(len(body))
        return original(body)

    monkeypatch.setattr(exact, "_pairs", watched)
    bodies = (b"a&" * 524_000, b"&".join(b"f%d=1" % number for number in range(100_000)), b"&" * MOST_FIELDS)
    async with serving(tmp_path, *ROUTES) as (client, _):
        for path in ("/form", "/checked", "/members-form", "/language"):
            for body in bodies:
                headers = FORM | {"sec-fetch-site": "same-origin"}
                answer = await client.post(path, content=body, headers=headers)
                assert (answer.status_code, "Too long" in answer.text) == (413, True), path
                assert len(answer.content) < 50_000
        assert parsed == []
        most = b"&".join(b"f%d=1" % (number % 2_000) for number in range(MOST_FIELDS))
        assert len((await client.post("/form", content=most, headers=FORM)).json()) == 2_000


async def test_a_long_form_is_read_as_a_short_one(tmp_path: Path) -> None:
    text = "л&=%+ " * SHORT_FORM
    async with serving(tmp_path, *ROUTES) as (client, _):
        for sent in ({"a": "x", "b": text[:9]}, {"a": "x", "b": text[: SHORT_FORM // 2]}, {"a": ["x", "y"]}, {"a": ""}):
            expected = {name: value[-1] if isinstance(value, list) else value for name, value in sent.items()}
            assert (await client.post("/form", data=sent)).json() == expected


async def test_a_form_in_parts_is_refused(tmp_path: Path) -> None:
    async with serving(tmp_path, *ROUTES) as (client, _):
        for path in ("/form", "/checked"):
            for charset in ("punycode", "hex", "utf-8"):
                part = ("f", "x" * 1_000, f"text/plain; charset={charset}")
                answer = await client.post(path, files={"a": part}, headers={"accept": "text/html"})
                assert answer.status_code == 415


async def test_a_page_keeps_no_form_that_is_longer_than_people_write(tmp_path: Path) -> None:
    async with serving(tmp_path, *ROUTES) as (client, _):
        headers = FORM | {"sec-fetch-site": "same-origin"}
        for length, kept in ((MOST_KEPT - 100, True), (MOST_KEPT + 100, False)):
            body = b"reason=" + b"some words " * (length // 11)
            answer = await client.post("/members-form", content=body, headers=headers)
            assert answer.status_code == 401 and ("some words" in answer.text) == kept
    goal = (GOAL, "/page")
    assert kept_by_login([goal, (f"{PREFIX}a", "x" * MOST_KEPT)]) is None
    assert kept_by_login([goal, (f"{PREFIX}a", "x" * (MOST_KEPT // 2))]) is not None
