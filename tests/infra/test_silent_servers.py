"""Servers that accept connections and never answer, like a frozen one: every command that needs one says so, and
ends."""

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.main import get_command
from typer.testing import CliRunner

from infra import answering, database
from infra.cli import COMMANDS, app
from infra.config import Config
from infra.embedded import Servers
from infra.running import Frozen
from infra.runtime import migrate
from tests.market import empty_database

NEED_THE_DATABASE = (
    "migrate",
    "serve --only web",
    "rebuild",
    "outbox list",
    "outbox show pools/1",
    "outbox resend",
    "outbox dismiss pools/1 --reason old",
    "consumers list",
    "consumers resume pools",
    "psql -c table",
    "members add --email one@example.org --name One --organisation Town --role observer --country ES --password long-enough-42-words",
    "members list",
    "import ocds {file}",
    "import awards {file}",
    "import prices {file}",
    "export ocds {home}/all.jsonl",
    "export auction an-auction {home}/proof.jsonl",
    "recommender train",
    "recommender figures",
)
OTHERS = {
    "up": "of a market of its own it starts the database",
    "apart": "nobody types it",
    "streams": "waits for the database",
    "demo": "the web process has to answer before",
    "simulate": "knows the web process alone",
    "topics": "Kafka",
    "mailbox": "the mail of the home",
    "backup": "of a database of its own",
    "restore": "of a database of its own",
    "doctor": "ends with all that it found",
    "dead-letters list": "Kafka",
    "dead-letters show": "Kafka",
    "dead-letters replay": "Kafka at first",
    "dead-letters dismiss": "Kafka",
    "dead-letters give-up": "Kafka at first",
    "dead-letters set-aside": "Kafka at first",
    "import fields": "no market",
    "verify auction": "no market",
    "verify receipt": "no market",
}
NEED_KAFKA = ("topics", "dead-letters list", "dead-letters replay --all", "rebuild", "migrate")


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that accepts connections and never reads from them."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture
def lonja(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[pytest.MonkeyPatch]:
    """A separate home, and commands with short time limits."""
    monkeypatch.setenv("LONJA_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(answering, "PATIENCE", 0.5)
    monkeypatch.setattr(database, "CONNECT_SECONDS", 0.5)
    monkeypatch.setattr(os, "execve", lambda *_: pytest.fail("psql was started, which would wait"))
    yield monkeypatch


async def run(command: str, tmp_path: Path) -> Result:
    file = tmp_path / "file.csv"
    file.write_text("a,b\n1,2\n")
    words = command.format(file=file, home=tmp_path).split()
    return await asyncio.to_thread(CliRunner().invoke, app, words)


def test_every_command_is_known_here() -> None:
    group = get_command(app)
    commands = {
        f"{name} {each}".strip()
        for name in COMMANDS
        for each in (getattr(group.get_command(None, name), "commands", None) or ("",))  # type: ignore[attr-defined, arg-type]
    }
    known = {
        *OTHERS,
        *(next(each for each in commands if f"{one} ".startswith(f"{each} ")) for one in NEED_THE_DATABASE),
    }
    assert commands == known


@pytest.mark.parametrize("command", NEED_THE_DATABASE)
async def test_a_database_that_never_answers_is_reported(
    command: str, silent: str, lonja: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lonja.setenv("LONJA_DATABASE_URL", f"postgresql://lonja@{silent}/lonja")
    result = await run(command, tmp_path)
    assert isinstance(result.exception, Frozen), (result.exception, result.output)
    said = str(result.exception)
    assert said.startswith(f"PostgreSQL at {silent}/lonja takes connections and gives no answer") and "; wait: " in said
    assert result.exit_code == 1


@pytest.mark.servers
@pytest.mark.parametrize("command", NEED_KAFKA)
async def test_a_broker_that_never_answers_is_reported(
    command: str, silent: str, servers: Servers, lonja: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lonja.setattr(database, "CONNECT_SECONDS", 30)
    lonja.setenv("LONJA_DATABASE_URL", servers.database_url)
    if command == "migrate":
        lonja.setenv("LONJA_DATABASE_URL", await empty_database(servers, "lonja_silent_broker"))
        await migrate(Config.load())
    lonja.setenv("LONJA_KAFKA_BOOTSTRAP", silent)
    result = await run(command, tmp_path)
    assert isinstance(result.exception, Frozen), (result.exception, result.output)
    assert str(result.exception).startswith(f"Kafka at {silent} takes connections and gives no answer")
    assert result.exit_code == 1
