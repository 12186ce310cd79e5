"""Every route × every role: which callers are allowed, and a table in the repository that would show any wider access.

The table is ``tests/access.txt``, one line per route: method, path, allowed callers. After an intended change ``python
-m tests.test_access`` writes it again; check the difference before you commit it.
"""

import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from litestar import Litestar

from catalogue.roles import ROLES
from infra.ids import new_id
from infra.runtime import load
from infra.tokens import Principal
from infra.web import create_app
from infra.web.access import COOKIE
from infra.web.app import guarded
from tests.market import Market, unconnected

TABLE = Path(__file__).with_name("access.txt")
UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}
Route = tuple[str, str, str | frozenset[str]]
"""Method, path with its parameters, and allowed callers: "public" or the roles."""


def composed(home: Path) -> Litestar:
    """The app of all services, composed but not started: its routes need no server."""
    resources = unconnected(home)
    resources = replace(resources, config=replace(resources.config, rate_limit=10_000_000))
    return create_app(resources, load(resources), home)


def routes(app: Litestar) -> Iterator[Route]:
    for path, handler in guarded(app):
        for method in sorted(set(handler.http_methods) - {"HEAD", "OPTIONS"}):
            yield method, path, handler.opt["access"]


def table(app: Litestar) -> str:
    lines = [
        f"{method} {path} {who if isinstance(who, str) else 'members' if who == set(ROLES) else ','.join(sorted(who))}"
        for method, path, who in routes(app)
    ]
    return "\n".join(sorted(lines, key=lambda line: line.split()[1::-1])) + "\n"


def a_member(role: str) -> Principal:
    """A member of an unknown organisation, which owns nothing that a request could change."""
    return Principal(member_id=new_id(), name=role, organisation_id=new_id(), organisation_name="Nobody", roles=(role,))


def address(path: str) -> str:
    """The path with ids that do not exist."""
    return re.sub(r"\{[^:}]+:?([^}]*)\}", lambda kind: {"int": "0", "path": "nothing"}.get(kind[1], new_id()), path)


def by_guard(status: int, text: str) -> bool:
    """Whether the app's guard refused it. A service may itself refuse access to things of others, with another
    message."""
    return (status == 401 and "log in first" in text) or (status == 403 and "this needs the role" in text)


FORM_REFUSED = "since the page of this form was loaded"
"""The message about a form without its token."""


async def call(client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """Status and text; the text of a live stream, which never ends, stays unread."""
    async with client.stream(method, address(path), headers=headers) as answer:
        endless = answer.headers.get("content-type", "").startswith("text/event-stream")
        return answer.status_code, "" if endless else (await answer.aread()).decode(errors="replace")


def test_table_of_access_is_the_checked_in_one(tmp_path: Path) -> None:
    assert table(composed(tmp_path)) == TABLE.read_text(), "if this is meant: python -m tests.test_access"


def test_table_notices_a_widened_access(tmp_path: Path) -> None:
    app = composed(tmp_path)
    handler = next(
        handler for path, handler in guarded(app) if path == "/api/organisations/{organisation_id:str}/state"
    )
    before = table(app)
    handler.opt["access"] = "public"
    assert table(app) != before


@pytest.fixture(scope="module")
def every_route(tmp_path_factory: pytest.TempPathFactory) -> list[Route]:
    return list(routes(composed(tmp_path_factory.mktemp("access"))))


@pytest.mark.parametrize("role", ["", *ROLES])
async def test_role_is_let_in_exactly_where_the_route_says_so(
    market: Market, every_route: list[Route], role: str
) -> None:
    """Empty requests about things that do not exist: an allowed caller gets any answer except that of the guard or of a
    crash."""
    wrong = []
    async with market.client() as client:
        token = market.token(a_member(role)) if role else ""
        csrf = (await client.get("/login", headers={"cookie": f"{COOKIE}={token}"})).cookies["lonja_csrf"]
        for method, path, who in every_route:
            if path.startswith("/api/"):
                headers = {"authorization": f"Bearer {token}"} if token else {}
            else:
                cookies = f"lonja_csrf={csrf}" + (f"; {COOKIE}={token}" if token else "")
                headers = {"cookie": cookies, "x-csrf-token": csrf}
            status, text = await call(client, method, path, headers)
            expected = who != "public" and role not in who
            unready = path == "/health/ready" and status == 503  # no streams run here
            if by_guard(status, text) != expected or (status >= 500 and not unready) or FORM_REFUSED in text:
                wrong.append(f"{method} {path} as {role or 'visitor'}: {status} {text[:200]}")
    assert not wrong, "\n".join(wrong)


async def test_form_without_its_token_is_refused_everywhere(
    market: Market, every_route: list[Route], tmp_path: Path
) -> None:
    """Except for unsubscribing: mail programs do it with one click (RFC 8058), and the signed link is the proof. A page
    that itself says why its form was not accepted is loaded again, and nothing is done."""
    again = {path for path, handler in guarded(composed(tmp_path)) if handler.opt.get("loaded_again")}
    assert again == {"/join/{secret:str}"}
    async with market.client() as client:
        for method, path, _ in every_route:
            if method in UNSAFE and not path.startswith(("/api/", "/unsubscribe/")):
                for role in ROLES:
                    status, text = await call(
                        client, method, path, {"cookie": f"{COOKIE}={market.token(a_member(role))}"}
                    )
                    refused = (303, False) if path in again else (403, True)
                    assert (status, FORM_REFUSED in text) == refused, f"{method} {path} as {role}: {status}"


async def test_cookie_alone_changes_nothing_through_the_api(market: Market, every_route: list[Route]) -> None:
    """Browsers send cookies by themselves, so the API, which has no CSRF token, does not take them for a login."""
    async with market.client() as client:
        for method, path, who in every_route:
            if method in UNSAFE and path.startswith("/api/") and who != "public":
                token = market.token(a_member(sorted(who)[0]))
                status, _ = await call(client, method, path, {"cookie": f"{COOKIE}={token}"})
                assert status == 401, f"{method} {path}: {status}"


async def test_head_is_answered_as_get_is_but_for_the_body(market: Market, every_route: list[Route]) -> None:
    """HEAD is sent by link checkers and monitors. A live stream has no end to wait for."""
    wrong = []
    async with market.client() as client:
        for method, path, who in every_route:
            if method == "GET" and who == "public" and not path.endswith("/live"):
                where = address(path)
                got, head = await client.get(where), await client.head(where)
                if head.status_code != got.status_code or head.content:
                    wrong.append(f"{path}: {head.status_code} {head.content[:60]!r}, GET {got.status_code}")
        assert (await client.head("/logout")).status_code == 405
    assert not wrong, "\n".join(wrong)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as home:
        TABLE.write_text(table(composed(Path(home))))


def test_only_live_pages_are_counted_by_themselves(tmp_path: Path) -> None:
    streamed = {path for path, handler in guarded(composed(tmp_path)) if handler.opt.get("streamed")}
    assert streamed == {"/auctions/{auction_id:str}/live", "/quotes/{request_id:str}/live"}
