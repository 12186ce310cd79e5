"""Health, figures and their judgement: judged on figures made up here, then read from a market that runs."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Request

from infra import migrations
from infra.clock import system_clock
from infra.config import Config
from infra.database import Database
from infra.deadletters import Unsettled
from infra.embedded import Servers
from infra.health import Condition, State
from infra.operations import processes
from infra.operations.figures import Figures, Group, Outbox
from infra.operations.processes import Process, topics_of_groups
from infra.operations.readiness import Judgement, judge
from infra.web.health import trusted
from infra.web.operations import listen
from tests.market import empty_database

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def a_process(kind: str, silent: float = 1, conditions: tuple[Condition, ...] = ()) -> Process:
    return Process(
        process=f"host/{kind}/1",
        kind=kind,
        release="1",
        groups=[],
        conditions=list(conditions),
        started_at=NOW,
        silent_for=timedelta(seconds=silent),
    )


def a_condition(state: State, name: str = "pools") -> Condition:
    return Condition(kind="consumer", name=name, state=state, since=NOW, detail="why", remedy="do this")


def figures(**changes: object) -> Figures:
    well = {"at": NOW, "database": "", "kafka": "", "processes": [a_process("worker"), a_process("streams")]}
    return Figures(**{**well, **changes})  # type: ignore[arg-type]


def not_ready(judgements: list[Judgement]) -> dict[str, Judgement]:
    return {each.part: each for each in judgements if not each.ready}


def test_a_market_in_order_has_nothing_to_say() -> None:
    judgements = judge(figures(outboxes=[Outbox(service="pools", waiting=3, oldest=timedelta(seconds=1), set_aside=0)]))
    assert not_ready(judgements) == {}
    assert {"database", "kafka", "process worker", "process streams", "outbox pools"} <= {x.part for x in judgements}


OUT_OF_ORDER = [
    ({"unsettled": [Unsettled("pools", "AuctionClosed", "ValueError: no")]}, "dead letters", State.degraded),
    ({"database": "no answer"}, "database", State.stopped),
    ({"kafka": "no answer"}, "kafka", State.stopped),
    ({"clock_ahead": timedelta(seconds=-2)}, "clock", State.degraded),
    ({"processes": [a_process("streams")]}, "process worker", State.stopped),
    ({"processes": [a_process("worker", silent=60), a_process("streams")]}, "process worker", State.stopped),
    (
        {"outboxes": [Outbox(service="pools", waiting=1848, oldest=timedelta(minutes=5), set_aside=0)]},
        "outbox pools",
        State.stopped,
    ),
    (
        {"outboxes": [Outbox(service="pools", waiting=0, oldest=timedelta(), set_aside=1)]},
        "outbox pools",
        State.degraded,
    ),
    (
        {"groups": [Group(group="lonja.pools", lag=9, late=7, late_in=["lonja.auctions"])]},
        "consumer group lonja.pools",
        State.degraded,
    ),
]


@pytest.mark.parametrize(("change", "part", "state"), OUT_OF_ORDER)
def test_what_is_out_of_order_is_named_with_a_remedy(change: dict[str, object], part: str, state: State) -> None:
    found = not_ready(judge(figures(**change)))
    assert found[part].state is state
    assert found[part].detail and found[part].remedy


@pytest.mark.parametrize(
    ("state", "ready"), [("running", True), ("waiting", True), ("degraded", False), ("stopped", False)]
)
def test_a_part_of_any_process_counts_by_its_state(state: str, ready: bool) -> None:
    condition = a_condition(State(state))
    elsewhere = figures(processes=[a_process("worker", conditions=(condition,)), a_process("streams")])
    for judgements in (judge(elsewhere), judge(figures(), [condition], "host/web/1")):
        (judged,) = (each for each in judgements if each.part == "consumer pools")
        assert (judged.ready, judged.detail, judged.remedy) == (ready, "why", "do this")


def test_the_process_that_asks_knows_its_own_parts_better_than_its_row() -> None:
    row = a_process("worker", conditions=(a_condition(State.stopped),))
    judgements = judge(figures(processes=[row, a_process("streams")]), [a_condition(State.running)], row.process)
    assert not_ready(judgements) == {}


def test_what_a_dead_process_said_last_is_not_believed() -> None:
    dead = a_process("web", silent=60, conditions=(a_condition(State.stopped),))
    found = not_ready(judge(figures(processes=[dead, a_process("worker"), a_process("streams")])))
    assert found.keys() == {"process web"}


def a_member(release: str, silent: float, **reads: list[str]) -> Process:
    return Process(
        process=release,
        kind="worker",
        release=release,
        groups=["pools"],
        conditions=[],
        started_at=NOW,
        silent_for=timedelta(seconds=silent),
        reads=reads,
    )


def test_a_group_reads_what_its_living_members_say_or_said_last() -> None:
    gone, here, other = a_member("1", 60, pools=["a"]), a_member("2", 1, pools=["b"]), a_member("3", 1, pools=["c"])
    assert topics_of_groups([gone, here, other]) == {"pools": {"b", "c"}}
    assert topics_of_groups([gone]) == {"pools": {"a"}}
    assert topics_of_groups([here, a_member("0", 1)]) == {"pools": None}


def test_the_group_that_all_views_shared_in_former_releases_is_looked_at_while_one_of_them_runs() -> None:
    def former(silent: float) -> Process:
        return msgspec.structs.replace(a_member("1", silent), groups=["lonja.views"], reads={"lonja.views": ["a"]})

    assert topics_of_groups([former(60)]) == {}
    assert topics_of_groups([former(60), former(1)]) == {"lonja.views": {"a"}}


def test_two_processes_of_a_kind_in_one_home_have_ports_of_their_own(tmp_path: Path) -> None:
    config = Config.load({"LONJA_HOME": str(tmp_path)})
    with listen(config, "streams") as first, listen(config, "streams") as second:
        assert first.getsockname() != second.getsockname()


HERE = ("127.0.0.1", {"host": "127.0.0.1:8000"}, {})


def asked(client: str, headers: dict[str, str]) -> Request[Any, Any, Any]:
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "client": (client, 5000), "headers": raw})  # type: ignore[typeddict-item]


@pytest.mark.parametrize(
    ("client", "headers", "settings", "is_trusted"),
    [
        (*HERE, True),
        ("::1", {"host": "[::1]:8000"}, {}, True),
        ("127.0.0.1", {"host": "localhost"}, {}, True),
        ("203.0.113.7", {"host": "localhost"}, {}, False),
        ("127.0.0.1", {"host": "lonja.example"}, {}, False),
        ("127.0.0.1", {"host": "[broken"}, {}, False),
        ("127.0.0.1", {}, {}, False),
        *(
            ("127.0.0.1", {"host": "127.0.0.1:8000", header: "1"}, {}, False)
            for header in ("forwarded", "via", "x-real-ip", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto")
        ),
        ("127.0.0.1", {"host": "127.0.0.1:8000"}, {"LONJA_PUBLIC_URL": "https://lonja.example"}, False),
        ("203.0.113.7", {"authorization": "Bearer t"}, {"LONJA_METRICS_TOKEN": "t"}, True),
        (*HERE[:2], {"LONJA_METRICS_TOKEN": "t"}, False),
    ],
)
def test_details_are_for_holders_of_the_token_or_callers_that_no_proxy_can_stand_for(
    client: str, headers: dict[str, str], settings: dict[str, str], is_trusted: bool, tmp_path: Path
) -> None:
    config = Config.load({"LONJA_HOME": str(tmp_path), **settings})
    assert trusted(asked(client, headers), config) is is_trusted


async def test_a_process_that_is_silent_for_long_is_forgotten(servers: Servers) -> None:
    """But not one of whose consumer groups no younger process reads: they are looked at for seven days."""
    database = await Database.connect(await empty_database(servers, "lonja_processes"), system_clock)
    await migrations.upgrade(database.engine, "operations", processes.METADATA)
    rows = [
        ("web of today", [], 0),
        ("web of yesterday", [], 2),
        ("worker of today", ["pools"], 0),
        ("worker of yesterday", ["pools"], 2),
        ("the last of its group", ["pools", "quotes"], 2),
        ("the last of its group, long ago", ["prices"], 8),
    ]
    for row in rows:
        await database.pool.execute(
            "insert into operations.processes (process, kind, release, groups, conditions, seen_at)"
            " values ($1, 'worker', '1', $2, '[]', now() - make_interval(days => $3))",
            *row,
        )
    await processes.forget(database.pool)
    left = await database.pool.fetch("select process from operations.processes")
    assert {row["process"] for row in left} == {"web of today", "worker of today", "the last of its group"}
    await database.pool.execute("update operations.processes set seen_at = now() - interval '9 days'")
    async with processes.reporting(database, "web", 1), asyncio.timeout(20):
        while [row["process"] for row in await database.pool.fetch("select process from operations.processes")] != [
            processes.named("web", 1)
        ]:
            await asyncio.sleep(0.05)
    await database.close()
