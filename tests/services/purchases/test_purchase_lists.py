"""Lists of purchases, and the search for a cheaper offer, in a market that is years old: what each query reads."""

from decimal import Decimal as D

import pytest
from msgspec import structs

from catalogue.money import Money
from catalogue.offers import Need
from events.catalogue import Tier
from services.purchases.store import purchases, replicas
from tests.explained import recording_queries
from tests.market import Market
from tests.services.contracts.market_builders import Town, a_town, an_offer
from tests.services.contracts.test_contract_lists import AGENCY, BOUND, MANY, years
from tests.services.purchases.test_purchases_bought import asked


@pytest.fixture
async def town(market: Market) -> Town:
    return await a_town(market)


async def test_purchases_of_a_buyer_with_many_are_read_by_page(town: Town) -> None:
    changes = f"""
        'buyer_id', case when n % 3 > 0 then '{AGENCY}' else 'buyer' end,
        'supplier_id', case when n % 3 = 0 then '{AGENCY}' else 'supplier' end,
        'requested_at', a.requested_at - n / 2 * interval '1 minute',
        'due_at', case when n % 100 = 0 then a.due_at - n / 200 * interval '1 minute' end,
        'state', jsonb_set(a.state, '{{requested,process_id}}', to_jsonb('years-' || n))
    """
    async with years(town, "purchases", ("process_id", await asked(town)), changes, "purchases") as (_, db):
        rows = await db.fetch(
            "select process_id from purchases.purchases where $1 in (buyer_id, supplier_id)"
            " order by due_at nulls last, requested_at desc, process_id limit 300",
            AGENCY,
        )
        expected = [row["process_id"] for row in rows]
        read: list[str] = []
        after = ""
        for number in range(6):
            for page in ({"after": after}, {"offset": 50 * number}):
                async with recording_queries(db) as reading:
                    found = await purchases.listing(db, AGENCY, limit=50, **page)  # type: ignore[arg-type]
                assert await reading.rows_of(db, "purchases") <= BOUND / 2
                assert [each.requested.process_id for each in found.rows] == expected[50 * number : 50 * number + 50]
            after = found.next
            read += [each.requested.process_id for each in found.rows]
            await db.execute(
                "insert into purchases.purchases select made.* from purchases.purchases a, jsonb_populate_record(a,"
                " jsonb_build_object('process_id', 'other-' || $2::text, 'buyer_id', 'else', 'supplier_id', 'else')) made"
                " where a.process_id = $1",
                expected[0],
                str(number),
            )
        assert read == expected
        async with recording_queries(db) as reading:
            found = await purchases.listing(db, AGENCY, limit=50, open_only=True)
        assert await reading.rows_of(db, "purchases") <= 400
        assert [each.requested.process_id for each in found.rows] == expected[:50]


@pytest.mark.parametrize("price", ["250.01", "900.00"])
async def test_the_database_finds_a_cheaper_offer_among_ten_thousand_of_a_sku(town: Town, price: str) -> None:
    """It looks only at offers that could be cheaper."""
    dear = await an_offer(town, price=D(price), tiers=(), supplier_id=town.suppliers[0].organisation_id)
    changes = f"""
        'body', a.body || jsonb_build_object('offer_id', 'years-' || n, 'price', (250 + n / 100.0)::text,
            'supplier_id', '{town.suppliers[1].organisation_id}')
    """
    async with years(town, "offers", ("offer_id", dear.offer_id), changes, "purchases") as (_, db):
        offer, _ = await replicas.offer(db, dear.offer_id) or (None, False)
        assert offer is not None
        total, school = Money(offer.price * 10, "RUB"), town.school.organisation_id
        here = Need(D(10), "RU-MOW", town.market.clock().date())
        async with recording_queries(db) as reading:
            rival = await replicas.cheaper(db, offer, total, here, buyer_id=school)
        assert await reading.rows_of(db, "offers") <= (5 if price == "250.01" else MANY + 1)
        assert (rival and rival.offer_id) == (None if price == "250.01" else "years-1")
        elsewhere = structs.replace(here, region="RU-SPE")
        assert await replicas.cheaper(db, offer, total, elsewhere, buyer_id=school) is None


@pytest.mark.parametrize(
    ("changes", "total", "found"),
    [
        ({}, "2800.01", True),
        ({}, "2800.00", False),
        ({"currency": "EUR"}, "9000.00", False),
        ({"min_quantity": D(11)}, "9000.00", False),
        ({"max_quantity": D("9.5"), "tiers": ()}, "9000.00", False),
        ({"vat_included": False}, "3360.00", False),
        ({"vat_included": False}, "3360.01", True),
        ({"tiers": ()}, "3000.00", False),
        ({"tiers": (), "price": D("1E+2")}, "1000.01", True),
        ({"tiers": (), "price": D("250.0005")}, "2500.01", True),
        ({"tiers": (), "price": D("250.0005")}, "2500.00", False),
        ({"tiers": (), "price": D("250.0015")}, "2500.02", False),
        ({"tiers": (), "price": D("250.0015")}, "2500.03", True),
    ],
)
async def test_the_database_compares_offers_as_the_rules_do(
    town: Town, changes: dict[str, object], total: str, found: bool
) -> None:
    """An amount exactly between two is rounded to the even one."""
    sku = await an_offer(town)
    tiers = (Tier(from_quantity=D(5), price=D("280.00")), Tier(from_quantity=D(100), price=D("9.00")))
    other = town.suppliers[1].organisation_id
    fields = {"tiers": tiers, "min_quantity": D(1), "supplier_id": other, "sku_id": sku.sku_id} | changes
    rival = await an_offer(town, **fields)
    offer, _ = await replicas.offer(town.market.resources.database.pool, sku.offer_id) or (None, False)
    assert offer is not None
    day = town.market.clock().date()
    got = await replicas.cheaper(
        town.market.resources.database.pool,
        offer,
        Money(D(total), "RUB"),
        Need(D(10), "RU-MOW", day),
        buyer_id=town.school.organisation_id,
    )
    assert (got and got.offer_id) == (rival.offer_id if found else None)
