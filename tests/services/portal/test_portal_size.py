"""The home page of a market that has run for years: the rows that it reads do not grow with the market."""

from infra.listing import COUNTED
from services.portal.views import front
from tests.explained import recording_queries, rolled_back
from tests.market import Market

MANY = 20_000
SHOWN = 6


async def test_openings_suppliers_and_contracts_are_not_read_whole(market: Market) -> None:
    async with rolled_back(market.resources.database, "portal") as (tx, db):
        await db.execute(
            """insert into portal.openings (opening_id, kind, title, buyer_name, place, currency, bids, members, closes_at)
               select 'size-' || n, 'auction', '', '', '', 'EUR', 0, '{}', now() + interval '2 years' + n * interval '1 second'
               from generate_series(1, $1::int) n""",
            MANY,
        )
        await db.execute("insert into portal.suppliers select 'size-' || n from generate_series(1, $1::int) n", MANY)
        await db.execute(
            """insert into portal.contracts (contract_id, title, buyer_id, buyer_name, supplier_id, supplier_name, currency, amount,
                   signed_at, imported)
               select 'size-' || n, '', '', '', '', '', 'EUR', 1, date_trunc('day', now()), true from generate_series(1, $1::int) n""",
            MANY,
        )
        for table in ("openings", "suppliers", "contracts"):
            await db.execute(f"analyze portal.{table}")
        async with recording_queries(db, tx) as reading:
            found = await front(tx, SHOWN)
        assert found.auctions == COUNTED + 1
        assert MANY <= found.suppliers <= MANY + COUNTED
        assert len(found.closing) == len(found.latest) == SHOWN
        for table in ("openings", "suppliers", "contracts"):
            assert await reading.rows_of(db, table) <= 2 * COUNTED, table
