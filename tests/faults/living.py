"""A market as a person starts it: `lonja up` in its own home. Single processes of it can be killed."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import psutil

from events.codec import Event, kind_of
from infra import deadletters
from infra.config import Config
from infra.embedded import addresses
from infra.embedded.ports import remembered_port
from infra.embedded.process import Child, ProcessPart
from infra.service import Resources, Service
from infra.supervisor import read_state

POLICY = """\
based_on = "moscow"
title = "A day that ends within the test"
source = "No law: minutes for hours"
working_day_minutes = 30
auction.extension_window_seconds = 15
auction.extension_seconds = 15
auction.durations = [
  { minutes = 1, kinds = ["goods"] },
  { minutes = 3, kinds = ["goods"] },
  { minutes = 24, kinds = ["goods"] },
]
"""
READY = "Lonja is ready"


async def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = asyncio.get_running_loop().time() + seconds
    while not condition():
        assert asyncio.get_running_loop().time() < deadline, f"not within {seconds:.0f} s: {what}"
        await asyncio.sleep(0.1)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop the server and all its backends for the time of a block."""
    server = psutil.Process(pid)
    asleep = [server, *server.children(recursive=True)]
    for each in asleep:
        each.suspend()
    try:
        yield
    finally:
        for each in asleep:
            os.kill(each.pid, signal.SIGCONT)


