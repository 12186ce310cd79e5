"""PostgreSQL and Kafka as child processes of ours: used by `make run` and the tests if no server is configured.

One process at a time owns the servers of a home, by a lock that the system releases when the process dies: a second
owner is refused (HomeInUse); servers that a killed owner left behind are stopped and started again.
"""

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from infra.config import BadSetting, Config
from infra.embedded import jars, kafka, postgres
from infra.embedded.ports import free_port
from infra.embedded.process import Child, ProcessPart, stop_leftover
from infra.secrets import close

__all__ = ["HomeInUse", "HomeLock", "Servers", "addresses", "is_owned", "prepare_servers"]

Report = Callable[[str], None]
SERVERS_PATIENCE = 4
"""A server may be silent longer than our own processes by this factor, because a recovery or a checkpoint takes
time."""


def addresses(config: Config, user: str = kafka.OWNER) -> tuple[str, str]:
    """(database URL, Kafka bootstrap): the configured servers, else the embedded ones of this home, Kafka for one of its users."""
    return (
        config.database_url or postgres.database_url(config.home),
        config.kafka_bootstrap or kafka.bootstrap(config.home, user),
    )


class HomeInUse(Exception):
    """Another living process owns this home."""

    code = "home-in-use"

    def __init__(self, home: Path, owner: str) -> None:
        super().__init__(f"{home} is in use by process {owner}; stop it, or set LONJA_HOME to another directory")


def is_owned(home: Path) -> bool:
    """Whether a living process owns it."""
    try:
        with (home / "owner").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


UNFINISHED = "restore-unfinished"
"""A file of a home whose restore from a backup has begun and has not ended."""


class UnfinishedRestore(Exception):
    """A restore was interrupted, so parts of the market are missing."""

    code = "unfinished-restore"

    def __init__(self, home: Path) -> None:
        super().__init__(f"the restore of {home} was interrupted: run `lonja restore` again; it begins anew")


def check_restored(home: Path) -> None:
    """Raise UnfinishedRestore if a restore into the home was interrupted."""
    if (home / UNFINISHED).exists():
        raise UnfinishedRestore(home)


class HomeLock:
    """Ownership of a home, from construction until `release` or the end of the process."""

    def __init__(self, home: Path) -> None:
        try:
            close(home)
            self._file: TextIO = (home / "owner").open("a+")
        except OSError as error:
            raise BadSetting("LONJA_HOME", str(home), f"must be a directory of yours: {error.strerror}") from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read()
            self._file.close()
            raise HomeInUse(home, owner) from None
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def release(self) -> None:
        self._file.close()


def prepare_servers(config: Config, report: Report) -> tuple[ProcessPart, ...]:
    """The embedded servers that `config` needs, ready to be started. The caller owns the home's lock."""
    home = config.home
    parts: list[ProcessPart] = []
    if config.database_url is None:
        stop_leftover(home / "run" / "postgres.pid", postgres.part(home))
        free_port(home, "postgres")
        if not (home / "postgres" / "ready").exists():
            report("making the PostgreSQL data directory")
        postgres.prepare(home)
        parts.append(postgres.part(home))
    if config.kafka_bootstrap is None:
        class_path = jars.class_path(jars.fetch(config.cache, report))
        stop_leftover(home / "run" / "kafka.pid", kafka.part(home, class_path))
        free_port(home, "kafka")
        free_port(home, "kafka-controller")
        if not (home / "kafka" / "logs" / "meta.properties").exists():
            report("formatting the Kafka storage")
        kafka.prepare(home, class_path)
        parts.append(kafka.part(home, class_path))
    return tuple(replace(part, silent_for=SERVERS_PATIENCE * config.silence_limit) for part in parts)


class Servers:
    """Both servers, started and ready: for tests and one-off commands. They are not restarted when they die: see
    `restart`."""

    def __init__(self, config: Config, lock: HomeLock, children: dict[str, Child]) -> None:
        self._lock = lock
        self.home = config.home
        self.children = children
        self.database_url, self.kafka_bootstrap = addresses(config)
        self.admin_url = config.database_url or postgres.admin_url(config.home)
        """The URL for a user that may make databases."""

    @classmethod
    def start(cls, home: Path, report: Report = print) -> "Servers":
        """Start the servers that the environment does not provide; about 3 s if the home was used before."""
        config = Config.load({**os.environ, "LONJA_HOME": str(home)})
        lock = HomeLock(config.home)
        children: dict[str, Child] = {}
        try:
            parts = prepare_servers(config, report)
            children = {part.name: Child(part, config.home) for part in parts}
            for child in children.values():
                child.start()
            _wait_ready(children.values())
            return cls(config, lock, children)  # only now: a port that another program had taken was replaced
        except BaseException:
            _stop(children, lock)
            raise

    def restart(self, name: str) -> None:
        """For fault tests: start the server `name` again after it was killed, and wait until it is ready."""
        self.children[name].start()
        _wait_ready([self.children[name]])

    def stop(self) -> None:
        _stop(self.children, self._lock)


def _stop(children: dict[str, Child], lock: HomeLock) -> None:
    for child in reversed(children.values()):
        child.stop()
    lock.release()


def _wait_ready(children: Iterable[Child]) -> None:
    """Wait in a thread with its own event loop, because the caller may already run in one."""

    async def all_ready() -> None:
        await asyncio.gather(*(child.wait_ready() for child in children))

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, all_ready()).result()
