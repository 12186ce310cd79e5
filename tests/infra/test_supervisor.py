"""The supervisor on real, tiny processes."""

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from infra import supervisor
from infra.embedded.process import Child, PartFailed, ProcessPart
from infra.health import HEALTH, PartState
from infra.supervisor import Supervisor, read_state

pytestmark = pytest.mark.servers

FOREVER = ("sleep", "60")


async def at_once() -> bool:
    return True


def a_part(name: str = "part", command: tuple[str, ...] = FOREVER, stop_within: float = 5.0) -> ProcessPart:
    return ProcessPart(name=name, command=command, ready=at_once, stop_within=stop_within)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_crashed_part_is_reported_and_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = Supervisor(tmp_path, said.append)
    await keeper.start([a_part()])
    first = read_state(tmp_path)["part"]["pid"]
    os.kill(first, signal.SIGKILL)
    await until(lambda: read_state(tmp_path)["part"]["pid"] != first)
    assert psutil.pid_exists(read_state(tmp_path)["part"]["pid"])
    assert any("CRASH: part ended with signal 9" in line for line in said)
    await until(lambda: read_state(tmp_path)["part"]["state"] == "running")
    detail = read_state(tmp_path)["part"]["detail"]
    assert re.fullmatch(r"ended with signal 9 at \d\d:\d\d:\d\d UTC, and runs again", detail)
    await keeper.stop()
    assert read_state(tmp_path) == {}


async def test_a_part_that_somebody_asked_to_end_did_not_crash_and_is_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = Supervisor(tmp_path, said.append)
    obliging = "import signal, time; signal.signal(signal.SIGTERM, lambda *_: exit(0)); print('on', flush=True); time.sleep(60)"
    await keeper.start([a_part(command=(sys.executable, "-c", obliging))])
    first = read_state(tmp_path)["part"]["pid"]
    await until(lambda: "on" in (tmp_path / "logs/part.log").read_text())
    os.kill(first, signal.SIGTERM)
    await until(lambda: read_state(tmp_path)["part"]["pid"] != first)
    assert any("part stopped normally" in line for line in said)
    assert not any("CRASH" in line for line in said)
    await keeper.stop()


async def test_a_part_that_crashes_again_and_again_is_marked_as_failing_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE", 0.01)
    said: list[str] = []
    keeper = Supervisor(tmp_path, said.append)
    await keeper.start([a_part("sound"), a_part("sick", ("sh", "-c", "echo why it crashed; sleep 0.1; exit 3"))])
    sound = read_state(tmp_path)["sound"]["pid"]
    await until(lambda: any("FAILING: sick" in line for line in said), 15)
    tried = len(said)
    await until(lambda: len(said) > tried + 3, 15)
    assert any("FAILING: sick has failed 5 times in a row" in line and "why it crashed" in line for line in said)
    state = read_state(tmp_path)
    assert state["sick"]["state"] == "degraded"
    assert "failures in a row" in state["sick"]["detail"]
    assert (state["sound"]["state"], state["sound"]["pid"]) == ("running", sound)
    assert psutil.pid_exists(sound)
    states = {each.name: each.state for each in HEALTH if each.kind == "part"}
    assert (states["sick"], states["sound"]) == (PartState.degraded, PartState.running)
    await keeper.stop()


async def test_a_part_that_failed_often_and_then_runs_for_long_is_sound_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FAILING_AFTER", 1)
    monkeypatch.setattr(supervisor, "STEADY_SECONDS", 0.3)
    keeper = Supervisor(tmp_path, lambda line: None)
    await keeper.start([a_part()])
    os.kill(read_state(tmp_path)["part"]["pid"], signal.SIGKILL)
    await until(lambda: read_state(tmp_path)["part"]["state"] == "degraded")
    await until(lambda: read_state(tmp_path)["part"]["state"] == "running")
    assert read_state(tmp_path)["part"]["detail"] == ""
    await keeper.stop()


BEATING = """
import asyncio, sys
from infra.heartbeat import beat
async def work():
    beating = asyncio.create_task(beat())
    await asyncio.sleep(float(sys.argv[1]))
    import time
    time.sleep(60)  # the event loop turns no more
asyncio.run(work())
"""


