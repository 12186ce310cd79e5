"""Owns the processes of one home: starts them, restarts each that ended or hangs, stops all in reverse order.

Each process (a :class:`infra.embedded.process.ProcessPart`) is supervised separately. If it fails again and again, it
is restarted for ever, with growing pauses; the others continue meanwhile.
`state.json` in the home tells others what runs: name → {pid, port, started, state, detail}.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.embedded.logs import rotate_all
from infra.embedded.process import Child, PartFailed, ProcessPart, stop_leftover, tail
from infra.health import HEALTH, PartState

Say = Callable[[str], None]

STEADY_SECONDS = 60.0
"""After this many seconds of running the failure count is reset; if the process ends earlier, that is one more failure in a row."""
FAILING_AFTER = 5
"""Failures in a row after which a process is marked as failing."""
LONGEST_PAUSE = 30.0
LOOK_EVERY = 0.2
CHECK_EVERY = 5.0
"""Seconds between checks of a server (a check costs the server work). Heartbeats are checked every LOOK_EVERY seconds."""
ASLEEP_SECONDS = 3.0
"""If the supervisor itself did not run for this many seconds, that time does not count as the silence of any process."""
KEEP_HOUSE_EVERY = 5.0
STOPPED = "stopped normally, on request"


@dataclass
class _Kept:
    """A process and its state. `first` is done when the process was ready once, or failed at its first start."""

    child: Child
    first: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())
    task: asyncio.Task[None] | None = None
    started: datetime | None = None
    state: PartState = PartState.waiting
    detail: str = "starting"
    failures: int = 0
    """In a row."""
    ended: str = ""
    """How and when it ended last, as words that follow its name; "" again after STEADY_SECONDS of running."""

    @property
    def name(self) -> str:
        return self.child.part.name


class Supervisor:
    """Use from the main thread: on Linux children are bound to the thread that starts them."""

    def __init__(self, home: Path, say: Say) -> None:
        self._home = home
        self._tell = say
        self._kept: dict[str, _Kept] = {}
        self._awake_since = time.monotonic()
        self._state_is_written = True
        self._own_tasks: list[asyncio.Task[None]] = []

    async def start(self, parts: Sequence[ProcessPart]) -> None:
        """Start these side by side and supervise them from now on. Return when all are ready.

        Raise PartFailed if one failed at its first start. It is restarted all the same, until `stop`.
        """
        if not self._own_tasks:
            self._own_tasks = [asyncio.create_task(work) for work in (self._notice_sleep(), self._keep_house())]
        kept = [_Kept(Child(part, self._home)) for part in parts]
        for each in kept:
            self._kept[each.name] = each
            each.task = asyncio.create_task(self._keep(each), name=each.name)
        for result in await asyncio.gather(*(each.first for each in kept), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result

    async def stop(self) -> None:
        """Stop all parts in reverse order of their start, with one line for each. A process that does not stop within its
        limit is killed, and a line says so."""
        tasks = [*self._own_tasks, *(each.task for each in self._kept.values() if each.task)]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for name, each in reversed(self._kept.items()):
            self._say(f"stopping {name}")
            if not await asyncio.to_thread(each.child.stop):
                self._say(f"{name} did not stop in {each.child.part.stop_within:.0f} s and was killed")
        (self._home / "state.json").unlink(missing_ok=True)

    async def _keep(self, kept: _Kept) -> None:
        """Run the process and restart it, until cancelled. No error ends this: nothing else would restart the process."""
        while True:
            try:
                trouble = await self._run_once(kept)
            except Exception as failure:  # noqa: BLE001 - the process is restarted, as after any other trouble
                trouble = f"could not be supervised: {failure!r}"
            kept.failures += 1
            pause = min(0.25 * 2 ** min(kept.failures - 1, 10), LONGEST_PAUSE)
            crash = "" if trouble == STOPPED else "CRASH: "
            self._say(f"{crash}{kept.name} {trouble}; starting it again in {pause:.1f} s ({kept.child.log})")
            if kept.failures >= FAILING_AFTER:
                self._say(
                    f"FAILING: {kept.name} has failed {kept.failures} times in a row; it is retried; all other processes continue. "
                    f"Its last lines:\n{tail(kept.child.log)}"
                )
            kept.ended = f"{trouble} at {datetime.now(UTC):%H:%M:%S} UTC"
            self._mark(kept, PartState.waiting, f"{kept.ended}, and is started again in {pause:.1f} s")
            await asyncio.sleep(pause)

    async def _run_once(self, kept: _Kept) -> str:
        """Start the process and watch it. Return what was wrong, after it has ended."""
        began = time.monotonic()
        try:
            await asyncio.to_thread(stop_leftover, kept.child.pid_file, kept.child.part)
            kept.child.start()
            kept.started = datetime.now(UTC)
            self._mark(kept, PartState.waiting, f"{kept.ended}, and is starting again" if kept.ended else "starting")
            await kept.child.wait_ready()
            where = f", port {kept.child.part.port}" if kept.child.part.port else ""
            self._say(f"{kept.name} is ready ({time.monotonic() - began:.1f} s{where})")
            self._mark_running(kept)
            if not kept.first.done():
                kept.first.set_result(None)
            return await self._until_it_ends(kept)
        except Exception as failure:  # noqa: BLE001 - whatever it is, it concerns only this process
            trouble = failure.what if isinstance(failure, PartFailed) else f"could not be started: {failure}"
            if not kept.first.done():
                kept.first.set_exception(PartFailed(kept.name, trouble, kept.child.log))
            await asyncio.to_thread(kept.child.kill)
            return trouble

    async def _until_it_ends(self, kept: _Kept) -> str:
        child = kept.child
        ready = alive = checked = time.monotonic()
        quiet = False
        while child.exit_code is None:
            await asyncio.sleep(LOOK_EVERY)
            now = time.monotonic()
            if kept.failures and now - ready > STEADY_SECONDS:
                kept.failures, kept.ended = 0, ""
                self._mark_running(kept)
            if now - checked < (LOOK_EVERY if child.part.beats else CHECK_EVERY):
                continue
            checked = now
            if await child.shows_life():
                alive = time.monotonic()
                if quiet:
                    quiet = False
                    self._mark_running(kept)
                continue
            silence, most = time.monotonic() - max(alive, self._awake_since), child.part.silent_for
            if silence > most:
                await asyncio.to_thread(child.kill)
                return f"gave no sign of life for {most:.0f} s and was killed"
            if silence > CHECK_EVERY and not quiet:
                quiet = True
                self._mark(
                    kept,
                    PartState.degraded,
                    f"it runs, but its heartbeat is missing; after {most:.0f} s it is restarted",
                )
        if child.exit_code == 0:
            return STOPPED
        return f"ended with signal {-child.exit_code}" if child.exit_code < 0 else f"ended with code {child.exit_code}"

    async def _notice_sleep(self) -> None:
        looked = time.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY)
            now = time.monotonic()
            if now - looked > ASLEEP_SECONDS:
                self._awake_since = now
            looked = now

    async def _keep_house(self) -> None:
        """Rotate the logs, and write state.json again if the last write failed, as on a full disk."""
        trouble = ""
        while True:
            if not self._state_is_written:
                self._write_state()
            before = trouble
            try:
                await asyncio.to_thread(rotate_all, self._home / "logs")
                trouble = ""
            except OSError as error:
                trouble = f"the logs are not rotated: {error}"
            if trouble and trouble != before:
                self._say(trouble)
            await asyncio.sleep(KEEP_HOUSE_EVERY)

    def _mark_running(self, kept: _Kept) -> None:
        self._mark(kept, PartState.running, f"{kept.ended}, and runs again" if kept.ended else "")

    def _mark(self, kept: _Kept, state: PartState, detail: str = "") -> None:
        """A process that fails again and again is degraded, whatever it does now, until it has run for STEADY_SECONDS."""
        if kept.failures >= FAILING_AFTER:
            state, detail = PartState.degraded, f"{kept.failures} failures in a row; {detail or 'it runs again'}"
        kept.state, kept.detail = state, detail
        HEALTH.report("part", kept.name, state, detail, f"read {kept.child.log}" if state is PartState.degraded else "")
        self._write_state()

    def _write_state(self) -> None:
        state = {
            each.name: {
                "pid": each.child.pid,
                "port": each.child.part.port,
                "started": each.started.isoformat(),
                "state": each.state,
                "detail": each.detail,
            }
            for each in self._kept.values()
            if each.started is not None
        }
        fresh = self._home / "state.json.new"
        try:
            fresh.write_text(json.dumps(state, indent=1))
            fresh.replace(self._home / "state.json")
            self._state_is_written = True
        except OSError as error:
            self._state_is_written = False
            self._say(f"state.json was not written: {error}")

    def _say(self, line: str) -> None:
        """Output may go to a file on a full disk, or to a terminal that cannot encode a character: then only the line is lost."""
        with suppress(OSError, ValueError):
            self._tell(line)


def read_state(home: Path) -> dict[str, dict[str, Any]]:
    """The processes that the supervisor of this home started last; empty when it is stopped. After kill -9 a pid may be dead."""
    path = home / "state.json"
    return json.loads(path.read_text()) if path.exists() else {}
