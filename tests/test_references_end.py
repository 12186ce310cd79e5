"""A reference price that the observatory replaces or withdraws ends wherever it is used."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest

from events.observatory import ReferencePricePublished, ReferencePriceWithdrawn
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
    (published,) = [each for each in await observatory.news(sku) if isinstance(each, ReferencePricePublished)]

    async def ended_for_the_former_release() -> bool:
        """It ends a reference by its id only."""
        return any(
            isinstance(each, ReferencePriceWithdrawn) and each.reference_id == published.reference_id
            for each in await observatory.news(sku)
        )

    await observatory.market.eventually(ended_for_the_former_release)


async def as_the_former_left_it(observatory: Observatory, sku: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Put references back into the tables of all that use them, as a worker of the former release leaves them."""
    names = ["sku_id", "currency", "level", "place_code", "reference_id", "version", "body"]
    for user in ("auctions", "pools", "quotes", "catalogue"):
        for row in rows:
            await observatory.market.fetch(
                f"insert into {user}.reference_prices ({', '.join(names)}) values ($1, $2, $3, $4, $5, $6, $7)"
                " on conflict (sku_id, currency, level, place_code) do update set version = excluded.version,"
                " reference_id = excluded.reference_id, body = excluded.body returning true",
                *(row[name] for name in names),
            )


async def before_and_after(observatory: Observatory, sku: str) -> Sequence[Mapping[str, Any]]:
    """The references in force of an item whose reference in Brazil ends then."""
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
    return former


async def told(observatory: Observatory, sku: str) -> int | None:
    """How often the end was repeated; None: no more is due."""
    rows = await observatory.market.fetch("select repeats from observatory.ends_due where item_key = $1", sku)
    return rows[0]["repeats"] if rows else None


async def test_an_end_that_a_worker_of_the_former_release_passed_over_is_published_again_until_a_day_later(
    observatory: Observatory,
) -> None:
    sku = new_id()
    former = await before_and_after(observatory, sku)

    async def has_repeated(times: int | None) -> bool:
        return await told(observatory, sku) == times

    await observatory.market.eventually(partial(has_repeated, 1))
    for later, repeated in ((timedelta(hours=1), 2), (timedelta(days=1), None)):
        await as_the_former_left_it(observatory, sku, former)
        observatory.market.clock.advance(later)
        await observatory.market.eventually(partial(has_repeated, repeated))
        await in_force(observatory, sku, [])


async def test_references_of_an_item_that_waits_since_the_upgrade_end_and_the_one_in_force_stays(
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
    await observatory.market.fetch(
        "insert into observatory.ends_due (item_key) values ($1)"
        " on conflict (item_key) do update set due_at = excluded.due_at, repeats = 0 returning true",
        sku,
    )
    await in_force(observatory, sku, [("PY", Decimal("102.5"))])


async def test_a_reference_with_other_figures_for_the_same_place_ends_none(observatory: Observatory) -> None:
    sku = new_id()
    await three(observatory, sku)
    await in_force(observatory, sku, [("BR", 10)])
    await observatory.hears(*(a_contract(sku, price, observatory.today) for price in ("12", "13")))
    await observatory.settled(sku, 5)
    await in_force(observatory, sku, [("BR", 11)])
    assert await told(observatory, sku) is None
    assert len(await observatory.news(sku)) == 2
