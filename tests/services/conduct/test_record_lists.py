"""A public record of an organisation with many contracts is counted from indexes, and only as far as anybody reads."""

from infra.listing import COUNTED
from services.conduct.store import performed, record
from tests.explained import recording_queries, rolled_back
from tests.market import Market
from tests.services.contracts.test_contract_lists import MANY, MILL


async def test_a_public_record_counts_a_thousand_of_a_kind(market: Market) -> None:
    async with rolled_back(market.resources.database, "conduct") as (_, db):
        await db.execute(
            "insert into conduct.facts (contract_id, organisation_id, kind, side, at)"
            " select 'years-' || n, case when n % 4 = 0 then $1 else 'supplier-' || n % 99 end,"
            " case when n % 100 = 0 then 'evaded' when n % 100 = 1 then 'terminated' else 'concluded' end, 'supplier',"
            f" now() - n * interval '1 minute' from generate_series(1, {MANY}) n",
            MILL,
        )
        await db.execute(
            "insert into conduct.performed (contract_id, organisation_id, kind, number, side)"
            " select 'years-' || n, case when n % 4 = 0 then $1 else 'supplier-' || n % 99 end,"
            f" (array['orders-late', 'orders-on-time', 'closed'])[1 + n / 4 % 3], n, 'supplier' from generate_series(1, {2 * MANY}) n",
            MILL,
        )
        await db.execute("analyze conduct.facts, conduct.performed")
        async with recording_queries(db) as reading:
            counts = await record.counts(db, MILL)
        assert counts == {("supplier", "concluded"): COUNTED + 1, ("supplier", "evaded"): MANY // 100}
        assert await reading.rows_of(db, "facts") <= COUNTED + 1 + MANY // 100
        async with recording_queries(db) as reading:
            found = await record.latest(db, MILL, 10)
        assert await reading.rows_of(db, "facts") <= 20
        assert [fact.contract_id for fact in found if fact.kind == "evaded"] == [
            f"years-{100 * n}" for n in range(1, 11)
        ]
        async with recording_queries(db) as reading:
            counts = await performed.counts(db, MILL)  # type: ignore[assignment]
        assert set(counts.values()) == {COUNTED + 1} and len(counts) == 3
        assert await reading.rows_of(db, "performed") <= 3 * (COUNTED + 1)
