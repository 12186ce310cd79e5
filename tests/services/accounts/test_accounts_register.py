"""The register in a market with the imports of many years."""

from infra.listing import COUNTED
from services.accounts import store
from services.accounts.pages.organisations import MOST_FOUND
from tests.explained import recording_queries, rolled_back
from tests.market import Market

MANY = 10_000


async def test_the_register_is_not_read_whole(market: Market) -> None:
    async with rolled_back(market.resources.database, "accounts") as (tx, db):
        await db.execute(
            """insert into accounts.organisations (organisation_id, name, roles, state, identifier_scheme, identifier, place,
                   time_zone, language, categories, imported, registered_at)
               select 'years-' || n, case when n % 1000 = 0 then 'Observatorio ' else 'Escuela ' end || n || ' zona' || n % 300,
                   '{buyer}', 'active', '',
                   '', '{}', 'UTC', 'es', '[]', true, now() from generate_series(1, $1::int) n""",
            MANY,
        )
        # the database does this by itself later
        await db.execute("select gin_clean_pending_list('accounts.ix_organisations_words')")
        await db.execute("analyze accounts.organisations")
        for words, count in (
            ("", MOST_FOUND),
            ("escuela", MOST_FOUND),
            ("OBSERV", 10),
            ("observatorio 3000", 1),
            ("no such", 0),
        ):
            async with recording_queries(db, tx) as reading:
                found = await store.find_organisations(tx, words, MOST_FOUND)
            assert len(found) == count, words
            assert await reading.rows_of(db, "organisations") <= 2 * MOST_FOUND, words


async def test_the_contracts_of_one_organisation_are_not_read_whole(market: Market) -> None:
    async with rolled_back(market.resources.database, "accounts") as (tx, db):
        await db.execute(
            """insert into accounts.contracts (contract_id, process_id, buyer_id, buyer_name, supplier_id, supplier_name, title,
                   currency, amount, signed_at, imported)
               select 'size-' || n, '', 'a city', '', 'a mill', '', '', 'EUR', 1, now() - n * interval '1 minute', true
               from generate_series(1, $1::int) n""",
            MANY,
        )
        await db.execute("analyze accounts.contracts")
        for side, organisation_id in (("buyer", "a city"), ("supplier", "a mill")):
            async with recording_queries(db, tx) as reading:
                found = await store.latest_contracts(tx, organisation_id, party=side, limit=10)
            assert [deal.contract_id for deal in found.rows] == [f"size-{n}" for n in range(1, 11)]
            assert (found.total, found.more) == (COUNTED, True)
            assert await reading.rows_of(db, "contracts") <= COUNTED + 1
