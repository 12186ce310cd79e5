"""Owns the processes of one home: starts them in order, starts a crashed one again, stops all in reverse order.

`state.json` in the home tells others what runs: name → {pid, port, started}.
"""

import asyncio
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.embedded.process import Child, Part, PartFailed, tail

Say = Callable[[str], None]

CRASHES_FORGIVEN = 5
"""A part that crashes more often than this within CRASH_WINDOW is given up, and everything is stopped."""
CRASH_WINDOW = 120.0
LONGEST_PAUSE = 10.0


class GivenUp(Exception):
    """A part crashed again and again."""

    code = "given-up"

    def __init__(self, part: str, crashes: int, log: Path) -> None:
        super().__init__(
            f"{part} crashed {crashes} times within {CRASH_WINDOW:.0f} s and was given up; "
            f"its last lines, from {log}:\n{tail(log)}"
        )


class Supervisor:
    """Use from the main thread: on Linux children are bound to the thread that starts them."""

    def __init__(self, home: Path, say: Say) -> None:
        self._home = home
        self._say = say
        self._children: dict[str, Child] = {}
        self._started: dict[str, datetime] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}

    async def start(self, parts: Sequence[Part]) -> None:
        """Starts these side by side and returns when all are ready. Raises PartFailed; later crashes are `watch`'s."""
        for part in parts:
            self._children[part.name] = Child(part, self._home)
        results = await asyncio.gather(*(self._launch(part.name) for part in parts), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        for part in parts:
            self._watchers[part.name] = asyncio.create_task(self._keep_alive(part.name), name=part.name)

    async def watch(self) -> None:
        """Runs until cancelled. Raises GivenUp when a part cannot be kept alive."""
        done, _ = await asyncio.wait(self._watchers.values(), return_when=asyncio.FIRST_EXCEPTION)
        for watcher in done:
            await watcher

    async def stop(self) -> None:
        """Stops all in reverse order, one line each; what does not go in its time is killed, and that is said."""
        for watcher in self._watchers.values():
            watcher.cancel()
        await asyncio.gather(*self._watchers.values(), return_exceptions=True)
        for name, child in reversed(self._children.items()):
            self._say(f"stopping {name}")
            if not await asyncio.to_thread(child.stop):
                self._say(f"{name} did not stop in {child.part.stop_within:.0f} s and was killed")
        (self._home / "state.json").unlink(missing_ok=True)

    async def _launch(self, name: str) -> None:
        child = self._children[name]
        began = time.monotonic()
        child.start()
        self._started[name] = datetime.now(UTC)
        self._write_state()
        await child.wait_ready()
        where = f", port {child.part.port}" if child.part.port else ""
        self._say(f"{name} is ready ({time.monotonic() - began:.1f} s{where})")

    async def _keep_alive(self, name: str) -> None:
        child = self._children[name]
        crashes: deque[float] = deque()
        while True:
            while child.exit_code is None:
                await asyncio.sleep(0.2)
            while crashes and crashes[0] < time.monotonic() - CRASH_WINDOW:
                crashes.popleft()
            crashes.append(time.monotonic())
            if len(crashes) > CRASHES_FORGIVEN:
                raise GivenUp(name, len(crashes), child.log)
            pause = min(0.25 * 2 ** (len(crashes) - 1), LONGEST_PAUSE)
            self._say(
                f"CRASH: {name} ended with {_how(child.exit_code)}; starting it again in {pause:.1f} s ({child.log})"
            )
            await asyncio.sleep(pause)
            try:
                await self._launch(name)
            except PartFailed as failure:
                self._say(f"CRASH: {failure}")
                await asyncio.to_thread(child.stop)

    def _write_state(self) -> None:
        state = {
            name: {"pid": self._children[name].pid, "port": self._children[name].part.port, "started": at.isoformat()}
            for name, at in self._started.items()
        }
        fresh = self._home / "state.json.new"
        fresh.write_text(json.dumps(state, indent=1))
        fresh.replace(self._home / "state.json")


def read_state(home: Path) -> dict[str, dict[str, Any]]:
    """What the supervisor of this home started last; empty when it is stopped. A pid may be dead after kill -9."""
    path = home / "state.json"
    return json.loads(path.read_text()) if path.exists() else {}


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"signal {-exit_code}"
    return f"code {exit_code}"
