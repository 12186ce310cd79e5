"""What befalls a process at each of its steps, and what was seen of it: drawn from one seed."""

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
"""What a request may end in."""
BEGINNING = datetime(2026, 11, 18, 12, 0, tzinfo=UTC)


class Ends(Protocol):
    """What goes down with a process: a connection, a producer, a place in a consumer group."""

    def cut(self) -> None: ...


@dataclass(kw_only=True)
class Weather:
    """Chances by step, message or call; seconds where so named. All zero: nothing bad happens."""

    latency_seconds: float = 0.0
    stall: float = 0.0
    crash: float = 0.0
    cut: float = 0.0
    doubt: float = 0.0
    """A commit is done, and its answer is lost with the connection."""
    request_lost: float = 0.0
    answer_lost: float = 0.0
    request_doubled: float = 0.0
    message_lost: float = 0.0
    message_doubled: float = 0.0
    message_unsure: float = 0.0
    """It is there, and the sender hears that it is not."""
    redelivery: float = 0.0
    jump: float = 0.0
    outage: float = 0.0
    """Of the run: all processes of one half, or the database, are away for a while."""

    @classmethod
    def drawn(cls, rng: random.Random) -> "Weather":
        """Every seed has some of it; so each can also be seen alone."""
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


class Fate:
    """``trace`` is one hash over all that happened; ``counts`` say how often what did; ``last`` are the latest steps."""

    def __init__(self, seed: int, weather: Weather | None = None) -> None:
        self.rng = random.Random(seed)
        self.weather = weather or Weather.drawn(self.rng)
        self.fair = Weather(latency_seconds=0.004)
        self.counts: Counter[str] = Counter()
        self.last: deque[str] = deque(maxlen=60)
        self.complaints: list[str] = []
        """What the market's own code said went wrong and should not have."""
        self._trace = blake2b(digest_size=16)
        self.skews: dict[str, float] = {}
        """Seconds by which a machine's clock is wrong."""

    @property
    def trace(self) -> str:
        return self._trace.hexdigest()

    def clear_up(self) -> None:
        """From here on nothing bad happens."""
        self.weather = self.fair

    def say(self, what: str) -> None:
        line = f"{asyncio.get_running_loop().time():.4f} {what}"
        self._trace.update(line.encode())
        self.last.append(line)
        self.counts["steps"] += 1

    def chance(self, of: str) -> bool:
        """Does it happen now? It is counted under its name."""
        odds = getattr(self.weather, of)
        if not odds or self.rng.random() >= odds:
            return False
        self.counts[of] += 1
        return True

    async def wait(self) -> None:
        """As long as a trip takes: mostly short, sometimes very long."""
        delay = self.rng.random() * self.weather.latency_seconds
        if self.chance("stall"):
            delay += self.rng.random() * 3
        await asyncio.sleep(delay)

    async def step(self, process: "Process", what: str) -> None:
        """A step of a process that waits for a server; it may be its last."""
        self.say(f"{process.name} {what}")
        process.check()
        await self.wait()
        process.check()
        if self.chance("crash"):
            process.kill(what)
            process.check()

    def now(self, machine: str) -> datetime:
        """The machine's clock."""
        seconds = asyncio.get_running_loop().time() + self.skews.get(machine, 0.0)
        return BEGINNING + timedelta(microseconds=round(seconds * 1_000_000))


class Process:
    """It dies at once and without a word. What it had open is cut, its tasks go no further than their next step."""

    def __init__(self, name: str, fate: Fate) -> None:
        self.name = name
        self.fate = fate
        self.alive = True
        self.ends: list[Ends] = []
        self.died = asyncio.Event()
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def clock(self) -> datetime:
        return self.fate.now(self.name)

    def spawn(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, EXPECTED) and not is_away(error):
            self.fate.complaints.append(f"{self.name}: {error!r}")

    def check(self) -> None:
        if not self.alive:
            raise asyncio.CancelledError(f"{self.name} is dead")

    def kill(self, where: str) -> None:
        if not self.alive:
            return
        self.fate.say(f"{self.name} CRASHES at: {where}")
        self.fate.counts["crashes"] += 1
        self.alive = False
        for each in self.ends:
            each.cut()
        current = asyncio.current_task()
        for task in list(self._tasks):
            if task is not current:
                task.cancel()
        self.died.set()


class Address(str):
    """Where a process finds a server, and who it is that asks."""

    process: Process

    def __new__(cls, process: Process) -> "Address":
        address = super().__new__(cls, f"played://{process.name}")
        address.process = process
        return address
