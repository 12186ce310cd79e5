"""The reporting commands with JSON output, on the real servers."""

import asyncio
import io
import json
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from rich.console import Console
from typer.testing import CliRunner

from catalogue.policy import UnknownPolicy
from events.topics import DEAD_LETTERS, TOPICS
from infra.cli import app, output
from infra.clock import WrongClock, system_clock
from infra.config import BadSetting, Config
from infra.embedded import Servers, addresses
from infra.machine_clock import MachineClock
from infra.producer import Producer
from infra.running import NotRunning, TablesMissing
from infra.runtime import migrate
from tests.market import empty_database
from tests.test_imports import MAPPING


@pytest.fixture
def home(servers: Servers, topics: None, monkeypatch: pytest.MonkeyPatch) -> Servers:
    monkeypatch.setenv("LONJA_HOME", str(servers.home))
    return servers


async def lonja(*arguments: str) -> Any:
    """Run a command and return its JSON output. It runs in a thread, because commands have their own event loop."""
    result = await asyncio.to_thread(CliRunner().invoke, app, [*arguments, "--json"])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return json.loads(result.stdout)


async def test_topics_shows_the_whole_table_with_what_the_broker_holds(home: Servers) -> None:
    async with asyncio.timeout(10):  # the broker lists topics a moment after the controller made them
        while any(row["messages"] is None for row in await lonja("topics")):
            await asyncio.sleep(0.1)
    rows = await lonja("topics")
    assert [row["name"] for row in rows] == [row.name for row in TOPICS]
    assert all(isinstance(row["messages"], int) for row in rows)


async def test_doctor_finds_running_servers_well(home: Servers) -> None:
    findings = {finding["what"]: finding for finding in await lonja("doctor")}
    for what in ("python", "java", "jars", "postgres", "kafka", "topics"):
        assert findings[what]["ok"], findings[what]


def psql(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "infra.cli", "psql", *arguments]
    return subprocess.run(command, input="select 40 + 2", capture_output=True, text=True, timeout=120)


async def test_psql_opens_the_database_with_the_login_that_the_remedies_need(home: Servers) -> None:
    waits = "select pid, state, query from pg_stat_activity where state like 'idle in transaction%'"
    done = await asyncio.to_thread(psql, "-c", "select current_user", "-c", waits, "-c", "table pg_stat_user_tables")
    assert (done.returncode, done.stderr) == (0, "")
    assert "lonja_market" in done.stdout
    assert "42" in (await asyncio.to_thread(psql)).stdout
    wrong = await asyncio.to_thread(psql, "-c", "select nothing", "-c", "select 42")
    assert (wrong.returncode, "42" in wrong.stdout) == (1, False)
    holder = await asyncpg.connect(addresses(Config.running())[0])
    number = holder.get_server_pid()
    end, still_there = (
        f"select pg_terminate_backend({number}, 10000)",
        f"select 1 from pg_stat_activity where pid = {number}",
    )
    assert "(0 rows)" not in (await asyncio.to_thread(psql, "-c", still_there)).stdout
    assert "(0 rows)" in (await asyncio.to_thread(psql, "-c", end, "-c", still_there)).stdout
    holder.terminate()


async def test_a_dead_letter_is_listed_shown_and_replayed_as_it_came(home: Servers) -> None:
    kafka = Producer(home.kafka_bootstrap)
    await kafka.start()
    facts = {"consumer": "auctions", "topic": "lonja.pools", "partition": "0", "offset": "7", "error": "Bad: why"}
    headers = [("ce_type", b"lonja.pools.tried"), *((f"lonja_{name}", text.encode()) for name, text in facts.items())]
    letter = await kafka.send_and_wait(DEAD_LETTERS, b"the message", key=b"pool-1", headers=headers)
    await kafka.stop()

    listed = {letter["position"]: letter for letter in await lonja("dead-letters", "list")}
    assert listed[letter.offset]["error"] == "Bad: why"
    assert (await lonja("dead-letters", "show", str(letter.offset)))["value"] == "the message"
    before = {row["name"]: row["messages"] for row in await lonja("topics")}
    assert await lonja("dead-letters", "replay", str(letter.offset)) == {
        "replayed": [letter.offset],
        "too_old": [],
        "unreadable": [],
    }
    after = {row["name"]: row["messages"] for row in await lonja("topics")}
    assert after["lonja.pools"] == before["lonja.pools"] + 1


async def test_replay_of_all_passes_over_what_a_person_had_set_aside(home: Servers) -> None:
    kafka = Producer(home.kafka_bootstrap)
    await kafka.start()
    facts = {"consumer": "auctions", "topic": "lonja.pools", "partition": "0", "offset": "8", "error": "set aside"}
    noted = [(f"lonja_{name}", text.encode()) for name, text in facts.items()]
    never, other = [
        (await kafka.send_and_wait(DEAD_LETTERS, b"{}", key=b"pool-1", headers=[("ce_type", type_), *noted])).offset
        for type_ in (b"lonja.pools.PoolOpened.v99", b"lonja.pools.tried")
    ]
    await kafka.stop()
    told = await lonja("dead-letters", "replay", "--all")
    assert (never in told["unreadable"], other in told["replayed"]) == (True, True)
    assert never not in told["replayed"]
    refused = await asyncio.to_thread(CliRunner().invoke, app, ["dead-letters", "replay", str(never)])
    assert f"dead letter {never} is in a version of a newer release" in str(refused.exception)
    assert {letter["position"] for letter in await lonja("dead-letters", "list")} >= {never}