def a_beating_part(loop_turns_for: float = 60, silent_for: float = 2.0) -> ProcessPart:
    command = (sys.executable, "-c", BEATING, str(loop_turns_for))
    return ProcessPart(name="part", command=command, beats=True, silent_for=silent_for, stop_within=5)


async def test_a_frozen_process_is_killed_and_started_again(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = Supervisor(tmp_path, said.append)
    await keeper.start([a_beating_part()])
    frozen = read_state(tmp_path)["part"]["pid"]
    os.kill(frozen, signal.SIGSTOP)
    await until(lambda: read_state(tmp_path)["part"]["pid"] != frozen, 20)
    assert not psutil.pid_exists(frozen)
    assert any("CRASH: part gave no sign of life for 2 s and was killed" in line for line in said)
    await keeper.stop()


async def test_a_frozen_event_loop_is_killed_and_its_log_says_where_it_hung(tmp_path: Path) -> None:
    keeper = Supervisor(tmp_path, lambda line: None)
    await keeper.start([a_beating_part(loop_turns_for=0.5)])
    frozen = read_state(tmp_path)["part"]["pid"]
    await until(lambda: read_state(tmp_path)["part"]["pid"] != frozen, 20)
    assert "in work" in (tmp_path / "logs" / "part.log").read_text()
    await keeper.stop()


async def test_a_supervisor_that_was_asleep_kills_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the machine was suspended or the supervisor was stopped, silence of the parts is counted from when it runs
    again."""
    monkeypatch.setattr(supervisor, "ASLEEP_SECONDS", 0.5)
    keeper = Supervisor(tmp_path, lambda line: None)
    await keeper.start([a_beating_part(silent_for=1.5)])
    pid = read_state(tmp_path)["part"]["pid"]
    os.kill(pid, signal.SIGSTOP)
    time.sleep(3)  # noqa: ASYNC251 - the whole process sleeps, the supervisor in it
    os.kill(pid, signal.SIGCONT)
    await asyncio.sleep(2)
    assert read_state(tmp_path)["part"]["pid"] == pid
    await keeper.stop()


async def test_a_server_without_heartbeat_is_asked_whether_it_is_ready(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "CHECK_EVERY", 0.1)
    answers = True

    async def ready() -> bool:
        if not answers:
            raise OSError("not even a socket is left to ask with")
        return True

    keeper = Supervisor(tmp_path, lambda line: None)
    await keeper.start([ProcessPart(name="part", command=FOREVER, ready=ready, silent_for=0.5)])
    silent = read_state(tmp_path)["part"]["pid"]
    answers = False
    await until(lambda: not psutil.pid_exists(silent), 10)
    answers = True
    await until(lambda: read_state(tmp_path)["part"]["state"] == "running")
    await keeper.stop()


async def test_a_supervisor_whose_output_and_home_have_no_room_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    keeper = Supervisor(tmp_path, full)
    await keeper.start([a_part()])
    first = read_state(tmp_path)["part"]["pid"]
    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", full)
        os.kill(first, signal.SIGKILL)
        await until(lambda: not psutil.pid_exists(first))
        await asyncio.sleep(1)
    await until(lambda: read_state(tmp_path)["part"]["pid"] != first, 10)
    await keeper.stop()


async def test_a_part_is_started_again_whatever_its_keeper_fails_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cases: its log cannot be read, it cannot be killed, its pid file is damaged, a line cannot be printed, it has
    failed for a day."""
    failures = 0
    first = 0

    def tell(line: str) -> None:
        if "FAILING" in line:
            raise UnicodeEncodeError("ascii", line, 0, 1, "not in this terminal")

    async def ready() -> bool:
        raise RuntimeError("the check itself fails")

    def cannot_be_killed(child: Child) -> None:
        nonlocal failures
        failures += 1
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(supervisor, "LONGEST_PAUSE", 0.01)
    keeper = Supervisor(tmp_path, tell)
    await keeper.start([a_part()])
    kept = keeper._kept["part"]
    kept.failures = 3000
    first = kept.child.pid
    kept.child.log.unlink()
    kept.child.log.mkdir()
    kept.child.pid_file.write_text("12")
    sound = kept.child.part
    with monkeypatch.context() as trouble:
        trouble.setattr(Child, "kill", cannot_be_killed)
        kept.child.part = replace(sound, ready=ready)
        os.kill(first, signal.SIGKILL)
        await until(lambda: failures > 3)
    kept.child.log.rmdir()
    kept.child.part = sound
    await until(lambda: kept.child.exit_code is None and kept.child.pid != first and kept.state is PartState.degraded)
    await until(lambda: psutil.pid_exists(read_state(tmp_path)["part"]["pid"]))
    await keeper.stop()


async def test_a_leftover_process_of_one_part_does_not_delay_the_others(tmp_path: Path) -> None:
    """The leftover process ignores the signal to end, and is killed after some seconds."""
    stubborn = a_part("first", ("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"), stop_within=3)
    left = Child(stubborn, tmp_path)
    left.start()
    await asyncio.sleep(0.2)
    keeper = Supervisor(tmp_path, lambda line: None)
    starting = asyncio.create_task(keeper.start([a_part("first"), a_part("second")]))
    await until(lambda: keeper._kept.keys() == {"first", "second"} and keeper._kept["second"].first.done())
    assert not starting.done(), "the second is ready while the leftover of the first is still waited for"
    await starting
    await keeper.stop()


async def test_a_part_that_ends_while_starting_fails_with_its_last_lines(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    part = ProcessPart(name="part", command=("sh", "-c", "echo no such setting; exit 2"), ready=never)
    keeper = Supervisor(tmp_path, lambda line: None)
    with pytest.raises(PartFailed, match="no such setting"):
        await keeper.start([part])
    await keeper.stop()


async def test_parts_stop_in_reverse_order_and_a_stubborn_one_is_killed(tmp_path: Path) -> None:
    said: list[str] = []
    stubborn = ("sh", "-c", "trap '' TERM; while :; do sleep 0.05; done")
    keeper = Supervisor(tmp_path, said.append)
    await keeper.start([a_part("first", stubborn, stop_within=0.3)])
    await keeper.start([a_part("second")])
    await asyncio.sleep(0.1)
    pids = [part["pid"] for part in read_state(tmp_path).values()]
    await keeper.stop()
    assert [line for line in said if "stop" in line] == [
        "stopping second",
        "stopping first",
        "first did not stop in 0 s and was killed",
    ]
    assert not any(psutil.pid_exists(pid) for pid in pids)


OWNER = """
import sys, time
from pathlib import Path
from tests.infra.test_supervisor import Child, a_part
child = Child(a_part(), Path(sys.argv[1]))
child.start()
print(child.pid, flush=True)
time.sleep(60)
"""


def test_children_die_with_an_owner_that_was_killed(tmp_path: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    child = psutil.Process(int(owner.stdout.readline()))
    assert child.status() != psutil.STATUS_ZOMBIE
    owner.kill()
    owner.wait()
    deadline = time.monotonic() + 5
    while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child outlives its owner"
        time.sleep(0.02)


def test_what_a_killed_owner_left_is_stopped_at_the_next_start(tmp_path: Path) -> None:
    left = Child(a_part(), tmp_path)
    left.start()
    fresh = Child(a_part(), tmp_path)
    fresh.start()
    assert not psutil.pid_exists(left.pid)
    assert fresh.exit_code is None
    fresh.stop()


async def test_a_part_that_is_silent_is_named_while_it_is_and_no_longer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "CHECK_EVERY", 0.1)
    answers = True

    async def ready() -> bool:
        return answers

    keeper = Supervisor(tmp_path, lambda line: None)
    await keeper.start([ProcessPart(name="part", command=FOREVER, ready=ready, silent_for=60)])
    pid = read_state(tmp_path)["part"]["pid"]
    answers = False
    await until(lambda: read_state(tmp_path)["part"]["state"] == "degraded")
    assert "its heartbeat is missing" in read_state(tmp_path)["part"]["detail"]
    answers = True
    await until(lambda: read_state(tmp_path)["part"]["state"] == "running")
    assert read_state(tmp_path)["part"]["pid"] == pid
    await keeper.stop()
