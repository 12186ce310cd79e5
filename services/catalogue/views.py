"""The data of API and pages: SKUs with their prices for a reader's region and quantity."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from catalogue.money import Money, round_money
from catalogue.offers import Need, Offer, PricedOffer, Ranked, rank, vat_exclusive
from catalogue.references import ReferenceNotComparable, reference_for
from catalogue.search import FoundSkus, SkuSearch
from catalogue.skus import Sku, SkuAttribute
from catalogue.units import unit_word
from events.observatory import ReferencePricePublished
from events.values import Category, Place
from infra.database import Transaction
from infra.denied import Missing
from infra.tokens import Principal
from services.catalogue import pricing, store
from services.catalogue.finder import Finder
from services.catalogue.handlers.offers import category_of
from services.catalogue.pricing import LocalMarket, best_price, broken_quantity, in_minor_units
from services.catalogue.store import StandingOffer, prices
from services.catalogue.store.prices import OffersSummary

PER_PAGE = 20
MOST_PAGES = 500
"""The most pages of a search result; further SKUs are found with filters."""
OFFERS_A_PAGE = 50
MOST_PAGES_OF_OFFERS = 1_000
HIGHEST_PRICE = 10**17
"""The highest price in the index, in minor units."""


class ShownReference(msgspec.Struct, frozen=True, kw_only=True):
    """A published reference price, VAT excluded. ``per_unit`` is for one base unit of the SKU."""

    reference_id: str
    median: Decimal
    p25: Decimal
    p75: Decimal
    unit: str
    currency: str
    per_unit: Decimal
    grade: str
    level: str
    place_code: str
    observations: int
    suppliers: int


@dataclass(frozen=True, slots=True)
class _BaseUnit:
    """The line for which a reference price is shown: one base unit of a SKU, VAT excluded."""

    unit: str
    pack_size: Decimal = Decimal(1)
    vat_rate: Decimal | None = None
    vat_included: bool | None = False


class FoundCard(msgspec.Struct, frozen=True, kw_only=True):
    """A SKU in a search result. ``best_price`` is that of one pack, VAT and delivery included, from the cheapest offer
    that serves the region (any region if none is asked for); ``offers`` counts all current ones."""

    sku_id: str
    version: int
    name: str
    description: str
    category: Category
    attributes: tuple[SkuAttribute, ...]
    base_unit: str
    unit_name: str
    pack_size: Decimal
    gtin: str
    group: str
    language: str
    currency: str
    offers: int
    best_price: Decimal | None
    reference: ShownReference | None


class SearchPage(msgspec.Struct, frozen=True, kw_only=True):
    """``pages`` is the number of pages, 0 if nothing is found; after the last page there are no results. ``complete``
    is False while the index of a process that has just started is being filled."""

    total: int
    page: int
    pages: int
    complete: bool
    results: list[FoundCard]
    facets: dict[str, dict[str, int]]


class RefusedTransition(msgspec.Struct, frozen=True, kw_only=True):
    because: str
    message: str
    numbers: dict[str, str]


class RankedOffer(msgspec.Struct, frozen=True, kw_only=True):
    """An offer for a region and quantity. ``landed`` and ``landed_net`` are per base unit of the SKU with and without
    VAT, ``total`` is the amount for the quantity; all are None if the offer is not available, and ``unavailable`` says
    why. ``against_reference`` is the difference to the reference price in percent (negative: below it)."""

    offer: Offer
    supplier_name: str
    landed: Decimal | None
    landed_net: Decimal | None
    total: Decimal | None
    against_reference: Decimal | None
    unavailable: RefusedTransition | None


class SkuPage(msgspec.Struct, frozen=True, kw_only=True):
    """``state`` is published or, with ``reasons``, archived. Offers are in the order of their landed price,
    :data:`OFFERS_A_PAGE` per page; ``sku.offers`` counts all. After the last of the ``pages`` there are none."""

    sku: FoundCard
    state: str
    reasons: tuple[str, ...]
    region: str
    quantity: Decimal
    page: int
    pages: int
    offers: list[RankedOffer]


NAMED_VALUE = r"^[^=]*[^=\s][^=]*=.*\S"
"""An attribute to search for: "name=value"."""


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """A reader's search. ``price_from`` and ``price_to`` are prices of one pack in the market's currency;
    ``attributes`` have the form "name=value"; prices are for ``region``, which with ``served`` is also a filter."""

    q: str = ""
    category: str = ""
    region: str = ""
    served: bool = False
    price_from: Decimal | None = None
    price_to: Decimal | None = None
    eco: str = ""
    attributes: tuple[str, ...] = ()
    sort: str = "relevance"
    page: int = 1


class WantedPrices(msgspec.Struct, frozen=True, kw_only=True):
    """The prices of a SKU that a reader asks for: for a region ("": the one that most of its first offers serve), for a
    number of packs (None: the smallest minimum), and the number of the page."""

    region: str = ""
    quantity: Decimal | None = None
    page: int = 1


async def search(tx: Transaction, finder: Finder, asked: Search, reader: Principal | None) -> SearchPage:
    """Return the page of search results with the prices that the reader sees. Raise MalformedCategory."""
    found = await finder.search(_wanted(asked, finder.currency))
    versions = await store.shown(tx, found.sku_ids)
    skus = [versions[sku_id].sku for sku_id in found.sku_ids if sku_id in versions]
    to = await pricing.reader(tx, reader)
    market = LocalMarket(region=asked.region, currency=finder.currency, on=to.on, seat=to.seat)
    return SearchPage(
        total=found.total,
        page=asked.page,
        pages=min(MOST_PAGES, -(-found.total // PER_PAGE)),
        complete=finder.ready,
        results=await cards(tx, skus, market),
        facets=_facets(found),
    )


def _wanted(asked: Search, currency: str) -> SkuSearch:
    pairs = (text.partition("=") for text in asked.attributes)
    return SkuSearch(
        text=asked.q,
        category=asked.category or None,
        region=asked.region if asked.served and asked.region else None,
        eco_label=asked.eco or None,
        attributes=tuple((name, value) for name, _, value in pairs),
        price_from=_bound(asked.price_from, currency),
        price_to=_bound(asked.price_to, currency),
        sort="price" if asked.sort == "price" else "relevance",
        offset=(asked.page - 1) * PER_PAGE,
        limit=PER_PAGE,
    )


def _bound(price: Decimal | None, currency: str) -> int | None:
    if price is None or not price.is_finite():
        return None
    most = Decimal(HIGHEST_PRICE).scaleb(-4)
    return in_minor_units(Money(round_money(max(-most, min(price, most)), currency), currency))


def _facets(found: FoundSkus) -> dict[str, dict[str, int]]:
    return {name: counts for name, counts in found.facets.items() if name != "supplier_size"}


async def cards(tx: Transaction, skus: Sequence[Sku], market: LocalMarket) -> list[FoundCard]:
    ids = [sku.sku_id for sku in skus]
    summaries = await prices.summaries(tx, ids)
    asked = dict.fromkeys(ids, prices.PriceRequest(region=market.region))
    cheapest = await prices.first(tx, asked, market.currency, market.on)
    references = await store.references.shown(await tx.raw(), ids)

    def card(sku: Sku) -> FoundCard:
        offers = [each.offer for each in cheapest[sku.sku_id]]
        return _card(sku, summaries[sku.sku_id], offers, references[sku.sku_id], market)

    return [card(sku) for sku in skus]


async def sku_page(
    tx: Transaction, sku_id: str, wanted: WantedPrices, currency: str, reader: Principal | None
) -> SkuPage:
    """A published or archived SKU, with prices on the local date of the reader's organisation.

    Raise Missing, QuantityNotPositive.
    """
    for error in broken_quantity(wanted.quantity):
        raise error
    version = (await store.published(tx, [sku_id])).get(sku_id) or await store.newest(tx, sku_id)
    if version is None or version.state not in ("published", "archived"):
        raise Missing("SKU", sku_id)
    summary = (await prices.summaries(tx, [sku_id]))[sku_id]
    to = await pricing.reader(tx, reader)
    need = Need(
        quantity=wanted.quantity or summary.least or Decimal(1), region=wanted.region or summary.region, on=to.on
    )
    market = LocalMarket(region=need.region, currency=currency, on=to.on, seat=to.seat)
    [card] = await cards(tx, [version.sku], market)
    asked = {sku_id: prices.PriceRequest(region=need.region, quantity=need.quantity)}
    after = (wanted.page - 1) * OFFERS_A_PAGE
    standing = await prices.first(tx, asked, currency, need.on, most=OFFERS_A_PAGE, after=after)
    return SkuPage(
        sku=card,
        state=version.state.value,
        reasons=version.reasons,
        region=need.region,
        quantity=need.quantity,
        page=wanted.page,
        pages=min(MOST_PAGES_OF_OFFERS, -(-summary.offers // OFFERS_A_PAGE)),
        offers=ranked_offers(standing[sku_id], card, need),
    )


def ranked_offers(standing: Sequence[StandingOffer], card: FoundCard, need: Need) -> list[RankedOffer]:
    """These offers of one SKU by landed price; those that are not available come last."""
    offers = (each.offer for each in standing)
    ranked = rank(offers, need, pack_size=card.pack_size, currency=card.currency)
    names = {each.offer.offer_id: each.supplier_name for each in standing}
    return [_ranked(row, names[row.offer.offer_id], card.pack_size, card.reference) for row in ranked]


def _card(
    sku: Sku,
    summary: OffersSummary,
    cheapest: Iterable[Offer],
    references: Iterable[ReferencePricePublished],
    market: LocalMarket,
) -> FoundCard:
    best = best_price(cheapest, market)
    shown = {name: getattr(sku, name) for name in FoundCard.__struct_fields__ if hasattr(sku, name)}
    return FoundCard(
        **{
            **shown,
            "category": category_of(sku.category),
            "unit_name": unit_word(sku.base_unit),
            "currency": market.currency,
            "offers": summary.offers,
            "best_price": best.amount if best else None,
            "reference": _reference(sku, references, market.place(summary.region), market.currency),
        }
    )


def _reference(
    sku: Sku, references: Iterable[ReferencePricePublished], place: Place, currency: str
) -> ShownReference | None:
    try:
        found = reference_for(_BaseUnit(sku.base_unit), references, place, currency)
    except ReferenceNotComparable:
        return None
    if found is None:
        return None
    published, told = found
    fields: dict[str, Any] = {name: getattr(published, name, None) for name in ShownReference.__struct_fields__}
    return ShownReference(**{**fields, "per_unit": told.unit_price})


def _ranked(row: Ranked, supplier_name: str, pack_size: Decimal, reference: ShownReference | None) -> RankedOffer:
    answer = row.answer
    if not isinstance(answer, PricedOffer) or row.landed is None:
        refusal = (
            None
            if isinstance(answer, PricedOffer)
            else RefusedTransition(because=answer.because, message=answer.message, numbers=answer.numbers)
        )
        return RankedOffer(
            offer=row.offer,
            supplier_name=supplier_name,
            landed=None,
            landed_net=None,
            total=None,
            against_reference=None,
            unavailable=refusal,
        )
    net = vat_exclusive(row.landed, row.offer.vat_rate, True).amount
    against = (
        round((net / reference.per_unit - 1) * 100, 1)
        if reference and reference.per_unit and reference.currency == row.offer.currency
        else None
    )
    return RankedOffer(
        offer=row.offer,
        supplier_name=supplier_name,
        landed=row.landed.amount,
        landed_net=net,
        total=answer.total.amount,
        against_reference=against,
        unavailable=None,
    )
