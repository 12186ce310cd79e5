"""Queries on the offers of a SKU. The database counts and sorts them, so that the work for one reader does not depend
on their number; the rules of :mod:`catalogue.offers` then price the selected ones.

A number, date or list that this release cannot read, because a newer one wrote it, is treated as null, and such an
offer comes last.

SQL is written by hand here for lists.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal

import asyncpg
import msgspec

from catalogue.offers import Offer
from infra.database import Transaction, columns
from infra.json_columns import as_number, list_in
from infra.reading import listed
from services.catalogue.store import StandingOffer

ASKED_FOR_REGION = 200
"""The number of oldest offers of a SKU from which the default region is chosen: the region that most of them serve."""
MOST_LABELS = 100
"""The most eco-labels of a SKU in the search index; those of most offers are chosen."""
CHEAPEST = 3
"""The most offers that are read to find the lowest price: the first one that this release can read gives it."""


class OffersSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A summary of all current offers of a SKU. ``least`` is the smallest number of packs that can be bought, None
    without offers; ``region`` is the one that most of the first offers serve, "" without offers."""

    offers: int
    least: Decimal | None
    region: str


class PriceRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What prices are asked for. ``region`` "" means any; without a ``quantity`` each offer is priced at its own
    minimum."""

    region: str = ""
    quantity: Decimal | None = None


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """What the offers of a SKU add to the search index."""

    regions: tuple[str, ...]
    eco_labels: tuple[str, ...]


_PRICE, _VAT = as_number("body->>'price'"), as_number("body->>'vat_rate'")
_LEAST, _MOST = as_number("body->>'min_quantity'"), as_number("body->>'max_quantity'")
_REGIONS, _TIERS, _LABELS = list_in("body->'regions'"), list_in("body->'tiers'"), list_in("body->'eco_labels'")
_FROM, _TIER_PRICE = as_number("tier->>'from_quantity'"), as_number("tier->>'price'")

_REACHED = (
    f"select {_TIER_PRICE} from jsonb_array_elements({_TIERS}) as tier where {_FROM} <= asked.quantity"
    f" order by {_FROM} desc limit 1"
)
_GROSS = f"coalesce(({_REACHED}), {_PRICE}) * case body->>'vat_included' when 'true' then 1 else 1 + {_VAT} / 100 end"
_AVAILABLE = (
    "body->>'currency' = $4 and valid_until >= $5"
    " and (asked.region = '' or body->'regions' ?| array[asked.region, split_part(asked.region, '-', 1)])"
    f" and (asked.quantity is null or asked.quantity between {_LEAST} and {_MOST})"
)
_STANDING = "from catalogue.offers where sku_id = asked.sku_id and ended is null"


async def first(
    tx: Transaction,
    asked: Mapping[str, PriceRequest],
    currency: str,
    on: date,
    *,
    most: int = CHEAPEST,
    after: int = 0,
) -> dict[str, list[StandingOffer]]:
    """For each SKU its offers by landed price: at most ``most`` after the first ``after``. Those that are not available
    come last, by id. Offers that cannot be read are left out."""
    found: dict[str, list[StandingOffer]] = {sku_id: [] for sku_id in asked}
    if not asked:
        return found
    rows = await (await tx.raw()).fetch(
        "select offers.* from unnest($1::text[], $2::text[], $3::numeric[]) as asked (sku_id, region, quantity)"
        " cross join lateral (select offer_id, supplier_name, published_at, body::text as body,"
        f" case when {_AVAILABLE} then {_GROSS} end as gross"
        f" {_STANDING} order by gross, offer_id limit $6 offset $7) as offers",
        *columns((sku_id, each.region, each.quantity) for sku_id, each in asked.items()),
        currency,
        on,
        most,
        after,
    )
    for each in listed("offer", rows, lambda row: row["offer_id"], _standing):
        found[each.offer.sku_id].append(each)
    return found


async def summaries(tx: Transaction, sku_ids: Sequence[str]) -> dict[str, OffersSummary]:
    """The summary of each SKU."""
    rows = await (await tx.raw()).fetch(
        "select asked.sku_id, counted.offers, counted.least, coalesce(served.region, '') as region"
        " from unnest($1::text[]) as asked (sku_id)"
        f" cross join lateral (select count(*) as offers, min({_LEAST}) as least {_STANDING}) as counted"
        f" left join lateral (select region from (select body {_STANDING} order by offer_id limit $2) as oldest,"
        f" jsonb_array_elements_text({_REGIONS}) as region"
        ' group by region order by count(*) desc, region collate "C" limit 1) as served on true',
        list(sku_ids),
        ASKED_FOR_REGION,
    )
    return {
        row["sku_id"]: OffersSummary(offers=row["offers"], least=row["least"], region=row["region"]) for row in rows
    }


async def reaches(tx: Transaction, sku_ids: Sequence[str]) -> dict[str, Reach]:
    """The data of each SKU for the search index. The number of regions is bounded, because the world has a limited
    number."""
    rows = await (await tx.raw()).fetch(
        f"select asked.sku_id, array(select distinct jsonb_array_elements_text({_REGIONS}) {_STANDING}) as regions,"
        f" array(select label from (select each->>'label' as label, count(*) as n from (select body {_STANDING}) as offers,"
        f" jsonb_array_elements({_LABELS}) as each group by 1) as labels where label is not null"
        ' order by n desc, label collate "C" limit $2) as eco_labels'
        " from unnest($1::text[]) as asked (sku_id)",
        list(sku_ids),
        MOST_LABELS,
    )
    return {row["sku_id"]: Reach(regions=tuple(row["regions"]), eco_labels=tuple(row["eco_labels"])) for row in rows}


def _standing(row: asyncpg.Record) -> StandingOffer:
    return StandingOffer(
        offer=msgspec.json.decode(row["body"], type=Offer),
        supplier_name=row["supplier_name"],
        published_at=row["published_at"],
    )
