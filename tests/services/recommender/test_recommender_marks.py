"""An opening marks the suppliers that it can concern, in portions; a waiting supplier keeps its place, and its row is
not written."""

from datetime import timedelta

import asyncpg
import msgspec

from events.values import Category
from infra.database import Transaction
from infra.ids import new_id
from services.recommender.store import advice, marks
from services.recommender.store import market as copies
from services.recommender.store.openings import reach
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.recommender.builders import a_supplier, an_auction, an_award

OTHERS = 20_000
TRADE, ANOTHER = Category(scheme="MARKS", code="AB1234"), Category(scheme="MARKS", code="CD1234")
LATER = timedelta(days=30)
BUYER = "Department of Marks"
"""A buyer of these tests only, because an opening also concerns suppliers that sold to its buyer."""


async def _quiet(db: asyncpg.Connection, tx: Transaction) -> None:
    """Clear all marks and walks."""
    await db.execute("delete from recommender.changes")
    await db.execute("update recommender.suppliers set dirty_at = null where dirty_at is not null")
    await db.execute("update recommender.work set done = asked, goal = null, reached = '', begun_at = $1", tx.now)
    await reach(tx, tx.now + LATER)


async def _plant(tx: Transaction, db: asyncpg.Connection, name: str, number: int, category: Category) -> None:
    code = f"{category.scheme}:{category.code}"
    await db.execute(
        "insert into recommender.suppliers (supplier_id, name, state, region, declared, native)"
        " select $1 || lpad(n::text, 6, '0'), '', 'active', '', array[$3], true from generate_series(1, $2::int) n",
        name,
        number,
        code,
    )
    rows = await db.fetch("select supplier_id from recommender.suppliers where supplier_id like $1 || '%'", name)
    await marks.keep_trades(tx, [(row["supplier_id"], [code]) for row in rows])
    await db.execute("analyze recommender.suppliers")
    await db.execute("analyze recommender.trades")


async def _open(tx: Transaction, category: Category, number: int = 1) -> None:
    for _ in range(number):
        await copies.open_auction(tx, msgspec.structs.replace(an_auction(tx.now, category), buyer_name=BUYER))
    reached = await reach(tx, tx.now + LATER)
    assert len(reached) == number
    await marks.note_changed(tx, reached)
    await marks.ask(tx)


async def _walk(tx: Transaction) -> int:
    portions = 0
    while (portion := await marks.mark_portion(tx)) is not None:
        await marks.go_on(tx, portion)
        portions += 1
    return portions


async def _waiting(db: asyncpg.Connection) -> dict[str, tuple[object, object]]:
    """The place in the queue and the physical place of the rows of the test's suppliers. A row that is written again
    has another physical place."""
    rows = await db.fetch(
        "select supplier_id, dirty_at, ctid::text from recommender.suppliers where dirty_at is not null"
        " and supplier_id ~ '^(same|other)-'"
    )
    return {row["supplier_id"]: (row["dirty_at"], row["ctid"]) for row in rows}


async def _written(db: asyncpg.Connection) -> int:
    """The rows of suppliers that this transaction wrote."""
    return int(
        await db.fetchval(
            "select n_tup_upd from pg_stat_xact_all_tables where schemaname = 'recommender' and relname = 'suppliers'"
        )
    )


async def test_an_opening_writes_those_of_its_trade_and_reads_no_others(market: Market) -> None:
    async with rolled_back(market.resources.database, "recommender") as (tx, db):
        await _quiet(db, tx)
        await _plant(tx, db, "other-", OTHERS, ANOTHER)
        await _plant(tx, db, "same-", 5, TRADE)
        before = await _written(db)
        async with recording_queries(db) as reading:
            await _open(tx, TRADE, 3)
            await _walk(tx)
        assert set(await _waiting(db)) == {f"same-{n:06}" for n in range(1, 6)}
        assert await _written(db) - before == 5
        for table in ("trades", "suppliers", "interest", "awards"):
            assert await reading.rows_of(db, table) <= marks.PORTION


async def test_who_offered_bid_or_sold_to_the_buyer_is_concerned(market: Market) -> None:
    async with rolled_back(market.resources.database, "recommender") as (tx, db):
        await _quiet(db, tx)
        await _plant(tx, db, "other-", 3, ANOTHER)
        bought = an_award("other-000002", tx.now, ANOTHER, buyer=BUYER)
        await copies.put_awards(tx, [bought])
        await copies.add_interest(tx, [("other-000003", {"MARKS:A": 5, "MARKS:AB": 5, "MARKS:AB1": 5})])
        await _open(tx, TRADE)
        await _walk(tx)
        assert {one for one in await _waiting(db) if one.startswith("other")} == {"other-000002", "other-000003"}


