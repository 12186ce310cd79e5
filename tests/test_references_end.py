"""A reference price that the observatory replaces or withdraws ends wherever it is used."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from events.observatory import ReferencePriceWithdrawn
from events.values import Place
from infra.ids import new_id
from tests.services.observatory.builders import a_contract, its_end
from tests.services.observatory.test_observatory_service import Observatory, observatory, three

__all__ = ["observatory"]
pytestmark = pytest.mark.servers


async def in_force(observatory: Observatory, sku: str, wanted: list[tuple[str, Any]]) -> None:
    """Wait until all that use references have these (place, median)."""
    for user in ("auctions", "pools", "quotes", "catalogue"):
        table = f"{user}.reference_prices"

        async def has(table: str = table) -> bool:
            rows = await observatory.market.fetch(
                f"select place_code, (body->>'median')::numeric as median from {table} where sku_id = $1", sku
            )
            assert [(row["place_code"], row["median"]) for row in rows] == wanted, table
            return True

        await observatory.market.eventually(has)


async def test_a_reference_that_moves_to_another_country_ends_in_the_former_one(observatory: Observatory) -> None:
    sku = new_id()
    await three(observatory, sku)
    await in_force(observatory, sku, [("BR", 10)])
    paraguay = Place(country="PY", region="PY-ASU")
    dear = (a_contract(sku, price, observatory.today, place=paraguay) for price in ("90", "100", "105", "110"))
    await observatory.hears(*dear)
    await observatory.settled(sku, 7)
    await in_force(observatory, sku, [("PY", Decimal("102.5"))])
    await observatory.hears(*(a_contract(sku, price, observatory.today) for price in ("10", "11")))
    await observatory.settled(sku, 9)
    await in_force(observatory, sku, [("BR", 10)])


async def test_a_reference_ends_though_only_an_earlier_version_with_the_same_figures_was_published(
    observatory: Observatory,
) -> None:
    sku = new_id()
    contracts = [a_contract(sku, price, observatory.today) for price in ("10", "10", "10", "10")]
    await observatory.hears(*contracts)
    await observatory.settled(sku, 4)
    await in_force(observatory, sku, [("BR", 10)])
    outlier = a_contract(sku, "5000", observatory.today)
    await observatory.hears(outlier)
    assert len((await observatory.settled(sku, 5))["versions"]) == 2
    assert len(await observatory.news(sku)) == 1
    await observatory.hears(*(its_end(each) for each in contracts))

    async def withdrawn() -> bool:
        observatory.market.clock.advance(timedelta(minutes=1))
        return isinstance((await observatory.news(sku))[-1], ReferencePriceWithdrawn)

    await observatory.market.eventually(withdrawn)
    await in_force(observatory, sku, [])


FORMER_WRITES = (
    "update observatory.items set published = {published}, reference_id = {reference} where item_key = '{sku}'"
)
"""What a worker of the former release writes about an item: it does not say that it publishes the ends."""


async def as_the_former_left_it(observatory: Observatory, sku: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put references back into the tables of all that use them."""
    names = ["sku_id", "currency", "level", "place_code", "reference_id", "version", "body"]
    for user in ("auctions", "pools", "quotes", "catalogue"):
        for row in rows:
            await observatory.market.fetch(
                f"insert into {user}.reference_prices ({', '.join(names)}) values ($1, $2, $3, $4, $5, $6, $7)"
                " on conflict (sku_id, currency, level, place_code) do update set version = excluded.version,"
                " reference_id = excluded.reference_id, body = excluded.body returning true",
                *(row[name] for name in names),
            )


async def test_a_reference_that_the_former_release_withdrew_by_another_version_ends(observatory: Observatory) -> None:
    sku = new_id()
    contracts = [a_contract(sku, price, observatory.today) for price in ("10", "10", "10", "10")]
    await observatory.hears(*contracts)
    await observatory.settled(sku, 4)
    await in_force(observatory, sku, [("BR", 10)])
    former = await observatory.market.fetch("select * from auctions.reference_prices where sku_id = $1", sku)
    await observatory.hears(*(its_end(each) for each in contracts))

    async def withdrawn() -> bool:
        observatory.market.clock.advance(timedelta(minutes=1))
        return isinstance((await observatory.news(sku))[-1], ReferencePriceWithdrawn)

    await observatory.market.eventually(withdrawn)
    await in_force(observatory, sku, [])
    await as_the_former_left_it(observatory, sku, former)
    (now,) = await observatory.market.fetch("select * from observatory.items where item_key = $1", sku)
    for published, reference in (("true", f"'{former[0]['reference_id']}'"), (now["published"], "null")):
        written = FORMER_WRITES.format(published=published, reference=reference, sku=sku)
        await observatory.market.fetch(f"{written} returning true")
    await in_force(observatory, sku, [])


async def test_a_reference_that_the_former_release_replaced_in_another_place_ends_and_the_new_one_stays(
    observatory: Observatory,
) -> None:
    sku = new_id()
    await three(observatory, sku)
    await in_force(observatory, sku, [("BR", 10)])
    former = await observatory.market.fetch("select * from auctions.reference_prices where sku_id = $1", sku)
    paraguay = Place(country="PY", region="PY-ASU")
    dear = (a_contract(sku, price, observatory.today, place=paraguay) for price in ("90", "100", "105", "110"))
    await observatory.hears(*dear)
    await observatory.settled(sku, 7)
    await in_force(observatory, sku, [("PY", Decimal("102.5"))])
    await as_the_former_left_it(observatory, sku, former)
    (now,) = await observatory.market.fetch("select reference_id from observatory.items where item_key = $1", sku)
    for reference in ("null", f"'{now['reference_id']}'"):
        written = FORMER_WRITES.format(published="true", reference=reference, sku=sku)
        await observatory.market.fetch(f"{written} returning true")
    await in_force(observatory, sku, [("PY", Decimal("102.5"))])


async def test_what_this_release_judges_does_not_wait_for_ends(observatory: Observatory) -> None:
    sku = new_id()
    await three(observatory, sku)
    await in_force(observatory, sku, [("BR", 10)])
    assert not await observatory.market.fetch("select 1 from observatory.ends_due where item_key = $1", sku)
    assert len(await observatory.news(sku)) == 1
