"""Rows as values, where a row that cannot be read costs itself alone.

Two releases run side by side: a row may hold what only the newer one knows, such as a stage of its own.
"""

import logging
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from infra.away import in_short

log = logging.getLogger(__name__)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


@dataclass(frozen=True)
class Unreadable(Generic[K]):
    """There is a row of this key, and it cannot be read."""

    key: K
    error: Exception


def readable(rows: Iterable[R], key: Callable[[R], K], read: Callable[[R], T]) -> list[T | Unreadable[K]]:
    """What ``read`` makes of each row; a row that it fails on costs itself alone."""
    found: list[T | Unreadable[K]] = []
    for row in rows:
        try:
            found.append(read(row))
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said with the key
            found.append(Unreadable(key(row), error))
    return found


def listed(what: str, rows: Iterable[R], key: Callable[[R], K], read: Callable[[R], T]) -> list[T]:
    """For lists that people read: what can be read. Of a row that cannot, the log says which of ``what`` it is, and why."""
    found: list[T] = []
    for each in readable(rows, key, read):
        if isinstance(each, Unreadable):
            log.error("%s %s cannot be read and is left out of a list: %s", what, each.key, in_short(each.error))
        else:
            found.append(each)
    return found