async def test_a_second_opening_writes_no_row_that_waits(market: Market) -> None:
    async with rolled_back(market.resources.database, "recommender") as (tx, db):
        await _quiet(db, tx)
        await _plant(tx, db, "same-", 300, TRADE)
        await _open(tx, TRADE)
        await _walk(tx)
        waiting = await _waiting(db)
        assert len(waiting) == 300
        await db.execute("update recommender.work set begun_at = to_timestamp(0) where name like 'trade/MARKS%'")
        await _open(tx, TRADE)
        assert await _walk(tx) > 0
        await marks.mark(tx, list(waiting))
        assert await _waiting(db) == waiting


async def test_the_first_that_waits_stays_the_first(market: Market) -> None:
    async with rolled_back(market.resources.database, "recommender") as (tx, db):
        await _quiet(db, tx)
        await _plant(tx, db, "same-", 50, TRADE)
        first = a_supplier(TRADE)
        await copies.put_suppliers(tx, [first])
        await marks.keep_trades(tx, [(first.organisation_id, ["MARKS:AB1234"])])
        await db.execute(
            "update recommender.suppliers set dirty_at = $2 where supplier_id = $1",
            first.organisation_id,
            tx.now - timedelta(hours=1),
        )
        await _open(tx, TRADE)
        await _walk(tx)
        await marks.mark(tx, [first.organisation_id])
        await copies.put_suppliers(tx, [first])
        [taken] = await advice.take_waiting(tx, 1)
        assert taken.profile.supplier_id == first.organisation_id


async def test_marks_are_made_in_portions_while_few_wait(market: Market) -> None:
    number = 2 * marks.PORTION + 10
    async with rolled_back(market.resources.database, "recommender") as (tx, db):
        await _quiet(db, tx)
        await _plant(tx, db, "same-", number, TRADE)
        await _open(tx, TRADE)
        seen: list[str] = []
        while await _walk(tx):
            waiting = sorted(await _waiting(db))
            assert len(waiting) <= marks.PORTION
            seen += waiting
            await db.execute("update recommender.suppliers set dirty_at = null where dirty_at is not null")
        assert seen == [f"same-{n:06}" for n in range(1, number + 1)]


async def test_openings_soon_after_each_other_are_one_walk(market: Market) -> None:
    async with rolled_back(market.resources.database, "recommender") as (tx, db):
        await _quiet(db, tx)
        await _plant(tx, db, "same-", 5, TRADE)
        await _open(tx, TRADE)
        await _walk(tx)
        await db.execute("update recommender.suppliers set dirty_at = null where dirty_at is not null")
        await _open(tx, TRADE, 2)
        await _open(tx, TRADE, 2)
        before = await db.fetchval("select done from recommender.work where name = 'trade/MARKS:AB'")
        await _walk(tx)
        assert await _waiting(db) == {}
        await db.execute("update recommender.work set begun_at = $1", tx.now - marks.GATHERED)
        await _walk(tx)
        assert len(await _waiting(db)) == 5
        await db.execute("update recommender.suppliers set dirty_at = null where dirty_at is not null")
        await db.execute("update recommender.work set begun_at = $1", tx.now - marks.GATHERED)
        assert await _walk(tx) == 0
        asked = await db.fetchrow("select asked, done from recommender.work where name = 'trade/MARKS:AB'")
        assert asked["asked"] == asked["done"] == before + 2


async def test_everybody_is_walked_through_once_a_day_and_gets_the_trades_of_a_former_release(market: Market) -> None:
    async with rolled_back(market.resources.database, "recommender") as (tx, db):
        await _quiet(db, tx)
        await db.execute(
            "insert into recommender.suppliers (supplier_id, name, state, region, declared, native)"
            " values ($1, '', 'active', '', array['MARKS:AB1234'], true)",
            old := f"same-{new_id()}",
        )
        await marks.ask(tx)
        assert await _walk(tx) == 0
        await db.execute("update recommender.work set begun_at = $1 where name = 'everyone'", tx.now - marks.ROUND * 2)
        await marks.ask(tx)
        assert await _walk(tx) >= 1
        assert old in await _waiting(db)
        assert await db.fetchval("select count(*) from recommender.trades where supplier_id = $1", old) == 2
