"""The faults that can happen at each step of a process, and the record of what happened. Everything is drawn from one
seed."""

import asyncio
import random
from collections import Counter, deque
from collections.abc import Coroutine
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any, Protocol

from catalogue.rules import RuleBroken
from infra.away import is_away
from services.auctions.lane import LaneBlocked

EXPECTED = (LaneBlocked, RuleBroken)
"""The errors with which a request may end."""
BEGINNING = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


class Ends(Protocol):
    """Something that breaks when its process dies: a connection, a producer, a membership in a consumer group."""

    def cut(self) -> None: ...


@dataclass(kw_only=True)
class Faults:
    """The chances of faults for each step, message or call. Values named in seconds are seconds. If all are zero,
    nothing bad happens."""

    latency_seconds: float = 0.0
    stall: float = 0.0
    crash: float = 0.0
    cut: float = 0.0
    doubt: float = 0.0
    """The commit is done, but its answer is lost with the connection."""
    request_lost: float = 0.0
    answer_lost: float = 0.0
    request_doubled: float = 0.0
    message_lost: float = 0.0
    message_doubled: float = 0.0
    message_unsure: float = 0.0
    """The message is stored, but the sender gets an error."""
    redelivery: float = 0.0
    jump: float = 0.0
    outage: float = 0.0
    """The chance for the whole run that all processes of one kind, or the database, are away for a while."""

    @classmethod
    def drawn(cls, rng: random.Random) -> "Faults":
        """Draw the chances. Each fault has zero chance in some seeds, so every fault also occurs without the others."""
        worst = cls(
            latency_seconds=0.04,
            stall=0.02,
            crash=0.004,
            cut=0.003,
            doubt=0.03,
            request_lost=0.1,
            answer_lost=0.15,
            request_doubled=0.1,
            message_lost=0.1,
            message_doubled=0.1,
            message_unsure=0.05,
            redelivery=0.15,
            jump=1.0,
            outage=1.0,
        )
        return cls(
            **{
                each.name: getattr(worst, each.name) * rng.random() * (rng.random() < 0.6 or "seconds" in each.name)
                for each in fields(cls)
            }
        )


class SeededChoices:
    """Seeded random choices, and what happened. ``trace`` is one hash over everything that happened; ``counts`` says
    how often each thing happened; ``last`` are the latest steps."""

    def __init__(self, seed: int, faults: Faults | None = None) -> None:
        self.rng = random.Random(seed)
        self.faults = faults or Faults.drawn(self.rng)
        self.only_latency = Faults(latency_seconds=0.004)
        self.counts: Counter[str] = Counter()
        self.last: deque[str] = deque(maxlen=60)
        self.complaints: list[str] = []
        """Errors that the market's own code reported and that should not happen."""
        self._trace = blake2b(digest_size=16)
        self.skews: dict[str, float] = {}
        """How many seconds each machine's clock is wrong."""

    @property
    def trace(self) -> str:
        return self._trace.hexdigest()

    def end_faults(self) -> None:
        """Let nothing bad happen from now on."""
        self.faults = self.only_latency

    def say(self, what: str) -> None:
        line = f"{asyncio.get_running_loop().time():.4f} {what}"
        self._trace.update(line.encode())
        self.last.append(line)
        self.counts["steps"] += 1

    def chance(self, of: str) -> bool:
        """Return whether the fault happens now, and count it."""
        odds = getattr(self.faults, of)
        if not odds or self.rng.random() >= odds:
            return False
        self.counts[of] += 1
        return True

    async def wait(self) -> None:
        """Wait as long as a trip to a server takes: mostly short, sometimes very long."""
        delay = self.rng.random() * self.faults.latency_seconds
        if self.chance("stall"):
            delay += self.rng.random() * 3
        await asyncio.sleep(delay)

    async def step(self, process: "Process", what: str) -> None:
        """Record a step of a process that waits for a server. The process may die at it."""
        self.say(f"{process.name} {what}")
        process.check()
        await self.wait()
        process.check()
        if self.chance("crash"):
            process.kill(what)
            process.check()

    def now(self, machine: str) -> datetime:
        """Return the time of the machine's clock."""
        seconds = asyncio.get_running_loop().time() + self.skews.get(machine, 0.0)
        return BEGINNING + timedelta(microseconds=round(seconds * 1_000_000))


class Process:
    """A process that may die at once and without a message. Its open connections are cut, and its tasks end at their
    next step."""

    def __init__(self, name: str, seeded: SeededChoices) -> None:
        self.name = name
        self.seeded = seeded
        self.alive = True
        self.ends: list[Ends] = []
        self.died = asyncio.Event()
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def clock(self) -> datetime:
        return self.seeded.now(self.name)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, EXPECTED) and not is_away(error):
            self.seeded.complaints.append(f"{self.name}: {error!r}")

    def check(self) -> None:
        if not self.alive:
            raise asyncio.CancelledError(f"{self.name} is dead")

    def kill(self, where: str) -> None:
        if not self.alive:
            return
        self.seeded.say(f"{self.name} CRASHES at: {where}")
        self.seeded.counts["crashes"] += 1
        self.alive = False
        for each in self.ends:
            each.cut()
        current = asyncio.current_task()
        for task in list(self._tasks):
            if task is not current:
                task.cancel()
        self.died.set()


class Address(str):
    """The address of a server, with the process that uses it."""

    process: Process

    def __new__(cls, process: Process) -> "Address":
        address = super().__new__(cls, f"played://{process.name}")
        address.process = process
        return address
