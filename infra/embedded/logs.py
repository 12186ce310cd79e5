"""Log files that do not grow without bound: `web.log` is the newest, then come `web.log.1` (newer) to `web.log.5` (older).

Processes continue to write to their open file, so they need not know of the rotation. If the file system can remove the
beginning of a file (ext4, XFS), no line is lost; elsewhere the file is emptied after it was copied, and a line written
in between is lost.
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
    """Rotate every log in the directory that is larger than the limit."""
    for log in directory.glob("*.log"):
        if log.stat().st_size > LIMIT:
            rotate(log)


def rotate(log: Path) -> None:
    """Move the content of the log to `.1`, and each older file to the next number; the oldest is deleted.

    The older files do not change until the copy is complete: if the disk has no room for it, nothing is lost and the
    log grows on.
    """
    fresh = log.with_name(f"{log.name}.new")
    if fresh.exists():  # left by a rotation that was killed: it may have lines that the log does not have any more
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
    """Copy ``size`` bytes from the current positions; None: to the end."""
    while (size is None or size > 0) and (read := os.read(source, CHUNK)):
        rest = memoryview(read)
        while rest:  # on a disk that becomes full only a part may be written
            rest = rest[os.write(target, rest) :]
        size = None if size is None else size - len(read)


def _cut_off(file: int, size: int) -> bool:
    """Remove the first bytes of a file to which others append. Return False if the file system cannot do this."""
    if _libc is None or size == 0:
        return False
    offset = ctypes.c_int64
    return bool(_libc.fallocate(file, FALLOC_FL_COLLAPSE_RANGE, offset(0), offset(size)) == 0)
