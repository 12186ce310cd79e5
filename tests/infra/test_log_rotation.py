"""Rotation of logs while processes write to them."""

import errno
import os
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
    """All kept lines, oldest first."""
    files = [log.with_name(f"{log.name}.{number}") for number in range(logs.KEPT, 0, -1)]
    return b"".join(file.read_bytes() for file in [*files, log] if file.exists()).splitlines()


@pytest.mark.servers
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


@pytest.mark.parametrize("room", [0, 1 << 20, (1 << 20) + 100])
def test_a_full_disk_costs_no_older_file_and_no_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, room: int
) -> None:
    """As in a real file system, bytes are written while there is room; then there is no space left."""
    log = tmp_path / "web.log"
    log.write_bytes(b"newest\n" * 400_000)
    for number in range(1, logs.KEPT + 1):
        log.with_name(f"web.log.{number}").write_text(f"older {number}\n")
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    write = os.write
    for _ in range(logs.KEPT + 1):
        left = room

        def on_a_full_disk(file: int, data: bytes) -> int:
            nonlocal left
            if left == 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            written = write(file, data[:left])
            left -= written
            return written

        with monkeypatch.context() as disk:
            disk.setattr(os, "write", on_a_full_disk)
            with pytest.raises(OSError, match="No space left"):
                logs.rotate(log)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before
    logs.rotate(log)
    assert (tmp_path / "web.log.2").read_text() == "older 1\n"
    assert b"".join(written(log)[-400_000:]) == b"newest" * 400_000


def test_what_a_killed_rotation_left_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "web.log"
    log.write_text("after\n")
    (tmp_path / "web.log.new").write_text("before\n")
    logs.rotate(log)
    assert written(log) == [b"before", b"after"]
