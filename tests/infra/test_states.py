"""State rows are locked in order, and a write fails if another transaction changed the row since it was read."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from itertools import combinations
from typing import Any

import msgspec
import pytest
from sqlalchemy import BigInteger, Column, DateTime, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from infra.away import is_away
from infra.clock import system_clock
from infra.database import Database, Transaction, json_text, schema_of
from infra.embedded import Servers
from infra.reading import UnreadableKey, UnreadableRow
from infra.running import Outdated
from infra.states import XMIN, States
from tests.market import empty_database


class Row(SQLModel, registry=schema_of("counting")):
    """Base of the rows of this schema."""


class NumberedRow(Row, table=True):
    __tablename__ = "numbered"

    place: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(primary_key=True, sa_type=Text)
    due_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    state: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    version: int = Field(sa_type=BigInteger)


class UnnumberedRow(Row, table=True):
    __tablename__ = "unnumbered"

    place: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(primary_key=True, sa_type=Text)
    due_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    state: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class Counter(msgspec.Struct, frozen=True, kw_only=True):
    name: str
    count: int = 0
    due_at: datetime | None = None
    version: int = 0


def _read(row: Any) -> Counter:
    count = msgspec.json.decode(row["state"], type=dict[str, int])["count"]
    return Counter(name=row["name"], count=count, due_at=row["due_at"], version=row["version"])


NUMBERED = States(NumberedRow, "counter", _read, columns="due_at")
UNNUMBERED = States(UnnumberedRow, "counter", _read, columns="due_at", version=XMIN)
both = pytest.mark.parametrize("states", [NUMBERED, UNNUMBERED], ids=["with a column", "without"])


@pytest.fixture
async def database(servers: Servers) -> AsyncIterator[Database]:
    made = await Database.connect(await empty_database(servers, "lonja_states"), system_clock)
    async with made.engine.begin() as connection:
        await connection.execute(text("create schema counting"))
        await connection.run_sync(Row.metadata.create_all)
    yield made
    await made.close()


async def save(tx: Transaction, states: States[Counter], *counters: Counter) -> None:
    await states.save(
        tx,
        *(
            {
                "place": "hall",
                "name": each.name,
                "due_at": each.due_at,
                "state": json_text({"count": each.count}),
                "version": each.version,
            }
            for each in counters
        ),
    )


async def put(database: Database, states: States[Counter], *counters: Counter) -> None:
    async with database.transaction("counting") as tx:
        await save(tx, states, *counters)


async def get(database: Database, states: States[Counter], name: str) -> Counter:
    found = await states.get(database.pool, "hall", name)
    assert found is not None
    return found


def counted(counter: Counter) -> Counter:
    return msgspec.structs.replace(counter, count=counter.count + 1)


@both
async def test_what_one_of_two_wrote_the_other_does_not_write_over(database: Database, states: States[Counter]) -> None:
    """Each of two transactions reads and saves twice, in every order: every successful save is counted."""
    for number, first in enumerate(combinations(range(8), 4)):
        name, saved = str(number), 0
        await put(database, states, Counter(name=name))
        read: dict[bool, Counter] = {}
        latest = True
        for step in range(8):
            who = step in first
            if who not in read:
                read[who] = await get(database, states, name)
                continue
            mine = read.pop(who)
            latest = mine.count == saved
            try:
                await put(database, states, counted(mine))
                assert latest
                saved += 1
            except Outdated:
                assert not latest
        assert (await get(database, states, name)).count == saved


@both
async def test_the_loser_leaves_nothing_behind_and_is_tried_again(database: Database, states: States[Counter]) -> None:
    await put(database, states, Counter(name="a"), Counter(name="b"))
    a, b = [await get(database, states, name) for name in "ab"]
    await put(database, states, counted(b))
    with pytest.raises(Outdated) as lost:
        await put(database, states, counted(a), counted(b))
    assert is_away(lost.value), "a timer or a consumer tries it again"
    assert [(await get(database, states, name)).count for name in "ab"] == [0, 1]
    with pytest.raises(Outdated):
        await put(database, states, Counter(name="c"), Counter(name="b"))
    assert await states.get(database.pool, "hall", "c") is None, "one that is there already is not new"


@both
async def test_a_lock_reads_the_latest_version(database: Database, states: States[Counter]) -> None:
    await put(database, states, Counter(name="a"))

    async def count(hold: asyncio.Event | None = None) -> None:
        async with database.transaction("counting") as tx:
            found = await states.lock(tx, "hall", "a")
            assert found is not None
            if hold:
                await hold.wait()
            async with tx.savepoint():
                await save(tx, states, counted(found))

    hold = asyncio.Event()
    tasks = [asyncio.create_task(count(hold)), *(asyncio.create_task(count()) for _ in range(4))]
    async with asyncio.timeout(30):
        while await database.pool.fetchval("select count(*) from pg_locks where not granted") == 0:
            await asyncio.sleep(0.01)
    hold.set()
    await asyncio.gather(*tasks)
    assert (await get(database, states, "a")).count == 5


async def test_what_another_release_writes_counts_without_a_column_too(database: Database) -> None:
    await put(database, UNNUMBERED, Counter(name="a"))
    read = await get(database, UNNUMBERED, "a")
    await database.pool.execute("update counting.unnumbered set due_at = now()")
    with pytest.raises(Outdated):
        await put(database, UNNUMBERED, counted(read))


@both
async def test_what_is_due_comes_in_order_and_not_while_another_decides(
    database: Database, states: States[Counter]
) -> None:
    now = system_clock()
    dues = {"late": 1, "first": 9, "held": 5, "failed": 6, "second": 4, "not yet": -9}
    await put(
        database,
        states,
        Counter(name="never"),
        *(Counter(name=name, due_at=now - timedelta(hours=hours)) for name, hours in dues.items()),
    )
    table = "numbered" if states is NUMBERED else "unnumbered"
    await database.pool.execute(f"update counting.{table} set state = '{{}}' where name = 'second'")
    async with database.transaction("counting") as other, database.transaction("counting") as tx:
        assert await states.lock(other, "hall", "held")
        found = await states.lock_due(tx, 3, ["hall/failed"])
        names = [each.key if isinstance(each, UnreadableKey) else each.name for each in found]
        assert names == ["first", "hall/second", "late"]
        assert isinstance(found[1], UnreadableKey)
    with pytest.raises(UnreadableRow):
        await states.get(database.pool, "hall", "second")
