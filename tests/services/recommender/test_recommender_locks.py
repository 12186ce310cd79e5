"""Two transactions that need the same rows never deadlock."""

import asyncio

from infra.ids import new_id
from services.observatory import store as prices
from services.recommender.store import marks
from tests.explained import rolled_back
from tests.market import Market


async def suppliers(market: Market) -> list[str]:
    """Three suppliers, sorted by id, that were written in the opposite order."""
    ids = [f"{number}-{new_id()}" for number in range(3)]
    for supplier_id in reversed(ids):
        await market.fetch(
            "insert into recommender.suppliers (supplier_id, name, state, region, declared, native)"
            " values ($1, '', 'active', '', '{}', true)",
            supplier_id,
        )
    return ids


async def waits(market: Market, query: str) -> None:
    """Wait until a statement with these words waits for a lock."""
    await market.eventually(
        lambda: market.fetch(
            "select 1 from pg_stat_activity where wait_event_type = 'Lock' and position($1 in query) > 0"
            " and pid <> pg_backend_pid()",
            query,
        )
    )


async def test_who_waits_for_a_supplier_holds_none_behind_it(market: Market) -> None:
    first, second, third = await suppliers(market)
    database = market.resources.database.of("recommender")

    async def mark() -> None:
        async with database.transaction("recommender") as tx:
            await marks.mark(tx, [third, second, first])

    async with database.transaction("recommender") as tx:
        await (await tx.raw()).execute("select from recommender.suppliers where supplier_id = $1 for update", second)
        marking = asyncio.create_task(mark())
        await waits(market, "with marked as")
        assert await market.fetch("select 1 from recommender.suppliers where supplier_id = $1 for update nowait", third)
    await marking


async def test_a_walk_passes_over_whom_somebody_holds_and_says_so(market: Market) -> None:
    first, second, third = await suppliers(market)
    database = market.resources.database.of("recommender")
    await market.fetch("update recommender.suppliers set dirty_at = null where dirty_at is not null")
    async with database.transaction("recommender") as tx:
        await marks.ask_everyone(tx)
        await (await tx.raw()).execute(
            "update recommender.work set goal = null, reached = '', begun_at = case when name = 'everyone' then null else now() end"
        )
    async with database.transaction("recommender") as holder:
        await marks.mark(holder, [second])
        async with rolled_back(database, "recommender") as (tx, db):
            portion = await marks.mark_portion(tx)
            assert portion is not None and second in portion.held
            await marks.mark(holder, [second])
            marked = await db.fetch(
                "select supplier_id from recommender.suppliers where supplier_id = any($1::text[]) and dirty_at is not null",
                [first, second, third],
            )
            assert {row["supplier_id"] for row in marked} == {first, third}
        await marks.mark(holder, [third])
        await marks.mark(holder, [first])


async def test_who_waits_for_a_price_holds_none_behind_it(market: Market) -> None:
    document = new_id()
    ids = [f"{number}-{document}" for number in range(3)]
    for observation_id in reversed(ids):
        await market.fetch(
            "insert into observatory.observations (observation_id, item_key, origin, document_id, process_id, cancelled, body)"
            " values ($1, 'nothing', 'offer', $2, '', false, '{}')",
            observation_id,
            document,
        )
    database = market.resources.database.of("observatory")

    async def withdraw() -> None:
        async with database.transaction("observatory") as tx:
            await prices.withdraw(tx, [document], tx.now)

    async with database.transaction("observatory") as tx:
        await (await tx.raw()).execute(
            "select from observatory.observations where observation_id = $1 for update", ids[1]
        )
        withdrawing = asyncio.create_task(withdraw())
        await waits(market, "with gone as")
        assert await market.fetch(
            "select 1 from observatory.observations where observation_id = $1 for update nowait", ids[2]
        )
    await withdrawing
