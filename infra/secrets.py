"""Secrets of one installation: made once, stored in files that only their owner can read, never in the repository."""

import os
import secrets
from contextlib import suppress
from pathlib import Path

FOLDERS = ("secrets", "logs", "mail", "kafka", "run")
"""Folders of a home that others must not read. PostgreSQL protects its own folder, whose owner may be another
account."""


def close(home: Path) -> None:
    """Make the home, and allow access only to its owner, also if an earlier release or a wider umask made it."""
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    home.chmod(0o711 if os.geteuid() == 0 else 0o700)  # PostgreSQL under root uses another account, which must pass
    for name in FOLDERS:
        folder = home / name
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)


def secret(folder: Path, name: str) -> str:
    """The secret of that name, which is made at first use."""
    path = folder / name
    if not path.exists():
        keep(path, secrets.token_urlsafe(32).encode())
    return path.read_text()


def keep(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, unless it exists. If two processes start at once, both use the same
    content."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(content)
    with suppress(FileExistsError):
        path.hardlink_to(fresh)
    fresh.unlink()
