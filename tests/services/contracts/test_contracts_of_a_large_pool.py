"""A pool that is divided among many costs contracts a few statements, and each member still gets its own contract."""

from decimal import Decimal

from msgspec import structs

from events.contracts import AwardMade, ContractDrafted
from events.pools import PoolAllocated
from infra.ids import new_id
from services.contracts import handlers
from services.contracts.store import deals, replicas
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.contracts.market_builders import a_pool, a_town

FEW, MANY = 2, 300


def among(allocated: PoolAllocated, members: int) -> PoolAllocated:
    part = allocated.allocations[0]
    parts = tuple(
        structs.replace(part, member_id=f"m{number:03}", member_name=f"School {number}") for number in range(members)
    )
    return structs.replace(allocated, pool_id=new_id(), allocations=parts)


async def test_many_members_cost_a_few_statements_and_each_has_a_contract(market: Market) -> None:
    opened, _, allocated = a_pool(await a_town(market))
    async with rolled_back(market.resources.database, "contracts") as (tx, db):
        spent = {}
        for members in (FEW, FEW, MANY):
            many = among(allocated, members)
            await replicas.put_pool(tx, structs.replace(opened, pool_id=many.pool_id))
            async with recording_queries(db, tx) as reading:
                await handlers.award_pool(tx, many)
                await tx.flush()
            spent[members] = len(reading.statements)
            rows = await db.fetch(
                "select c.contract_id, c.buyer_id, c.rank, c.state, c.step, c.waits_for, c.drafted_at, c.due_at, d.due_at as ends"
                " from contracts.contracts c join contracts.deals d using (process_id, buyer_id) where c.process_id = $1",
                many.pool_id,
            )
            assert {row["buyer_id"] for row in rows} == {part.member_id for part in many.allocations}
            said = {(*list(row)[2:6], row["drafted_at"], row["due_at"] == row["ends"]) for row in rows}
            assert said == {(1, "running", "supplier-offer", allocated.supplier_id, tx.now, True)}
            told = await db.fetch(
                "select data::text from contracts.outbox where convert_from(data, 'utf8')::jsonb->>'process_id' = $1",
                many.pool_id,
            )
            assert len(told) == 2 * members
            kept = await deals.get(db, many.pool_id, "m001")
            assert kept is not None and kept.deal.contract is not None and kept.auction_id == allocated.auction_id
            assert (kept.version, kept.deal.contract.amount) == (1, Decimal("480.00"))
            async with recording_queries(db, tx) as reading:
                await handlers.award_pool(tx, many)
                await tx.flush()
            assert not any(each.startswith("insert") for each in reading.statements), "the event was emitted twice"
        assert spent[FEW] <= 10 and spent[MANY] <= 20, spent


async def test_where_some_have_their_contract_already_the_others_get_theirs(market: Market) -> None:
    opened, _, allocated = a_pool(await a_town(market))
    async with rolled_back(market.resources.database, "contracts") as (tx, db):
        many = among(allocated, 5)
        await replicas.put_pool(tx, structs.replace(opened, pool_id=many.pool_id))
        for parts in (many.allocations[:2], many.allocations):
            await handlers.award_pool(tx, structs.replace(many, allocations=parts))
        await tx.flush()
        count = "select count(*) from contracts.contracts where process_id = $1"
        assert await db.fetchval(count, many.pool_id) == 5
        for kind in (AwardMade, ContractDrafted):
            told = await db.fetchval(
                "select count(*) from contracts.outbox where envelope::jsonb->>'type' = $1"
                " and convert_from(data, 'utf8')::jsonb->>'process_id' = $2",
                kind.TYPE,
                many.pool_id,
            )
            assert told == 5
