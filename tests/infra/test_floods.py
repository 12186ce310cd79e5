"""Callers that send far too many requests are refused everywhere, and then delayed. Monitors, files and requests
without a route have their own limits."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar.exceptions import TooManyRequestsException

from infra.clock import system_clock
from infra.health import HEALTH, PartState
from infra.operations.figures import ServerFigures
from infra.web import health, limits
from infra.web.health import HealthAnswers
from infra.web.limits import RequestLimits, RequestRate
from tests.infra.test_http_limits import serving


class _Route:
    opt: dict[str, Any] = {"access": "public"}


def a_scope(path: str, address: str = "192.0.2.1") -> dict[str, Any]:
    return {"path": path, "method": "GET", "headers": [], "client": (address, 1), "route_handler": _Route}


def taken(of: RequestLimits, path: str, most: int, address: str = "192.0.2.1") -> int:
    """The number of accepted requests among ``most``."""
    found = 0
    for _ in range(most):
        try:
            of._count(a_scope(path, address))
            found += 1
        except TooManyRequestsException as refused:
            assert refused.headers and int(refused.headers["retry-after"]) > 0
    return found


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop time, so that everything is in one window."""
    monkeypatch.setattr(RequestRate.__init__, "__defaults__", (lambda: 0.0, limits.WINDOW))


def test_monitors_have_a_limit_of_their_own_by_address(still: None) -> None:
    of = RequestLimits(600)
    assert taken(of, "/health", 150) == 150
    assert taken(of, "/metrics", 150) == limits.WATCHED_MOST - 150, "it is one count"
    assert taken(of, "/health/ready", 1) == 0
    assert taken(of, "/health", 250, "192.0.2.2") == limits.WATCHED_MOST
    assert taken(of, "/auctions", 1_000) == 600, "other requests are counted apart"
    assert taken(RequestLimits(6_000), "/health", 5_000) == 2_000, "a high limit holds for monitors too"


def test_files_of_pages_have_a_limit_of_their_own(still: None) -> None:
    of = RequestLimits(60)
    assert taken(of, "/static/lonja.css", 1_000) == 600
    assert taken(of, "/auctions", 100) == 60


def test_an_address_that_only_begins_like_health_has_the_limit_of_unknown_addresses(still: None) -> None:
    of = RequestLimits(5)
    for _ in range(5):
        of.count_stray(a_scope("/healthy"))
    with pytest.raises(TooManyRequestsException):
        of.count_stray(a_scope("/health/nowhere"))


async def test_the_answers_to_a_caller_that_does_not_stop_are_delayed(
    still: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[float] = []
    monkeypatch.setattr(limits, "MOST_HELD", 3)

    async def hold(seconds: float) -> None:
        held.append(seconds)
        await go_on.wait()

    go_on = asyncio.Event()
    of = RequestLimits(5, hold)
    scopes = [a_scope("/auctions") for _ in range(5 + limits.HELD_AFTER + 10)]
    for scope in scopes:
        with suppress(TooManyRequestsException):
            of._count(scope)
    for scope in scopes[: 5 + limits.HELD_AFTER]:
        await of.hold(scope)
    assert held == []
    async with asyncio.TaskGroup() as group:
        for scope in scopes[-10:]:
            group.create_task(of.hold(scope))
        group.create_task(_set(go_on))
    assert held == [limits.HELD_SECONDS] * 3, "at most three answers are delayed at once"
    await of.hold(scopes[-1])
    assert len(held) == 4


async def _set(event: asyncio.Event) -> None:
    event.set()


class Looking:
    """An observer whose figures the test can change."""

    def __init__(self) -> None:
        self.seen = ServerFigures(at=system_clock(), database="", kafka="")
        self.looks = 0

    async def look(self) -> ServerFigures:
        self.looks += 1
        return self.seen


async def test_readiness_is_judged_once_for_all_who_ask_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    judged = []
    judge = health.judge
    monkeypatch.setattr(health, "judge", lambda *arguments: judged.append(1) or judge(*arguments))
    observer = Looking()
    looks = HealthAnswers(observer, "here/web/1")  # type: ignore[arg-type]
    whole = {await looks.ready(whole=True) for _ in range(50)}
    parts = {await looks.ready(whole=False) for _ in range(50)}
    assert (len(judged), len(whole), len(parts)) == (1, 1, 1)
    assert "remedy" in str(whole) and "remedy" not in str(parts)
    HEALTH.report("timer", "of this test", PartState.stopped, "why", "do this")
    observer.seen = msgspec.structs.replace(observer.seen)
    ready, body = await looks.ready(whole=True)
    assert not ready and b"of this test" in body and len(judged) == 2
    HEALTH.report("timer", "of this test", PartState.running)


async def test_figures_are_written_once_for_all_who_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    written = 0

    def write(_: ServerFigures) -> bytes:
        nonlocal written
        written += 1
        return b"%d" % written

    monkeypatch.setattr(health, "exposition", write)
    looks = HealthAnswers(Looking(), "here/web/1")  # type: ignore[arg-type]
    together = await asyncio.gather(*(looks.figures() for _ in range(50)))
    assert written <= 2 and set(together) <= {b"1", b"2"}
    assert await looks.figures() == b"%d" % written


@pytest.mark.servers
async def test_a_flood_of_health_is_refused_and_says_when_to_come_again(tmp_path: Path) -> None:
    async with serving(tmp_path) as (client, _):
        answers = [await client.get("/health") for _ in range(2 * limits.WATCHED_MOST + 5)]
        refused = [answer for answer in answers if answer.status_code == 429]
        assert refused and {answer.status_code for answer in answers} == {200, 429}
        assert all(0 < int(answer.headers["retry-after"]) <= limits.WATCHED_WINDOW + 1 for answer in refused)
        assert (await client.get("/who")).status_code == 200