async def test_a_number_that_is_no_dead_letter_is_refused(home: Servers) -> None:
    result = await asyncio.to_thread(CliRunner().invoke, app, ["dead-letters", "show", "999999"])
    assert "no dead letter 999999" in str(result.exception)


def test_help_names_our_commands_and_those_of_services() -> None:
    shown = CliRunner().invoke(app, ["--help"]).stdout
    for command in (
        "up",
        "demo",
        "simulate",
        "topics",
        "dead-letters",
        "outbox",
        "members",
        "import",
        "export",
        "recommender",
    ):
        assert f" {command} " in shown


def test_a_narrow_terminal_breaks_no_word_that_names_a_row(monkeypatch: pytest.MonkeyPatch) -> None:
    narrow = Console(width=40, soft_wrap=True, record=True, force_terminal=True)
    monkeypatch.setattr(output, "console", narrow)
    output.print_table(
        ("topic", "consumers"), [("lonja.notifications", "accounts, auctions, pools, contracts, observatory")]
    )
    assert "lonja.notifications" in narrow.export_text()


@pytest.mark.parametrize("columns", ["20", "80"])
def test_a_table_that_goes_to_a_file_is_not_broken(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    written = io.StringIO()
    monkeypatch.setattr(output, "console", Console(soft_wrap=True, file=written))
    output.print_table(("kind", "places"), [("refused: price: not a number", "prices.csv:3, prices.csv:4")])
    assert "refused: price: not a number  prices.csv:3, prices.csv:4" in written.getvalue()


@pytest.mark.parametrize(
    "command", [["rebuild"], ["serve", "auctions"], ["recommender", "figures"], ["export", "ocds", "all.jsonl"]]
)
async def test_what_needs_the_database_says_that_it_does_not_answer(
    command: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LONJA_HOME", str(tmp_path))
    monkeypatch.setenv("LONJA_DATABASE_URL", "postgresql://lonja@127.0.0.1:1/lonja")
    result = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert isinstance(result.exception, NotRunning)
    assert "127.0.0.1:1/lonja does not answer: start Lonja with `make run`" in str(result.exception)


async def test_the_demonstration_needs_a_running_market(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LONJA_HOME", str(tmp_path))
    monkeypatch.setenv("LONJA_PORT", "1")
    result = await asyncio.to_thread(CliRunner().invoke, app, ["demo"])
    assert "make run" in str(result.exception)


async def test_a_backup_needs_a_running_market_and_leaves_no_folder_without_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LONJA_HOME", str(tmp_path / "home"))
    result = await asyncio.to_thread(CliRunner().invoke, app, ["backup", str(tmp_path / "copy")])
    assert isinstance(result.exception, NotRunning)
    assert not (tmp_path / "copy").exists()


def test_an_unknown_policy_and_a_home_that_cannot_be_made_are_refused_before_anything_is_made(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LONJA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LONJA_POLICY", "bogus")
    assert isinstance(CliRunner().invoke(app, ["up"]).exception, UnknownPolicy)
    assert not (tmp_path / "home").exists()
    monkeypatch.setenv("LONJA_POLICY", "demo")
    monkeypatch.setenv("LONJA_HOME", "/proc/lonja")
    refused = CliRunner().invoke(app, ["up"]).exception
    assert isinstance(refused, BadSetting) and "LONJA_HOME" in str(refused)


async def test_a_command_on_a_machine_with_a_wrong_clock_imports_nothing(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    url = await empty_database(servers, "lonja_wrong_command")
    monkeypatch.setenv("LONJA_HOME", str(servers.home))
    monkeypatch.setenv("LONJA_DATABASE_URL", url)
    await migrate(Config.load())
    mapping, table = tmp_path / "m.toml", tmp_path / "t.csv"
    mapping.write_text(MAPPING.format(number="9"))
    table.write_text("process;day;what;price;how many;who;whom\nP1;2026-01-02;Sugar;2;1;Mill;School\n")
    command = ["import", "prices", str(table), "--mapping", str(mapping)]
    connection = await asyncpg.connect(url)
    with monkeypatch.context() as machine:
        machine.setattr(MachineClock, "look", lambda self: (system_clock() + timedelta(hours=13), time.monotonic()))
        result = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert isinstance(result.exception, WrongClock)
    assert "ahead of the database's" in str(result.exception)
    assert await connection.fetchval("select count(*) from transparency.outbox") == 0
    result = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert result.exit_code == 0, result.output
    assert await connection.fetchval("select count(*) from transparency.outbox") > 0
    await connection.close()


async def test_a_command_on_a_database_without_tables_says_how_to_make_them(
    servers: Servers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("LONJA_HOME", str(servers.home))
    monkeypatch.setenv("LONJA_DATABASE_URL", await empty_database(servers, "lonja_without_tables"))
    mapping, table = tmp_path / "m.toml", tmp_path / "t.csv"
    mapping.write_text(MAPPING.format(number="9"))
    table.write_text("process;day;what;price;how many;who;whom\nP1;2026-01-02;Sugar;2;1;Mill;School\n")
    command = ["import", "prices", str(table), "--mapping", str(mapping)]
    result = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert isinstance(result.exception, TablesMissing), result.output
    assert "has no table transparency.releases yet: start Lonja with `make run` or `lonja up`" in str(result.exception)
