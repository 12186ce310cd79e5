"""Lists that people leaf through, of tables that grow for years: what they read is bounded, however much there is."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

T = TypeVar("T")
PAGES = 500
"""Pages that a list can be leafed through: the database walks over all that stands before a page. Filters lead to what lies deeper."""
COUNTED = 1_000
"""Of a list it is said how many there are up to here, and that there are more."""
PLAN_FOR_VALUES = "set local plan_cache_mode = force_custom_plan"
"""Before the queries of a list, in their transaction: which index answers them depends on what is asked for, so no plan is made once for
all values."""

OF_WORDS: dict[str, Any] = {"postgresql_using": "gin", "postgresql_with": {"fastupdate": False}}
"""Options of an index that words are looked up in. New rows go into it at once: while some wait beside it, all who search read them."""


class Listed(msgspec.Struct, Generic[T], frozen=True):
    """One page of a list. ``total`` counts all that fits, or is COUNTED where there is ``more`` than that. ``end`` is how many there
    are, None where it was not counted so far."""

    rows: Sequence[T]
    total: int
    more: bool
    end: int | None

    @classmethod
    def of(cls, rows: Sequence[T], counted: int, most: int = COUNTED) -> "Listed[T]":
        """``counted`` may stop at the first that is more than ``most`` (see :func:`reach`)."""
        return cls(rows, min(counted, COUNTED), counted > COUNTED, counted if counted <= most else None)

    def pages(self, per_page: int) -> int:
        """The last page; of a list whose end is not known the last that can be asked for."""
        return last_page(self.end, per_page)


def last_page(things: int | None, per_page: int) -> int:
    """Of so many things: 1 of none, PAGES where it is not known how many there are."""
    return PAGES if things is None else max(1, min(PAGES, -(-things // per_page)))


def reach(limit: int, offset: int) -> int:
    """How far to count beside a page of a list: so far that what is counted tells whether another page follows, and where the list ends
    if it ends before this page. The database has walked over as much to find the page."""
    return max(COUNTED, offset + limit)


def as_query(words: str) -> str:
    """For ``to_tsquery('simple', …)``: texts that have all these words, or longer ones that begin with them. A single letter is a word
    by itself: what begins with it is nearly all there is, and would all be read."""
    quoted = ((word, word.replace("\\", "\\\\").replace("'", "''")) for word in words.split())
    return " & ".join(f"'{text}':*" if len(word) > 1 else f"'{text}'" for word, text in quoted)


class Conditions:
    """What the rows of a list fulfil, all of it: SQL, and the values that it is asked with."""

    def __init__(self, first: str = "true") -> None:
        self._all = [first]
        self.values: list[object] = []

    def add(self, condition: str, value: object) -> None:
        """``condition`` has ``{}`` where the ``value`` is compared."""
        self.values.append(value)
        self._all.append(condition.format(f"${len(self.values)}"))

    def __str__(self) -> str:
        return " and ".join(self._all)


async def count(db: Any, rows: str, *values: object, most: int = COUNTED) -> int:
    """How many ``rows`` has, a query of an asyncpg connection, or one more than ``most`` where there are more."""
    found: int = await db.fetchval(f"select count(*) from ({rows} limit {most + 1}) counted", *values)
    return found
