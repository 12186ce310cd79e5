"""A command imports only what it needs: none imports the libraries of servers and recommender only to report that
nothing runs.

The cost of a start is counted in modules, not in seconds, which depend on the machine.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SERVERS = ("litestar", "uvicorn", "faust", "sklearn", "scipy", "numpy", "tantivy", "jinja2", "alembic", "holidays")
TABLES = ("sqlalchemy", "sqlmodel")
RUN = """
import atexit, sys
atexit.register(lambda: print("LOADED", *{name.partition(".")[0] for name in sys.modules}))
from infra.cli import main
main()
"""

pytestmark = pytest.mark.servers


def loaded(home: Path, *arguments: str) -> set[str]:
    """The packages that the command had imported at its end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LONJA_")}
    done = subprocess.run(
        [sys.executable, "-c", RUN, *arguments],
        env=environment | {"LONJA_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return set(done.stdout.rpartition("LOADED")[2].split())


@pytest.mark.parametrize(
    ("command", "without"),
    [
        ("--help", (*SERVERS, *TABLES, "aiokafka", "asyncpg", "pydantic", "httpx")),
        ("import awards --help", (*SERVERS, *TABLES, "aiokafka", "asyncpg", "httpx")),
        ("import awards {file}", (*SERVERS, "aiokafka", "httpx")),
        ("import prices {file}", (*SERVERS, "aiokafka", "httpx")),
        ("import ocds {file}", (*SERVERS, "aiokafka", "httpx")),
        ("import fields", (*SERVERS, *TABLES, "aiokafka", "asyncpg", "httpx")),
        ("export ocds {home}/out", (*SERVERS, "aiokafka", "httpx")),
        ("export auction x {home}/out", (*SERVERS, "aiokafka", "httpx")),
        ("verify auction {file}", (*SERVERS, *TABLES, "aiokafka", "asyncpg", "httpx")),
        ("outbox list", (*SERVERS, *TABLES, "aiokafka", "httpx")),
        ("dead-letters list", (*SERVERS, *TABLES, "httpx")),
        ("topics", (*SERVERS, *TABLES, "httpx")),
        ("mailbox", (*SERVERS, *TABLES, "aiokafka", "asyncpg", "aiosmtpd", "httpx")),
        ("doctor", (*SERVERS, *TABLES, "httpx")),
        ("demo", (*SERVERS, *TABLES, "aiokafka", "asyncpg")),
    ],
)
def test_a_command_loads_what_it_needs(tmp_path: Path, command: str, without: tuple[str, ...]) -> None:
    file = tmp_path / "file.csv"
    file.write_text("a,b\n1,2\n")
    found = loaded(tmp_path, *command.format(file=file, home=tmp_path).split())
    assert "infra" in found
    assert found & set(without) == set()


HELP_OF_ALL = """
import atexit, sys
atexit.register(lambda: print("LOADED", *{name.partition(".")[0] for name in sys.modules}))
from typer.main import get_command
from typer.testing import CliRunner
from infra.cli import COMMANDS, app
group = get_command(app)
for name in COMMANDS:
    for command in [(name,), *((name, each) for each in getattr(group.get_command(None, name), "commands", ()))]:
        said = CliRunner().invoke(app, [*command, "--help"])
        assert said.exit_code == 0 and "Usage: " in said.output, (command, said.output)
        print("HELPED", *command)
"""


def test_no_help_loads_what_only_the_command_itself_needs() -> None:
    done = subprocess.run([sys.executable, "-c", HELP_OF_ALL], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    helped, _, found = done.stdout.rpartition("LOADED")
    assert {"doctor", "import ocds", "export auction"} <= {line.removeprefix("HELPED ") for line in helped.splitlines()}
    assert set(found.split()) & {*SERVERS, *TABLES, "aiokafka", "asyncpg", "httpx"} == set()


def test_a_command_loads_no_other(tmp_path: Path) -> None:
    run = "import sys; sys.argv[1:] = ['doctor', '--help']; from infra.cli import main\ntry: main()\nfinally: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", run], capture_output=True, text=True, check=True, timeout=120)
    found = set(done.stdout.split())
    assert "infra.cli.doctor" in found
    assert found & {"infra.cli.up", "infra.supervisor", "events.topics", "catalogue.policy", "uvloop"} == set()


def test_what_supervises_all_day_loads_no_service_and_no_models() -> None:
    """This covers what `lonja up` needs while it runs; work in a separate process is not included."""
    done = subprocess.run(
        [sys.executable, "-c", "import infra.cli.up, infra.migrations, infra.topics, sys; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    found = {name.partition(".")[0] for name in done.stdout.split()}
    assert "infra" in found
    assert found & {*SERVERS, *TABLES, "services", "httpx", "argon2"} == set()
