"""Reads rows as values. A row that cannot be read affects no other row.

Two releases run side by side, so a row may hold something that only the newer one knows, such as a new stage. The log
and :data:`infra.health.HEALTH` name the rows that this process could not read for people, until it can read them.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import msgspec

from infra.away import in_short
from infra.health import HEALTH, PartState

log = logging.getLogger(__name__)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
R = TypeVar("R")
BATCH = 500
"""Rows that are read at once in a thread."""
NAMED = 100
"""The most unreadable rows of one kind that are remembered; the newest are kept."""
REMEDY = (
    "run the release that wrote it, or correct the row; this is reported until the process can read the row, or ends"
)

_unread: dict[str, dict[Hashable, str]] = {}
"""The reason why a row could not be read, by kind and key."""


class UnreadableRow(Exception):
    """The row that was asked for exists, but this release cannot read it."""

    code = "unreadable-row"


@dataclass(frozen=True)
class UnreadableKey(Generic[K]):
    """There is a row with this key that cannot be read."""

    key: K
    error: Exception


def readable(rows: Iterable[R], key: Callable[[R], K], read: Callable[[R], T]) -> list[T | UnreadableKey[K]]:
    """The results of ``read`` for each row; for a row on which it fails, an UnreadableKey."""
    found: list[T | UnreadableKey[K]] = []
    for row in rows:
        try:
            found.append(read(row))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said with the key
            found.append(UnreadableKey(key(row), error))
    return found


def listed(what: str, rows: Iterable[R], key: Callable[[R], K], read: Callable[[R], T]) -> list[T]:
    """The rows that can be read, for lists on pages. For each other row the log and health name it as a ``what`` and
    give the reason."""
    found: list[T] = []
    for row in rows:
        try:
            found.append(read_one(what, key(row), read, row))
        except UnreadableRow:  # it is reported already
            continue
    return found


def read_one(what: str, key: Hashable, read: Callable[[R], T], row: R) -> T:
    """The row of a page about one ``what``. If it cannot be read, raise UnreadableRow, and log and health say so."""
    try:
        found = read(row)
    except Exception as error:
        why = in_short(error)
        _unread.setdefault(what, {})[key] = why
        if len(_unread[what]) > NAMED:
            del _unread[what][next(iter(_unread[what]))]
        _report(what)
        log.error("%s %s cannot be read: %s", what, key, why)
        raise UnreadableRow(f"{what} {key} cannot be read: {why}") from error
    if _unread.get(what, {}).pop(key, None):
        _report(what)
    return found


def read_json(what: str, key: Hashable, text: str | bytes, shape: type[T]) -> T:
    """Return the value that a row has as JSON. Raise UnreadableRow, as :func:`read_one` does."""
    return read_one(what, key, lambda text: msgspec.json.decode(text, type=shape), text)


async def read_apart(what: str, rows: Sequence[R], key: Callable[[R], Hashable], read: Callable[[R], T]) -> list[T]:
    """:func:`read_one` of many rows, which are read in a thread: nobody else waits for it."""
    found = await _apart(what, rows, key, read)
    return [read_one(what, name, revealed, each) for name, each in found]


async def listed_apart(what: str, rows: Sequence[R], key: Callable[[R], Hashable], read: Callable[[R], T]) -> list[T]:
    """:func:`listed` of many rows, which are read in a thread: nobody else waits for it."""
    found = await _apart(what, rows, key, read)
    return listed(what, found, lambda pair: pair[0], lambda pair: revealed(pair[1]))


def lines(what: str, rows: Iterable[R], key: Callable[[R], K], read: Callable[[R], T]) -> list[T | UnreadableKey[K]]:
    """For histories that people read, where each line has its place: what can be read, and of the other rows that they are there.
    Log and health say which they are, and why."""
    found: list[T | UnreadableKey[K]] = []
    for row in rows:
        try:
            found.append(read_one(what, key(row), read, row))
        except UnreadableRow as error:
            found.append(UnreadableKey(key(row), error))
    return found


def revealed(found: Any) -> Any:
    """What :func:`readable` made of a row. Raise what ``read`` raised."""
    if isinstance(found, UnreadableKey):
        raise found.error
    return found


async def _apart(
    what: str, rows: Sequence[R], key: Callable[[R], Hashable], read: Callable[[R], T]
) -> list[tuple[Hashable, T | UnreadableKey[Hashable]]]:
    found: list[T | UnreadableKey[Hashable]] = []
    for start in range(0, len(rows), BATCH):
        found += await asyncio.to_thread(readable, rows[start : start + BATCH], key, read)
    return [(key(row), each) for row, each in zip(rows, found, strict=True)]


def _report(what: str) -> None:
    if rows := _unread[what]:
        key, why = next(reversed(rows.items()))
        many = f"{NAMED} or more" if len(rows) == NAMED else str(len(rows))
        HEALTH.report(
            "rows", what, PartState.degraded, f"{many} cannot be read, the last {what} {key}: {why}", REMEDY, apart=True
        )
    else:
        HEALTH.report("rows", what, PartState.running)
