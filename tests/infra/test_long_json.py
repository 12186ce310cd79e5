"""A JSON body is decoded only if it can be valid: a megabyte of small lists would delay all requests."""

import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import post
from litestar.params import JSONBody

from infra.web import PUBLIC, exact
from infra.web.exact import MOST_PARTS, MOST_VALUES, SHORT_JSON
from tests.infra.test_http_limits import serving

pytestmark = pytest.mark.servers
JSON = {"content-type": "application/json"}
MEGABYTE = 1_000_000


class Note(msgspec.Struct):
    text: str


@post("/api/note", opt=PUBLIC, status_code=200)
async def a_note(data: JSONBody[Note]) -> int:
    return len(data.text)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the threads that decode bodies."""
    found: list[str] = []
    original = exact._decoded

    def watched(*args: Any) -> Any:
        found.append(threading.current_thread().name)
        return original(*args)

    monkeypatch.setattr(exact, "_decoded", watched)
    return found


async def test_more_parts_than_a_body_has_are_refused_before_they_are_decoded(
    tmp_path: Path, decoded: list[str]
) -> None:
    bodies = (
        b"[" + b"[]," * (MEGABYTE // 3) + b"1]",
        b"[" + b",".join([b"[" * 500 + b"]" * 500] * 990) + b"]",
        b"[" + b'{"a":1},' * (MEGABYTE // 8) + b"1]",
        b"[" + b"0.1," * (MEGABYTE // 4) + b"1]",
        b"{" + b",".join(b'"%d":1' % number for number in range(80_000)) + b"}",
        b"[" * (MOST_PARTS + 1),
        b"," * (MOST_VALUES + 1),
    )
    async with serving(tmp_path, a_note) as (client, _):
        for body in bodies:
            answer = await client.post("/api/note", content=body, headers=JSON)
            assert answer.status_code == 413 and answer.headers["content-type"] == "application/problem+json"
            assert answer.json()["detail"].startswith("a body in JSON may have")
    assert decoded == []


async def test_a_long_body_is_decoded_beside_the_loop_and_once(tmp_path: Path, decoded: list[str]) -> None:
    async with serving(tmp_path, a_note) as (client, _):
        for length in (9, SHORT_JSON * 2, MEGABYTE):
            assert (await client.post("/api/note", json={"text": "x" * length})).json() == length
        for body in (b'{"text":1}' + b" " * SHORT_JSON, b'{"text":' + b" " * SHORT_JSON, b"[" * MOST_PARTS):
            assert (await client.post("/api/note", content=body, headers=JSON)).status_code in (400, 422)
    here = threading.current_thread().name
    assert [name == here for name in decoded] == [True, False, False, False, False, True]
