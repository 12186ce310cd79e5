"""Policies of a market in a test: a preset with other numbers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import catalogue
from catalogue.policy import keep_own_in

SHIPPED = Path(catalogue.__file__).parent / "policies"


@contextmanager
def in_force(folder: Path, part: str, numbers: str, *names: str) -> Iterator[None]:
    """Give these presets other ``numbers``, written as in a policy file, in this part for the time of the block.
    ``folder`` is an empty folder for the changed files."""
    for name in names:
        text = (SHIPPED / f"{name}.toml").read_text(encoding="utf-8")
        head = f"\n[{part}]\n"
        changed = text.replace(head, f"{head}{numbers}\n", 1) if head in text else f"{text}{head}{numbers}\n"
        (folder / f"{name}.toml").write_text(changed, encoding="utf-8")
    with _kept_in(folder):
        yield


@contextmanager
def in_force_instead(folder: Path, name: str, other: str) -> Iterator[None]:
    """Give the preset ``name`` the rules of the preset ``other`` for the time of the block."""
    (folder / f"{name}.toml").write_text((SHIPPED / f"{other}.toml").read_text(encoding="utf-8"), encoding="utf-8")
    with _kept_in(folder):
        yield


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    keep_own_in(folder)
    try:
        yield
    finally:
        keep_own_in(None)
