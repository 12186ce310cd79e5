"""Items that are due together are done together; an item that fails does not affect others."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from operator import itemgetter

import asyncpg
import pytest
from sqlalchemy import text
from sqlmodel import SQLModel

from events.notifications import MailUnsubscribed
from infra.away import FREE_THE_LOCK, in_short, is_away, remedy
from infra.clock import system_clock
from infra.database import Database, Transaction, schema_of
from infra.due import FIRST, LONGEST_AWAY, Due
from infra.embedded import Servers
from infra.health import HEALTH, Condition, PartState
from infra.reading import UnreadableKey, readable
from infra.runtime import keep
from infra.service import Timer
from infra.tasks import background
from tests.market import empty_database


class Row(SQLModel, registry=schema_of("due")):
    """Base of the rows of this schema."""


@dataclass
class Work:
    """Rows of a table that are due, and are deleted when they are done; the bad ones break a rule of the database, or raise ``error``."""

    database: Database
    calls: list[list[str]] = field(default_factory=list)
    later: timedelta = timedelta()
    bad: str = "bad"
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.due = Due("due work", self.claim, str, self.act)

    async def claim(self, tx: Transaction, but: Sequence[str]) -> list[str | UnreadableKey[str]]:
        rows = await (await tx.raw()).fetch(
            "select name from due.items where name <> all($1::text[]) order by name limit 3 for update skip locked", but
        )
        return readable(rows, itemgetter("name"), self.read)

    @staticmethod
    def read(row: asyncpg.Record) -> str:
        name: str = row["name"]
        if name.startswith("unreadable"):
            raise ValueError("no such field")
        return name

    async def act(self, tx: Transaction, names: Sequence[str]) -> None:
        self.calls.append(list(names))
        for name in names:
            tx.emit(MailUnsubscribed(member_id=name, organisation_id="", topic=name))
            if name.startswith(self.bad):
                if self.error is not None:
                    raise self.error
                await (await tx.raw()).execute("select 1 / 0")
        await (await tx.raw()).execute("delete from due.items where name = any($1::text[])", names)

    async def run(self) -> int:
        async with self.database.transaction("due") as tx:
            tx.now += self.later
            return await self.due(tx)

    async def left(self) -> list[str]:
        return [row["name"] for row in await self.database.pool.fetch("select name from due.items order by name")]

    async def told(self) -> list[str]:
        rows = await self.database.pool.fetch(
            "select envelope::json->>'subject' as key from due.outbox order by position"
        )
        return [row["key"] for row in rows]


@pytest.fixture
async def work(servers: Servers) -> AsyncIterator[Work]:
    database = await Database.connect(await empty_database(servers, "lonja_due"), system_clock)
    async with database.engine.begin() as connection:
        await connection.execute(text("create schema due"))
        await connection.run_sync(Row.metadata.create_all)
        await connection.execute(text("create table due.items (name text primary key)"))
    yield Work(database)
    await database.close()


async def put(work: Work, *names: str) -> None:
    await work.database.pool.execute("insert into due.items select unnest($1::text[])", names)


def condition() -> Condition:
    return next(each for each in HEALTH if each.name == "due work: items")


def health() -> PartState:
    return condition().state


async def test_all_due_items_are_handled_in_one_run(work: Work) -> None:
    await put(work, "a", "b", "c")
    assert await work.run() == 3
    assert (work.calls, await work.left(), await work.told()) == ([["a", "b", "c"]], [], ["a", "b", "c"])
    assert await work.run() == 0


async def test_an_item_that_fails_writes_nothing_and_does_not_block_the_others(work: Work) -> None:
    await put(work, "a", "bad", "c", "d")
    assert [await work.run(), await work.run(), await work.run()] == [3, 1, 0]
    assert (await work.left(), await work.told()) == (["bad"], ["a", "c", "d"])
    assert health() is PartState.degraded


async def test_more_that_fail_than_are_taken_at_once_hold_up_nobody(work: Work) -> None:
    await put(work, *(f"bad {number}" for number in range(7)), "good")
    while await work.run():
        pass
    assert len(await work.left()) == 7 and await work.told() == ["good"]


async def test_rows_that_cannot_be_read_hold_up_nobody_and_are_named(work: Work) -> None:
    await put(work, "a", *(f"unreadable {number}" for number in range(4)), "z")
    while await work.run():
        pass
    assert (await work.told(), len(await work.left())) == (["a", "z"], 4)
    said = condition()
    assert said.state is PartState.degraded and "unreadable 0: ValueError: no such field" in said.detail
    await work.database.pool.execute("update due.items set name = 'mended ' || name")
    work.later = FIRST
    while await work.run():
        pass
    assert (await work.left(), health()) == ([], PartState.running)


async def test_what_failed_is_tried_again_later_and_health_is_well_when_it_succeeds(work: Work) -> None:
    await put(work, "bad")
    assert [await work.run(), await work.run()] == [1, 0]
    work.later, work.bad = FIRST, "nothing"
    assert [await work.run(), await work.run()] == [1, 0]
    assert (await work.left(), health()) == ([], PartState.running)


async def test_health_is_well_when_what_failed_is_due_no_more(work: Work) -> None:
    await put(work, "bad")
    assert await work.run() == 1 and health() is PartState.degraded
    await work.database.pool.execute("delete from due.items")
    work.later = FIRST
    assert (await work.run(), health()) == (0, PartState.running)


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.LockNotAvailableError("canceling statement due to lock timeout"),
        TimeoutError(),
        asyncpg.InterfaceError("cannot perform operation: another operation is in progress"),
        MemoryError(),
        ConnectionResetError("the customs office hung up"),
        asyncpg.DiskFullError("no space left on device"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_one_thing_misses_while_the_database_is_there_costs_it_alone(work: Work, error: Exception) -> None:
    work.error = error
    await put(work, "a", "bad", "c")
    assert [await work.run(), await work.run()] == [3, 0]
    assert (await work.left(), await work.told()) == (["bad"], ["a", "c"])
    said = condition()
    assert said.state is PartState.degraded and in_short(error) in said.detail
    assert said.remedy == remedy(error, "what waits for it")


async def test_things_that_miss_what_is_away_hold_up_nobody_however_many(work: Work) -> None:
    work.error = TimeoutError()
    await put(work, *(f"bad {number}" for number in range(7)), "good")
    while await work.run():
        pass
    assert len(await work.left()) == 7 and await work.told() == ["good"]


async def test_what_misses_something_is_tried_again_soon_however_often_it_was_not_there(work: Work) -> None:
    work.error = TimeoutError()
    await put(work, "bad")
    for number in range(8):
        work.later = number * LONGEST_AWAY
        assert await work.run() == 1
    work.later, work.bad = 8 * LONGEST_AWAY, "nothing"
    assert await work.run() == 1
    assert (await work.left(), health()) == ([], PartState.running)


async def test_a_row_that_somebody_keeps_locked_costs_alone_what_needs_it(work: Work) -> None:
    async def act(tx: Transaction, names: Sequence[str]) -> None:
        await (await tx.raw()).execute("select from due.needed where name = any($1::text[]) for update", names)
        await Work.act(work, tx, names)

    await work.database.pool.execute("create table due.needed as select unnest('{a,locked,z}'::text[]) as name")
    await put(work, "a", "locked", "z")
    due = Due("due work", work.claim, str, act)
    async with work.database.transaction("due") as other:
        await (await other.raw()).execute("select from due.needed where name = 'locked' for update")
        async with work.database.transaction("due") as tx:
            assert await due(tx) == 3
        assert await work.left() == ["locked"]
        assert condition().state is PartState.degraded and condition().remedy.startswith(FREE_THE_LOCK)
    async with work.database.transaction("due") as tx:
        tx.now += FIRST
        assert await due(tx) == 1
    assert (await work.left(), health()) == ([], PartState.running)


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]])
async def test_while_the_database_is_away_all_wait_and_none_is_set_aside(work: Work, names: list[str]) -> None:
    async def lose_the_server(tx: Transaction, names: Sequence[str]) -> None:
        await (await tx.raw()).execute("select pg_terminate_backend(pg_backend_pid())")

    await put(work, *names)
    due = Due("due work", work.claim, str, lose_the_server)
    with pytest.raises(Exception) as caught:
        async with work.database.transaction("due") as tx:
            await due(tx)
    assert is_away(caught.value) and due.troubles == {}
    assert await work.run() == len(names)


async def test_two_processes_share_what_is_due(work: Work) -> None:
    await put(work, *"abcdef")
    other = Work(work.database)
    while sum(await asyncio.gather(work.run(), other.run())):
        pass
    assert (await work.left(), sorted(await work.told())) == ([], list("abcdef"))


async def test_a_run_that_hangs_is_named_by_health_until_it_ends(work: Work) -> None:
    free, second = asyncio.Event(), asyncio.Event()
    runs = iter((free, second))

    async def hang(_: Transaction) -> int:
        await next(runs).wait()
        return 0

    def said() -> Condition | None:
        return next((each for each in HEALTH if (each.kind, each.name) == ("timer", "due hanging")), None)

    async with (
        background(keep(Timer("hanging", 0.01, hang, longest=0.05), "due", work.database), name="timer"),
        asyncio.timeout(10),
    ):
        while (seen := said()) is None:
            await asyncio.sleep(0.01)
        assert seen.state is PartState.degraded and "has not ended after 0" in seen.detail and seen.remedy
        free.set()
        while (seen := said()) is None or seen.state is PartState.degraded:
            await asyncio.sleep(0.001)
        assert seen.state is PartState.running
