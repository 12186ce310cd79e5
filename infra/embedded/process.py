"""An owned child process: it logs to a file, has a pid file, shows signs of life, and dies with its owner.

`ProcessPart` says what to run and how its readiness is checked; `Child` is one running instance. The supervisor and the
servers of the tests use both.
"""

import asyncio
import ctypes
import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from infra import heartbeat

PR_SET_PDEATHSIG = 1
CHECK_WITHIN = 10.0
TAIL_BYTES = 64 * 1024
"""Bytes at the end of a log in which its last lines are searched."""
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None
Ready = Callable[[], Awaitable[bool]]


class PartFailed(Exception):
    """A part ended, or did not become ready in time."""

    code = "part-failed"

    def __init__(self, name: str, what: str, log: Path) -> None:
        super().__init__(f"{name} {what}; its last lines, from {log}:\n{tail(log)}")
        self.name = name
        self.what = what


@dataclass(frozen=True, kw_only=True)
class ProcessPart:
    """What to run. `ready` answers quickly and never raises; without it the first heartbeat says that it is ready.

    Times are seconds. A part that has given no sign of life for `silent_for` hangs. The sign is the heartbeat of a part
    that `beats`, and `ready` of any other.
    """

    name: str
    command: tuple[str, ...]
    ready: Ready | None = None
    beats: bool = False
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int | None = None
    user: pwd.struct_passwd | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    ready_within: float = 60.0
    stop_within: float = 20.0
    silent_for: float = 60.0


class Child:
    """One running instance of a part. Start it from a thread that outlives it: on Linux the child dies with that
    thread."""

    def __init__(self, part: ProcessPart, home: Path) -> None:
        self.part = part
        self.log = home / "logs" / f"{part.name}.log"
        self.pid_file = home / "run" / f"{part.name}.pid"
        self._process: subprocess.Popen[bytes] | None = None
        self._heartbeat: int | None = None

    def start(self) -> None:
        stop_leftover(self.pid_file, self.part)
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        user = self.part.user
        self._close_heartbeat()
        environment = {**os.environ, **self.part.environment}
        hands: tuple[int, ...] = ()
        if self.part.beats:
            self._heartbeat, hand = os.pipe()
            os.set_blocking(self._heartbeat, False)
            os.set_blocking(hand, False)
            hands = (hand,)
            # before a hanging process is killed, it is asked where it hangs
            environment |= {heartbeat.VARIABLE: str(hand), "PYTHONFAULTHANDLER": "1"}
        try:
            with self.log.open("ab") as log:
                self._process = subprocess.Popen(
                    self.part.command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env=environment,
                    user=user.pw_uid if user else None,
                    group=user.pw_gid if user else None,
                    extra_groups=[] if user else None,
                    pass_fds=hands,
                    # its own session: Ctrl-C in the terminal reaches only the owner, which stops the parts in order
                    start_new_session=True,
                    preexec_fn=_die_with(os.getpid(), self.part.stop_signal) if _libc else None,
                )
        finally:
            for hand in hands:
                os.close(hand)
        self.pid_file.write_text(f"{self.pid} {psutil.Process(self.pid).create_time()}")

    @property
    def pid(self) -> int:
        assert self._process is not None, "not started"
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code: None while it runs; negative: the signal that ended it."""
        return self._process.poll() if self._process else None

    async def wait_ready(self) -> None:
        """Wait until it is ready. Raise PartFailed if it ends or is not ready in time."""
        deadline = time.monotonic() + self.part.ready_within
        while not await self.is_ready():
            if self.exit_code is not None:
                raise PartFailed(self.part.name, f"ended with {self.exit_code} while starting", self.log)
            if time.monotonic() > deadline:
                raise PartFailed(self.part.name, f"was not ready in {self.part.ready_within:.0f} s", self.log)
            await asyncio.sleep(0.05)

    async def is_ready(self) -> bool:
        return await self.part.ready() if self.part.ready else self.has_beaten()

    async def shows_life(self) -> bool:
        """Whether it has shown a sign of life since the last call."""
        if self.part.beats:
            return self.has_beaten()
        try:
            async with asyncio.timeout(CHECK_WITHIN):
                return await self.is_ready()
        except (OSError, TimeoutError):
            return False

    def has_beaten(self) -> bool:
        """Whether there was a heartbeat since the last call."""
        if self._heartbeat is None:
            return False
        try:
            return len(os.read(self._heartbeat, 1 << 20)) > 0
        except BlockingIOError:
            return False

    def ask_to_stop(self) -> None:
        if self.exit_code is None and self._process is not None:
            self._process.send_signal(self.part.stop_signal)

    def stop(self) -> bool:
        """Stop it and wait. Return True if it ended by itself, False if it had to be killed."""
        self.ask_to_stop()
        went = True
        if self._process is not None:
            try:
                self._process.wait(self.part.stop_within)
            except subprocess.TimeoutExpired:
                went = False
                self.kill()
        self._close_heartbeat()
        self.pid_file.unlink(missing_ok=True)
        return went

    def kill(self) -> None:
        """Kill it with all processes that it started. A part that `beats` first writes into its log where it hangs, if
        it still can."""
        if self._process is None or self.exit_code is not None:
            return
        family: list[psutil.Process] = []
        with suppress(psutil.NoSuchProcess):
            family = psutil.Process(self.pid).children(recursive=True)
        if self.part.beats:
            self._process.send_signal(signal.SIGABRT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
        self._process.kill()
        for each in family:
            with suppress(psutil.NoSuchProcess):
                each.kill()
        self._process.wait()

    def _close_heartbeat(self) -> None:
        if self._heartbeat is not None:
            os.close(self._heartbeat)
            self._heartbeat = None


def stop_leftover(pid_file: Path, part: ProcessPart) -> None:
    """Stop the instance that a killed owner left behind. A process that now has its pid is not touched."""
    if not pid_file.exists():
        return
    try:
        pid, created = pid_file.read_text().split()
        process = psutil.Process(int(pid))
        if abs(process.create_time() - float(created)) < 0.1:
            process.send_signal(part.stop_signal)
            try:
                process.wait(part.stop_within)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait(5)
    except (psutil.NoSuchProcess, ValueError):
        pass  # either the process is gone, or the pid file is incomplete because the disk was full
    pid_file.unlink(missing_ok=True)


def tail(log: Path, lines: int = 12) -> str:
    """The last lines of a log, or why they cannot be read. It raises nothing, because it is used to report another
    error."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL_BYTES))
            return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])
    except OSError as error:
        return f"(the log cannot be read: {error})"


def _die_with(owner: int, number: signal.Signals) -> Callable[[], None]:
    """Return a function that the child runs before exec. After it the kernel sends the signal `number` to the child when the
    owner dies, even by kill -9."""

    def bind() -> None:
        assert _libc is not None
        _libc.prctl(PR_SET_PDEATHSIG, int(number))
        if os.getppid() != owner:
            os._exit(1)

    return bind
