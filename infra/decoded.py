"""Rows that were read lately, each version decoded once: what is in a row may be megabytes of JSON, and anybody may ask for it again
and again. What is large is decoded in a thread, so that nobody else waits for it."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from infra.database import Transaction
from infra.reading import read_one

T = TypeVar("T")
ON_LOOP = 50_000
"""Letters of JSON that are decoded where everybody waits for it."""
HELD = 8_000_000
"""Letters of JSON of which the values of one table are held at most, but for the one that was read last."""
_STAMP = "xmin::text || ctid::text || ':' || pg_column_size(state)"
"""Another one after every write of the row."""


class Decoded(Generic[T]):
    """Of a table with a ``state`` of JSON, by key: the row's stamp, the size of its state, and what ``read`` makes of the state and of
    the row's other ``columns``. It may be called in a thread."""

    def __init__(self, what: str, table: str, key: str, columns: str, read: Callable[[str, Any], T]) -> None:
        self._what = what
        self._one = f"from {table} where {key} = $1"
        self._columns = columns
        self._read = read
        self._rows: OrderedDict[str, tuple[str, int, T]] = OrderedDict()
        self._size = 0
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, db: Any, key: str) -> T | None:
        """What was read before comes without its state, as long as nobody wrote the row since. Many who ask at once let it be decoded
        once. ``db`` is asyncpg's connection or pool. Raises UnreadableRow."""
        turn = self._turns.get(key)
        if turn is None:
            self._turns[key] = turn = asyncio.Lock()
        async with turn:
            return await self._get(db, key)

    async def lock(self, tx: Transaction, key: str) -> T | None:
        """As :meth:`get`, with the row locked, and waiting for no other reader."""
        return await self._get(await tx.raw(), key, " for update")

    async def _get(self, db: Any, key: str, how: str = "") -> T | None:
        row = await db.fetchrow(
            f"select {self._columns}, {_STAMP} as stamp, case when {_STAMP} is distinct from $2 then state::text end as state"
            f" {self._one}{how}",
            key,
            self.stamp(key),
        )
        if row is None:
            return None
        if row["state"] is None and (held := self.held(key, row["stamp"])) is not None:
            return held
        state = row["state"] or await db.fetchval(f"select state::text {self._one}", key)
        read: T | Exception
        try:
            read = await asyncio.to_thread(self._read, state, row) if len(state) > ON_LOOP else self._read(state, row)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is said with the key
            read = error
        kept: T = read_one(self._what, key, _revealed, read)
        self.hold(key, row["stamp"], len(state), kept)
        return kept

    def stamp(self, key: str) -> str | None:
        """Of what is held."""
        return self._rows[key][0] if key in self._rows else None

    def held(self, key: str, stamp: str) -> T | None:
        found = self._rows.get(key)
        if found is None or found[0] != stamp:
            return None
        self._rows.move_to_end(key)
        return found[2]

    def hold(self, key: str, stamp: str, size: int, kept: T) -> None:
        _, former, _ = self._rows.pop(key, ("", 0, kept))
        self._rows[key] = stamp, size, kept
        self._size += size - former
        while self._size > HELD and len(self._rows) > 1:
            _, (_, dropped, _) = self._rows.popitem(last=False)
            self._size -= dropped


def _revealed(read: Any) -> Any:
    if isinstance(read, Exception):
        raise read
    return read
