"""Health, figures and their judgement: judged with made-up figures, then read from a running market."""

import asyncio
from collections.abc import AsyncIterator
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
from infra.health import Condition, Health, PartState
from infra.operations import processes
from infra.operations.figures import ConsumerGroup, Outbox, ServerFigures
from infra.operations.processes import RunningProcess, topics_of_groups
from infra.operations.readiness import Judgement, is_ready, judge
from infra.web.health import trusted
from infra.web.operations import listen
from tests.market import empty_database
from tests.unreadable import in_health

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


def a_process(
    kind: str, silent: float = 1, conditions: tuple[Condition, ...] = (), *, database_was_away: bool = False
) -> RunningProcess:
    return RunningProcess(
        process=f"host/{kind}/1",
        kind=kind,
        release="1",
        groups=[],
        conditions=list(conditions),
        started_at=NOW,
        silent_for=timedelta(seconds=silent),
        silent=timedelta(seconds=silent) >= processes.SILENT and not database_was_away,
    )


def a_condition(state: PartState, name: str = "pools") -> Condition:
    return Condition(kind="consumer", name=name, state=state, since=NOW, detail="why", remedy="do this")


def figures(**changes: object) -> ServerFigures:
    well = {"at": NOW, "database": "", "kafka": "", "processes": [a_process("worker"), a_process("streams")]}
    return ServerFigures(**{**well, **changes})  # type: ignore[arg-type]


def not_ready(judgements: list[Judgement]) -> dict[str, Judgement]:
    return {each.part: each for each in judgements if not each.ready}


def test_a_market_in_order_has_nothing_to_say() -> None:
    judgements = judge(figures(outboxes=[Outbox(service="pools", waiting=3, oldest=timedelta(seconds=1), set_aside=0)]))
    assert not_ready(judgements) == {}
    assert {"database", "kafka", "process worker", "process streams", "outbox pools"} <= {x.part for x in judgements}


OUT_OF_ORDER = [
    ({"unsettled": [Unsettled("pools", "AuctionClosed", "ValueError: no")]}, "dead letters", PartState.degraded),
    ({"database": "no answer"}, "database", PartState.stopped),
    ({"kafka": "no answer"}, "kafka", PartState.stopped),
    ({"clock_ahead": timedelta(seconds=-2)}, "clock", PartState.degraded),
    ({"processes": [a_process("streams")]}, "process worker", PartState.stopped),
    ({"processes": [a_process("worker", silent=60), a_process("streams")]}, "process worker", PartState.stopped),
    (
        {"outboxes": [Outbox(service="pools", waiting=1848, oldest=timedelta(minutes=5), set_aside=0)]},
        "outbox pools",
        PartState.stopped,
    ),
    (
        {"outboxes": [Outbox(service="pools", waiting=0, oldest=timedelta(), set_aside=1)]},
        "outbox pools",
        PartState.degraded,
    ),
    (
        {"groups": [ConsumerGroup(group="lonja.pools", lag=9, late=7, late_in=["lonja.auctions"])]},
        "consumer group lonja.pools",
        PartState.degraded,
    ),
]


@pytest.mark.parametrize(("change", "part", "state"), OUT_OF_ORDER)
def test_what_is_out_of_order_is_named_with_a_remedy(change: dict[str, object], part: str, state: PartState) -> None:
    found = not_ready(judge(figures(**change)))
    assert found[part].state is state
    assert found[part].detail and found[part].remedy


def test_a_dead_letter_is_named_with_the_view_that_failed() -> None:
    letter = Unsettled("observatory", "AuctionClosed", "ValueError: no", "references")
    assert "observatory/references could not" in not_ready(judge(figures(unsettled=[letter])))["dead letters"].detail


@pytest.mark.parametrize(
    ("state", "ready"), [("running", True), ("waiting", True), ("degraded", False), ("stopped", False)]
)
def test_a_part_of_any_process_counts_by_its_state(state: str, ready: bool) -> None:
    condition = a_condition(PartState(state))
    elsewhere = figures(processes=[a_process("worker", conditions=(condition,)), a_process("streams")])
    for judgements in (judge(elsewhere), judge(figures(), [condition], "host/web/1")):
        (judged,) = (each for each in judgements if each.part == "consumer pools")
        assert (judged.ready, judged.detail, judged.remedy) == (ready, "why", "do this")


def test_a_fault_of_one_row_is_named_and_leaves_every_process_ready() -> None:
    health = Health(lambda: NOW)
    health.report("rows", "cards", PartState.degraded, "1 cannot be read", "mend it", apart=True)
    processes = [a_process("worker", conditions=tuple(health)), a_process("streams")]
    for judgements in (judge(figures(processes=processes)), judge(figures(), health, "host/web/1")):
        assert health.ready and is_ready(judgements)
        assert not_ready(judgements)["rows cards"].remedy == "mend it"
    health.report("consumer", "pools", PartState.degraded, "why", "do this")
    assert not health.ready and not is_ready(judge(figures(), health, "host/web/1"))


def test_the_process_that_asks_knows_its_own_parts_better_than_its_row() -> None:
    row = a_process("worker", conditions=(a_condition(PartState.stopped),))
    judgements = judge(figures(processes=[row, a_process("streams")]), [a_condition(PartState.running)], row.process)
    assert not_ready(judgements) == {}


def test_the_last_states_of_a_dead_process_are_not_used() -> None:
    dead = a_process("web", silent=60, conditions=(a_condition(PartState.stopped),))
    found = not_ready(judge(figures(processes=[dead, a_process("worker"), a_process("streams")])))
    assert found.keys() == {"process web"}


