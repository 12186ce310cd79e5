"""Tables of states: a row has a key, the state as JSON, the time at which a timer handles it next, and columns for
lists.

Reading, locking, locking the due rows and saving are written here once for all stores. A store declares its table once ::

    _deals = States(DealRow, "deal", _stored, columns="auction_id")
    get, lock, lock_due = _deals.get, _deals.lock, _deals.lock_due

and has its own function ``save``, which sets the columns.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import asyncpg
from sqlalchemy import Table
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel

from infra.database import Reader, Transaction
from infra.decoded import ON_LOOP
from infra.reading import UnreadableKey, read_one, readable, revealed
from infra.running import Outdated

T = TypeVar("T")
XMIN = "xmin::text::bigint"
"""The version of a row in a table without a version column: the id of the transaction that wrote the row. PostgreSQL
maintains it, so it includes the writes of every release; a column that is added later would miss those of the former
release during an upgrade."""


class States(Generic[T]):
    """The table that ``row`` declares; its primary key is the key. ``read`` makes the store's value from the key,
    ``columns``, ``state`` (JSON as text) and ``version``, and may be called in a thread. ``what`` is the word for one
    of them in errors."""

    def __init__(
        self,
        row: type[SQLModel],
        what: str,
        read: Callable[[Any], T],
        *,
        columns: str = "",
        state: str = "state",
        version: str = "version",
        due: str = "due_at <= $1",
        turn: str = "due_at",
    ) -> None:
        table: Table = row.__table__  # type: ignore[attr-defined]
        self._what, self._read = what, read
        self._table, self._short = table.fullname, table.name
        self._key = [column.name for column in table.primary_key]
        self._json = {column.name for column in table.columns if isinstance(column.type, JSONB)}
        self._version = version
        shown = [*self._key, *([columns] if columns else []), f"({state})::text as state", f"{version} as version"]
        self._select = f"select {', '.join(shown)} from {self._table} where "
        self._one = self._select + " and ".join(f"{name} = ${n}" for n, name in enumerate(self._key, start=1))
        name = " || '/' || ".join(self._key)
        self._due = (
            f"{self._select}({due}) and {name} <> all($2::text[]) order by {turn} limit $3 for update skip locked"
        )

    async def get(self, db: Reader, *key: str) -> T | None:
        """Return the current value, also if this transaction changed it. Raise UnreadableRow."""
        return await self._found(await db.fetchrow(self._one, *key))

    async def lock(self, tx: Transaction, *key: str) -> T | None:
        """As :meth:`get`; others that lock or write the row wait until the transaction ends."""
        return await self._found(await (await tx.raw()).fetchrow(f"{self._one} for update", *key))

    async def lock_due(self, tx: Transaction, limit: int, but: Sequence[str] = ()) -> list[T | UnreadableKey[str]]:
        """Lock and return the due rows. Rows that are locked by others are skipped until the next call. ``but``: keys
        to leave out; the parts of a key are joined by "/"."""
        rows = await (await tx.raw()).fetch(self._due, tx.now, list(but), limit)
        return await self._readable(rows)

    async def save(self, tx: Transaction, *rows: Mapping[str, object]) -> None:
        """Save the values of the columns, JSON as text; ``version`` is the version that was read, 0 for a new row.
        Raise Outdated if another transaction wrote the row since: then this transaction is rolled back and tried
        again."""
        names = [name for name in rows[0] if name != "version"]
        given = [f"${n}::text::jsonb" if name in self._json else f"${n}" for n, name in enumerate(names, start=1)]
        changed = [f"{name} = excluded.{name}" for name in names if name not in self._key]
        read = f"${len(names) + 1}::bigint"
        if self._version == "version":
            names, given = [*names, "version"], [*given, f"{read} + 1"]
            changed.append("version = excluded.version")
        written = await (await tx.raw()).fetchmany(
            f"insert into {self._table} ({', '.join(names)}) values ({', '.join(given)})"
            f" on conflict ({', '.join(self._key)}) do update set {', '.join(changed)}"
            f" where {self._short}.{self._version} = {read} returning true",
            [[*(value for name, value in row.items() if name != "version"), row["version"]] for row in rows],
        )
        if len(written) != len(rows):
            raise Outdated(f"a {self._what} has another version than the one that was read")

    async def _found(self, row: asyncpg.Record | None) -> T | None:
        if row is None:
            return None
        (found,) = await self._readable([row])
        value: T = read_one(self._what, self._name(row), revealed, found)
        return value

    async def _readable(self, rows: Sequence[asyncpg.Record]) -> list[T | UnreadableKey[str]]:
        """Read the rows; large ones in a thread, so that other work does not wait."""
        if sum(len(row["state"] or "") for row in rows) > ON_LOOP:
            return await asyncio.to_thread(readable, rows, self._name, self._read)
        return readable(rows, self._name, self._read)

    def _name(self, row: asyncpg.Record) -> str:
        return "/".join(row[name] for name in self._key)
