"""Replicas of what other services announced, reduced to what this service needs. SQL is written by hand here for
JSON."""

from collections.abc import Sequence
from decimal import Decimal
from operator import itemgetter

import asyncpg
import msgspec
from msgspec import structs

from catalogue.money import Money, minor_step, round_money
from catalogue.offers import EcoLabel, Need, Offer, PriceTier
from catalogue.places import Place
from events.catalogue import OfferArchived, OfferPublished
from infra.database import Reader, Transaction
from infra.json_columns import as_number, list_in, number_in
from infra.reading import listed, read_one
from services.market.replicas import OrganisationReplicas, Skus
from services.purchases.store.rows import LEAST, Row

_TIERS, _FROM, _TIER_PRICE = list_in("body->'tiers'"), as_number("tier->>'from_quantity'"), as_number("tier->>'price'")
_REACHED = f"select {_TIER_PRICE} from jsonb_array_elements({_TIERS}) as tier where {_FROM} <= $3 order by {_FROM} desc limit 1"
_GROSS = (
    f"coalesce(({_REACHED}), {number_in('body', 'price')})"
    f" * case body->>'vat_included' when 'true' then 1 else 1 + {number_in('body', 'vat_rate')} / 100 end"
)
"""What a pack costs with VAT if the buyer takes $3 packs."""
READ = 5
"""How many cheaper offers are read at most, until one can be read."""

organisations = OrganisationReplicas(Row.metadata)
skus = Skus(Row.metadata)


async def put_offers(tx: Transaction, events: Sequence[OfferPublished]) -> None:
    await (await tx.raw()).execute(
        "insert into purchases.offers (offer_id, sku_id, archived, body)"
        " select id, sku_id, false, body::jsonb from unnest($1::text[], $2::text[], $3::text[]) as told (id, sku_id, body)"
        " on conflict (offer_id) do nothing",
        [event.offer_id for event in events],
        [event.sku_id for event in events],
        [msgspec.json.encode(event).decode() for event in events],
    )


async def archive_offers(tx: Transaction, events: Sequence[OfferArchived]) -> None:
    """Archive the offers. One that was not published yet is stored as archived, so that its late publication changes
    nothing."""
    skus_of = {event.offer_id: event.sku_id for event in events}
    await (await tx.raw()).execute(
        "insert into purchases.offers (offer_id, sku_id, archived, body)"
        " select id, sku_id, true, '{}' from unnest($1::text[], $2::text[]) as told (id, sku_id)"
        " on conflict (offer_id) do update set archived = true",
        list(skus_of),
        list(skus_of.values()),
    )


async def offer(db: Reader, offer_id: str) -> tuple[Offer, bool] | None:
    """Return the offer and whether it stands. None if there is none, or only its end is known. Raise UnreadableRow."""
    sql = "select offer_id, archived, body::text as body from purchases.offers where offer_id = $1 and body <> '{}'"
    row = await db.fetchrow(sql, offer_id)
    return (read_one("purchases.offers", offer_id, _read, row), not row["archived"]) if row else None


async def cheaper(db: Reader, offer: Offer, total: Money, need: Need, *, buyer_id: str) -> Offer | None:
    """Another standing offer of its SKU by which this buyer pays less than the total for its need: of an active supplier, not its own.
    The database compares prices as :func:`catalogue.offers.price_for` does, and looks only at those that could cost less: an index has
    the lowest price of each. However many stand, few are read. One that this release cannot read is passed over: nobody could buy it."""
    less, tie = dearest_below(total)
    rows = await db.fetch(
        "select offer_id, body::text as body from purchases.offers cheap where sku_id = $1 and not archived"
        f" and {LEAST} <= $2::numeric / $3::numeric and offer_id <> $4 and body->>'currency' = $5"
        " and $6::date::text <= body->>'valid_until'"
        " and body->'regions' ?| array[$7, split_part($7, '-', 1)]"
        f" and $3 between {number_in('body', 'min_quantity')} and {number_in('body', 'max_quantity')}"
        f" and ({_GROSS} * $3 < $2 or $8::boolean and {_GROSS} * $3 = $2)"
        " and body->>'supplier_id' <> $9 and (select state from purchases.organisations"
        " where organisation_id = cheap.body->>'supplier_id') = 'active'"
        f" order by {LEAST} limit {READ}",
        offer.sku_id,
        less,
        need.quantity,
        offer.offer_id,
        offer.currency,
        need.on,
        need.region,
        tie,
        buyer_id,
    )
    return next(iter(listed("purchases.offers", rows, itemgetter("offer_id"), _read)), None)


def _read(row: asyncpg.Record) -> Offer:
    return _offer(msgspec.json.decode(row["body"], type=OfferPublished))


def dearest_below(total: Money) -> tuple[Decimal, bool]:
    """Return the bound below which an amount is rounded to less than the total, and whether this also holds for an
    amount equal to the bound."""
    bound = total.amount - minor_step(total.currency) / 2
    return bound, round_money(bound, total.currency) < total.amount


def _offer(event: OfferPublished) -> Offer:
    """Return the offer in the form that the catalogue's rules use."""
    stock = structs.asdict(event.stock)
    fields = {name: getattr(event, name) for name in Offer.__struct_fields__}
    fields["stock"] = Place(**{**stock, "country": stock["country"] or ""})
    fields["tiers"] = tuple(PriceTier(tier.from_quantity, tier.price) for tier in event.tiers)
    fields["eco_labels"] = tuple(EcoLabel(each.label, each.certificate, each.expires) for each in event.eco_labels)
    return Offer(**fields)