def test_a_process_that_could_not_write_because_the_database_was_away_is_waited_for() -> None:
    away = [a_process(kind, silent=67, database_was_away=True) for kind in ("streams", "worker")]
    judgements = judge(figures(processes=[*away, a_process("web")]))
    assert not_ready(judgements) == {}
    (streams,) = (each for each in judgements if each.part == "process streams")
    assert streams.state is PartState.waiting and "database" in streams.detail


def test_without_any_process_row_nobody_is_asked_at_once_to_start_a_process() -> None:
    """A reader cannot know whether the database was away until now, does not accept writes, or no process runs."""
    away = [a_process(kind, silent=67, database_was_away=True) for kind in ("streams", "web", "worker")]
    found = not_ready(judge(figures(processes=away)))
    assert found.keys() == {"processes"}
    assert "67 s" in found["processes"].detail and found["processes"].remedy.startswith("wait")


def test_a_process_that_never_was_or_that_ended_is_not_waited_for() -> None:
    ended = msgspec.structs.replace(a_process("worker", silent=67), ended=True)
    found = not_ready(judge(figures(processes=[ended, a_process("web")])))
    assert found.keys() == {"process worker", "process streams"}


def a_member(release: str, silent: float, **reads: list[str]) -> RunningProcess:
    return RunningProcess(
        process=release,
        kind="worker",
        release=release,
        groups=["pools"],
        conditions=[],
        started_at=NOW,
        silent_for=timedelta(seconds=silent),
        reads=reads,
    )


def test_a_group_reads_the_topics_of_its_living_members_or_else_of_its_last_ones() -> None:
    gone, here, other = a_member("1", 60, pools=["a"]), a_member("2", 1, pools=["b"]), a_member("3", 1, pools=["c"])
    assert topics_of_groups([gone, here, other]) == {"pools": {"b", "c"}}
    assert topics_of_groups([gone]) == {"pools": {"a"}}
    assert topics_of_groups([here, a_member("0", 1)]) == {"pools": None}


def test_the_group_that_all_views_shared_in_former_releases_is_looked_at_while_one_of_them_runs() -> None:
    def former(silent: float) -> RunningProcess:
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


@pytest.fixture
async def with_processes(servers: Servers) -> AsyncIterator[Database]:
    database = await Database.connect(await empty_database(servers, "lonja_processes"), system_clock)
    await migrations.upgrade(database.engine, "operations", processes.METADATA)
    yield database
    await database.close()


SILENCES = [
    ("it stopped while another wrote on", {"web": (600, 1), "streams": (600, 20)}, {"streams"}),
    ("the database was away; web was the first to write again", {"web": (1, 1), "streams": (600, 67)}, set()),
    ("it has answered for long again", {"web": (16, 0), "streams": (600, 67)}, {"streams"}),
    ("it has answered for a moment again", {"web": (10, 0), "streams": (600, 67)}, set()),
    ("it was away until now", {"web": (600, 67), "streams": (600, 66)}, set()),
    ("it went before it was away", {"web": (600, 67), "streams": (600, 120)}, {"streams"}),
]


@pytest.mark.parametrize(("rows", "silent"), [each[1:] for each in SILENCES], ids=[each[0] for each in SILENCES])
async def test_silence_counts_while_another_process_could_write(
    rows: dict[str, tuple[int, int]], silent: set[str], with_processes: Database
) -> None:
    """The seconds, by name, for which it has written without a gap, and for which it has been silent."""
    for process, (since, last) in rows.items():
        await with_processes.pool.execute(
            "insert into operations.processes (process, kind, release, groups, conditions, writes_since, seen_at)"
            " values ($1, $1, '1', '{}', '[]', now() - make_interval(secs => $2), now() - make_interval(secs => $3))",
            process,
            since,
            last,
        )
    assert {row.process for row in await processes.read(with_processes.pool) if row.silent} == silent


async def test_a_process_whose_row_cannot_be_read_is_named_and_hides_no_other(with_processes: Database) -> None:
    for process, conditions in (("web", "[]"), ("planted", '{"kind": 1}')):
        await with_processes.pool.execute(
            "insert into operations.processes (process, kind, release, groups, conditions) values ($1, $1, '1', '{}', $2::text::jsonb)",
            process,
            conditions,
        )
    assert [row.process for row in await processes.read(with_processes.pool)] == ["web"]
    assert "planted" in in_health("process").detail
    await with_processes.pool.execute("update operations.processes set conditions = '[]'")
    assert [row.process for row in await processes.read(with_processes.pool)] == ["planted", "web"]
    assert in_health("process").state is PartState.running


async def test_a_process_that_writes_again_after_a_gap_does_not_vouch_for_the_time_of_the_gap(
    with_processes: Database,
) -> None:
    async def since() -> datetime:
        found: datetime = await with_processes.pool.fetchval("select writes_since from operations.processes")
        return found

    async def write_twice() -> None:
        async with processes.reporting(with_processes, "web", 1):
            for _ in range(2):
                seen = await with_processes.pool.fetchval("select max(seen_at) from operations.processes")
                async with asyncio.timeout(20):
                    while seen == await with_processes.pool.fetchval("select max(seen_at) from operations.processes"):
                        await asyncio.sleep(0.05)

    await write_twice()
    first = await since()
    await write_twice()
    assert await since() == first
    await with_processes.pool.execute("update operations.processes set seen_at = seen_at - interval '67 seconds'")
    await write_twice()
    assert await since() > first


async def test_a_process_that_is_silent_for_long_is_forgotten(with_processes: Database) -> None:
    """But not a process whose consumer groups no newer process reads: these are observed for seven days."""
    database = with_processes
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
            processes.process_name("web", 1)
        ]:
            await asyncio.sleep(0.05)
