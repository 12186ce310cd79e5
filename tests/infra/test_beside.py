"""Processes beside the market end with it."""

import subprocess
import sys

import psutil
import pytest

pytestmark = pytest.mark.servers

BUSY = "import os, time; from infra.beside import end_without; end_without(os.getppid()); print(os.getpid(), flush=True); time.sleep(60)"
OWNER = "import subprocess, sys; subprocess.run([sys.executable, '-c', sys.argv[1]])"


def test_a_command_that_computes_ends_with_the_process_that_began_it() -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER, BUSY], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        child = psutil.Process(int(owner.stdout.readline()))
        owner.kill()
        child.wait(10)
    assert not child.is_running()