class Lonja:
    """A running `lonja up`: `start` it, `kill` its parts or itself; `environment` is for commands on it.

    It has the rules of ``policy``; its processes may be silent for ``silence_limit`` seconds.
    """

    def __init__(self, home: Path, policy: str = POLICY, silence_limit: int = 15) -> None:
        self.home = home.absolute()
        policies = self.home.with_name(f"{self.home.name}-policies")
        policies.mkdir(parents=True, exist_ok=True)
        (policies / "demo.toml").write_text(policy)
        self.environment = {
            "LONJA_HOME": str(self.home),
            "LONJA_PORT": str(remembered_port(self.home, "web")),
            "LONJA_POLICY": "demo",
            "LONJA_POLICIES": str(policies),
            "LONJA_SILENCE_LIMIT": str(silence_limit),
        }
        self.config = Config.load({**os.environ, **self.environment})
        self._starts = 0
        part = ProcessPart(
            name="lonja",
            command=(sys.executable, "-m", "infra.cli", "up"),
            ready=self._is_ready,
            environment=self.environment,
            ready_within=120,
            stop_within=60,
        )
        self._child = Child(part, self.home)

    @property
    def output(self) -> str:
        return self._child.log.read_text(errors="replace")

    async def start(self) -> None:
        self._starts += 1
        self._child.start()
        await self._child.wait_ready()

    async def kill(self, part: str) -> None:
        """Kill -9 one part. Return when the supervisor has started it again."""
        pid: int = read_state(self.home)[part]["pid"]
        os.kill(pid, signal.SIGKILL)
        await until(lambda: read_state(self.home).get(part, {}).get("pid", pid) != pid, 90, f"{part} runs again")

    def pids(self, *parts: str) -> dict[str, int]:
        state = read_state(self.home)
        return {part: state[part]["pid"] for part in parts}

    async def runs(self, *parts: str) -> None:
        """Wait until all of them are ready. A starting process may take a minute before it counts as missing."""
        await until(
            lambda: all(read_state(self.home)[part]["state"] == "running" for part in parts), 90, f"{parts} run"
        )

    async def freeze(self, *parts: str) -> None:
        """Stop the parts by SIGSTOP and never continue them. Return when the supervisor has started all again."""
        frozen = self.pids(*parts)
        for pid in frozen.values():
            os.kill(pid, signal.SIGSTOP)
        await until(
            lambda: all(self.pids(part)[part] != pid for part, pid in frozen.items()), 120, f"{parts} run again"
        )

    async def freeze_all(self, seconds: float) -> None:
        """Stop `lonja up` itself for this many seconds; its parts continue."""
        os.kill(self._child.pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        os.kill(self._child.pid, signal.SIGCONT)

    async def suspend(self, seconds: float, *parts: str) -> None:
        """Stop these parts and their children by SIGSTOP, and continue them after that time. Check that the supervisor did not
        restart them."""
        before = self.pids(*parts)
        asleep = [each for pid in before.values() for each in (pid, *_children(pid))]
        for pid in asleep:
            with suppress(ProcessLookupError):  # a child of PostgreSQL that has just ended
                os.kill(pid, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        for pid in asleep:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        assert self.pids(*parts) == before

    async def catches_up(self, seconds: float) -> None:
        """Wait until all bids decided so far are published."""
        connection = await asyncpg.connect(addresses(self.config)[0])
        try:
            last = await connection.fetchval("select max(position) from auctions.outbox")
            waiting = "select count(*) from auctions.outbox where published_at is null and position <= $1"
            async with asyncio.timeout(seconds):
                while await connection.fetchval(waiting, last):
                    await asyncio.sleep(0.2)
        finally:
            await connection.close()

    async def kill_all(self) -> None:
        """Kill -9 `lonja up`; its parts end with it."""
        os.kill(self._child.pid, signal.SIGKILL)
        await until(lambda: self._child.exit_code is not None, 5, "the supervisor is dead")

    async def stop(self) -> bool:
        """Stop it. Return whether all parts ended by themselves."""
        return await asyncio.to_thread(self._child.stop)

    async def _is_ready(self) -> bool:
        return self.output.count(READY) == self._starts


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@dataclass(frozen=True)
class MarketReader:
    """Read the database of a market, for checks."""

    resources: Resources
    services: list[Service]

    async def rows(self, query: str, *arguments: object) -> list[Any]:
        return await self.resources.database.pool.fetch(query, *arguments)

    async def events_of(self, kind: type[Event]) -> list[Any]:
        """Return all events of a kind, from all services."""
        found = []
        for name in self.services_with_tables:
            rows = await self.rows(f"select envelope, data from {name}.outbox order by position")
            found += [row["data"] for row in rows if msgspec.json.decode(row["envelope"])["type"] == kind.TYPE]
        return [msgspec.json.decode(data, type=kind) for data in found]

    @property
    def services_with_tables(self) -> list[str]:
        return [service.name for service in self.services if service.metadata is not None]

    async def dead_letters(self) -> list[str]:
        letters = [letter async for letter in deadletters.read(addresses(self.resources.config)[1])]
        return [f"{letter.consumer}: {letter.type}: {letter.error}" for letter in letters]

    async def wait_until_handled(self, seconds: float) -> None:
        """Wait until each service has claimed in its inbox exactly the events of the kinds it handles, and each view under its name."""
        deadline = asyncio.get_running_loop().time() + seconds
        while left := await self._unhandled():
            assert asyncio.get_running_loop().time() < deadline, left
            await asyncio.sleep(0.5)

    async def claims_without_event(self) -> dict[str, int]:
        """The number of claims of each service that belong to no event that it handles."""
        expected = self._expected((await self._published())[0])
        wrong = {name: len(await self._claimed(name) - claims) for name, claims in expected.items()}
        return {name: number for name, number in wrong.items() if number}

    async def wait_until_caught_up(self, seconds: float) -> None:
        """Wait until each service and each view has claimed all events published until now, while more are
        published."""
        deadline = asyncio.get_running_loop().time() + seconds
        expected = self._expected((await self._published())[0])
        while left := {
            name: missing for name, claims in expected.items() if (missing := len(claims - await self._claimed(name)))
        }:
            assert asyncio.get_running_loop().time() < deadline, left
            await asyncio.sleep(0.2)

    def kinds_of(self, service: Service) -> dict[str, set[str]]:
        """The event types to which the service itself ("") and each of its views react, by the prefix of their
        claims."""
        reactions = {"": service.reactions, **{f"{view.name}/": view.reactions for view in service.views}}
        return {prefix: {kind_of(kind.TYPE) for kind in each} for prefix, each in reactions.items()}

    async def _unhandled(self) -> dict[str, int]:
        told, unpublished = await self._published()
        differences = {name: len(claims ^ await self._claimed(name)) for name, claims in self._expected(told).items()}
        return {name: number for name, number in {"outbox": unpublished, **differences}.items() if number}

    async def _published(self) -> tuple[dict[str, set[str]], int]:
        """The ids of all events by kind, and the number of unpublished ones."""
        told: dict[str, set[str]] = {}
        unpublished = 0
        for name in self.services_with_tables:
            for row in await self.rows(f"select event_id, envelope, published_at from {name}.outbox"):
                kind = kind_of(msgspec.json.decode(row["envelope"])["type"])
                told.setdefault(kind, set()).add(row["event_id"])
                unpublished += row["published_at"] is None
        return told, unpublished

    def _expected(self, told: dict[str, set[str]]) -> dict[str, set[str]]:
        """The claims that each service should have."""
        return {
            service.name: {
                prefix + number
                for prefix, kinds in self.kinds_of(service).items()
                for kind in kinds
                for number in told.get(kind, ())
            }
            for service in self.services
            if service.metadata is not None
        }

    async def _claimed(self, service: str) -> set[str]:
        return {row["event_id"] for row in await self.rows(f"select event_id from {service}.inbox")}
