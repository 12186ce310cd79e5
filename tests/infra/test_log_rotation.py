"""Rotation under processes that go on writing."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.embedded import logs

WRITER = """
import os, sys
file = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)
for number in range(100_000):
    os.write(file, b"line %d of somebody who never looks back\\n" % number)
"""


def written(log: Path) -> list[bytes]:
    """All lines that are kept, the oldest first."""
    files = [log.with_name(f"{log.name}.{number}") for number in range(logs.KEPT, 0, -1)]
    return b"".join(file.read_bytes() for file in [*files, log] if file.exists()).splitlines()


def test_a_log_is_rotated_under_its_writer_and_no_line_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LIMIT", 2 << 20)
    log = tmp_path / "web.log"
    log.touch()
    with subprocess.Popen([sys.executable, "-c", WRITER, str(log)]) as writer:
        while writer.poll() is None:
            logs.rotate_all(tmp_path)
    assert (tmp_path / "web.log.1").exists()
    numbers = [int(line.split()[1]) for line in written(log)]
    assert numbers == list(range(100_000))


def test_a_file_system_that_cannot_cut_gets_the_log_copied_and_emptied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "_cut_off", lambda file, size: False)
    log = tmp_path / "web.log"
    log.write_bytes(b"first\n" * 300_000)
    logs.rotate(log)
    assert log.read_bytes() == b""
    assert (tmp_path / "web.log.1").read_bytes() == b"first\n" * 300_000


def test_only_the_newest_files_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "LIMIT", 1)
    log = tmp_path / "web.log"
    for number in range(logs.KEPT + 2):
        log.write_text(f"round {number}\n")
        logs.rotate_all(tmp_path)
    kept = sorted(tmp_path.glob("web.log.*"))
    assert [file.read_text() for file in kept] == [f"round {number}\n" for number in range(logs.KEPT + 1, 1, -1)]
