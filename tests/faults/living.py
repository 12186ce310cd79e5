"""A market as a person starts it: `lonja up` in a home of its own, of which single processes can be killed."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg

from infra.config import Config
from infra.embedded import addresses
from infra.embedded.ports import remembered_port
from infra.embedded.process import Child, Part
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


class Lonja:
    """`start` it, `kill` parts of it or itself; `environment` is for commands on it."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        policies = self.home / "policies"
        policies.mkdir(parents=True)
        (policies / "demo.toml").write_text(POLICY)
        self.environment = {
            "LONJA_HOME": str(self.home),
            "LONJA_PORT": str(remembered_port(self.home, "web")),
            "LONJA_POLICY": "demo",
            "LONJA_POLICIES": str(policies),
        }
        self.config = Config.load({**os.environ, **self.environment})
        self._starts = 0
        part = Part(
            name="lonja",
            command=(sys.executable, "-m", "infra.cli", "up"),
            ready=self._is_ready,
            environment=self.environment,
            ready_within=120,
            stop_within=60,
        )
        self._child = Child(part, self.home)

    @property
    def said(self) -> str:
        return self._child.log.read_text(errors="replace")

    async def start(self) -> None:
        self._starts += 1
        self._child.start()
        await self._child.wait_ready()

    async def kill(self, part: str) -> None:
        """Kill -9 one part; returns when the supervisor has started it again."""
        pid: int = read_state(self.home)[part]["pid"]
        os.kill(pid, signal.SIGKILL)
        await until(lambda: read_state(self.home).get(part, {}).get("pid", pid) != pid, 90, f"{part} runs again")

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
        """Kill -9 `lonja up`, which takes its parts with it."""
        os.kill(self._child.pid, signal.SIGKILL)
        await until(lambda: self._child.exit_code is not None, 5, "the supervisor is dead")

    async def stop(self) -> bool:
        """True when all went by themselves."""
        return await asyncio.to_thread(self._child.stop)

    async def _is_ready(self) -> bool:
        return self.said.count(READY) == self._starts
