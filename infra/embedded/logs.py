"""Log files that do not grow without bound: `web.log` is the newest, then come `web.log.1` (newer) to `web.log.5` (older).

Processes go on writing to the file they have open, so that none of them needs to know of it. Where the file system can cut the beginning
off a file (ext4, XFS) no line is lost; elsewhere the file is emptied after it was copied, and a line that comes in between is lost.
"""

import ctypes
import os
import sys
from pathlib import Path

LIMIT = 10 << 20
"""Bytes after which a file is rotated."""
KEPT = 5
CHUNK = 1 << 20
"""Bytes copied at once; a multiple of every file system's block."""

FALLOC_FL_COLLAPSE_RANGE = 8
_libc = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def rotate_all(directory: Path) -> None:
    """Rotate every log in the directory that has outgrown the limit."""
    for log in directory.glob("*.log"):
        if log.stat().st_size > LIMIT:
            rotate(log)


def rotate(log: Path) -> None:
    """Move what the log holds to `.1`, and each older file one further; the oldest is deleted.

    The older files stay as they are until the copy is whole: where there is no room for it nothing is lost, and the log grows on.
    """
    fresh = log.with_name(f"{log.name}.new")
    if fresh.exists():  # of a rotation that was killed: it may hold what the log does not hold any more
        _shift(log, fresh)
    source = os.open(log, os.O_RDWR)
    target = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        whole = os.fstat(source).st_size // CHUNK * CHUNK
        _copy(source, target, whole)
        if not _cut_off(source, whole):
            _copy(source, target, None)
            os.ftruncate(source, 0)
    except OSError:
        fresh.unlink()
        raise
    finally:
        os.close(source)
        os.close(target)
    _shift(log, fresh)


def _shift(log: Path, fresh: Path) -> None:
    numbered = [log.with_name(f"{log.name}.{number}") for number in range(1, KEPT + 1)]
    for older, newer in zip(numbered[:0:-1], numbered[-2::-1], strict=True):
        if newer.exists():
            newer.replace(older)
    fresh.replace(numbered[0])


def _copy(source: int, target: int, size: int | None) -> None:
    """So many bytes from where both are; None: to the end."""
    while (size is None or size > 0) and (read := os.read(source, CHUNK)):
        rest = memoryview(read)
        while rest:  # on a disk that fills up only a part may be written
            rest = rest[os.write(target, rest) :]
        size = None if size is None else size - len(read)


def _cut_off(file: int, size: int) -> bool:
    """Remove the first bytes of a file that others append to; False where the file system cannot."""
    if _libc is None or size == 0:
        return False
    offset = ctypes.c_int64
    return bool(_libc.fallocate(file, FALLOC_FL_COLLAPSE_RANGE, offset(0), offset(size)) == 0)
