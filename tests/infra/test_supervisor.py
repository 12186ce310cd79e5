"""The supervisor on real, tiny processes."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from infra import supervisor
from infra.embedded.process import Child, Part, PartFailed
from infra.supervisor import GivenUp, Supervisor, read_state

pytestmark = pytest.mark.servers

FOREVER = ("sleep", "60")


async def at_once() -> bool:
    return True


def a_part(name: str = "part", command: tuple[str, ...] = FOREVER, stop_within: float = 5.0) -> Part:
    return Part(name=name, command=command, ready=at_once, stop_within=stop_within)


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_crashed_part_is_started_again_and_said(tmp_path: Path) -> None:
    said: list[str] = []
    keeper = Supervisor(tmp_path, said.append)
    await keeper.start([a_part()])
    first = read_state(tmp_path)["part"]["pid"]
    os.kill(first, signal.SIGKILL)
    await until(lambda: read_state(tmp_path)["part"]["pid"] != first)
    assert psutil.pid_exists(read_state(tmp_path)["part"]["pid"])
    assert any("CRASH: part ended with signal 9" in line for line in said)
    await keeper.stop()
    assert read_state(tmp_path) == {}


async def test_a_part_that_crashes_again_and_again_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "CRASHES_FORGIVEN", 1)
    keeper = Supervisor(tmp_path, lambda line: None)
    await keeper.start([a_part(command=("sh", "-c", "echo why it crashed; exit 3"))])
    with pytest.raises(GivenUp, match="why it crashed"):
        await asyncio.wait_for(keeper.watch(), 5)
    await keeper.stop()


async def test_a_part_that_ends_while_starting_fails_with_its_last_lines(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    part = Part(name="part", command=("sh", "-c", "echo no such setting; exit 2"), ready=never)
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
