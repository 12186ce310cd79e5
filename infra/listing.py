"""Lists with pages, from tables that grow for years: the work for one page is bounded, however large the table is."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
PAGES = 500
"""The most pages of a list: for a page the database reads all rows before it. Later rows are found with filters."""
COUNTED = 1_000
"""A list is counted up to this number; beyond it a page only says that there are more."""
PLAN_FOR_VALUES = "set local plan_cache_mode = force_custom_plan"
"""To be executed before the queries of a list, in their transaction. The best index depends on the values, so no
generic plan is used."""

OF_WORDS: dict[str, Any] = {"postgresql_using": "gin", "postgresql_with": {"fastupdate": False}}
"""Options of an index for words. New rows are put into it at once: rows that wait outside the index would be read by
every search."""


class Listed(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list. ``total`` is the number of matching rows, or COUNTED if there are ``more``. ``end`` is their
    exact number, or None if they were not all counted."""

    rows: Sequence[T]
    total: int
    more: bool
    end: int | None

    @classmethod
    def of(cls, rows: Sequence[T], counted: int, most: int = COUNTED) -> "Listed[T]":
        """Make the page. ``counted`` may stop at ``most`` + 1 (see :func:`reach`)."""
        return cls(rows, min(counted, COUNTED), counted > COUNTED, counted if counted <= most else None)

    def pages(self, per_page: int) -> int:
        """The number of the last page; if the end of the list is not known, the last page that can be asked for."""
        return last_page(self.end, per_page)


def last_page(things: int | None, per_page: int) -> int:
    """The last page of that many things: 1 if there are none, PAGES if their number is not known."""
    return PAGES if things is None else max(1, min(PAGES, -(-things // per_page)))


def reach(limit: int, offset: int) -> int:
    """How far to count for a page of a list: far enough to know whether another page follows, and where the list ends
    if it ends before this page. The database reads that many rows anyway to find the page."""
    return max(COUNTED, offset + limit)


def as_query(words: str) -> str:
    """For ``to_tsquery('simple', …)``: matches texts that contain all these words, or longer words that begin with
    them. A single letter matches only as a whole word, because the words that begin with it are too many."""
    quoted = ((word, word.replace("\\", "\\\\").replace("'", "''")) for word in words.split())
    return " & ".join(f"'{text}':*" if len(word) > 1 else f"'{text}'" for word, text in quoted)


class ListConditions:
    """Conditions that the rows of a list fulfil together: the SQL and the values of its parameters."""

    def __init__(self, first: str = "true") -> None:
        self._all = [first]
        self.values: list[object] = []

    def add(self, condition: str, value: object) -> None:
        """Add a condition; its ``{}`` stands for the ``value``."""
        self.values.append(value)
        self._all.append(condition.format(f"${len(self.values)}"))

    def __str__(self) -> str:
        return " and ".join(self._all)


async def count(db: Any, rows: str, *values: object, most: int = COUNTED) -> int:
    """The number of ``rows`` of a query on an asyncpg connection, or ``most`` + 1 if there are more than ``most``."""
    found: int = await db.fetchval(f"select count(*) from ({rows} limit {most + 1}) counted", *values)
    return found
