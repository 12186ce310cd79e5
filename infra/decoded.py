"""A cache of decoded rows: each version of a row is decoded once, because a row may hold megabytes of JSON and may be
asked for many times. Large rows are decoded in a thread, so that other work does not wait."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakValueDictionary

from infra.database import Transaction
from infra.reading import read_one

T = TypeVar("T")
ON_LOOP = 50_000
"""JSON of up to this many characters is decoded on the event loop."""
HELD = 8_000_000
"""The most characters of JSON whose values are cached for one table, besides the value that was read last."""
_STAMP = "xmin::text || ctid::text || ':' || pg_column_size(state)"
"""SQL for the stamp of a row; it changes with every write."""


class Decoded(Generic[T]):
    """The cache of a table with a JSON column ``state``, by key: the row's stamp, the size of its state, and the value
    that ``read`` makes from the state and the row's other ``columns``. ``read`` may be called in a thread."""

    def __init__(self, what: str, table: str, key: str, columns: str, read: Callable[[str, Any], T]) -> None:
        self._what = what
        self._one = f"from {table} where {key} = $1"
        self._columns = columns
        self._read = read
        self._rows: OrderedDict[str, tuple[str, int, T]] = OrderedDict()
        self._size = 0
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def get(self, db: Any, key: str) -> T | None:
        """Return the value of a row. If the row was not written since it was last read, its state is not loaded again.
        Simultaneous calls decode it once. ``db`` is an asyncpg connection or pool. Raise UnreadableRow."""
        turn = self._turns.get(key)
        if turn is None:
            self._turns[key] = turn = asyncio.Lock()
        async with turn:
            return await self._get(db, key)

    async def lock(self, tx: Transaction, key: str) -> T | None:
        """As :meth:`get`, and lock the row. It does not wait for other readers."""
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
        """The stamp of the cached value."""
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
