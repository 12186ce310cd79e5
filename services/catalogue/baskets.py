"""The content of a basket for pages and API: each line with its best price for a place, the total, and the lines that
fit into one mini-auction."""

from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

import msgspec

from catalogue.categories import division, short_cpv
from catalogue.numbers import unambiguous
from catalogue.offers import Need
from catalogue.skus import SkuState
from infra.database import Transaction
from infra.tokens import Principal
from services.catalogue import pricing, store, views
from services.catalogue.handlers.basket import PUT_BACK_WITHIN
from services.catalogue.pricing import LocalMarket
from services.catalogue.store import StoredBasketLine, Version, prices
from services.catalogue.store.prices import PriceRequest
from services.catalogue.views import FoundCard, RankedOffer, RefusedTransition


class BasketLine(msgspec.Struct, frozen=True, kw_only=True):
    """``quantity`` counts packs. ``best`` is the available offer with the lowest landed price for them; None if there
    is none, and ``unavailable`` says why."""

    sku: FoundCard
    quantity: Decimal
    best: RankedOffer | None
    unavailable: RefusedTransition | None


class BasketGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Lines of one functional group, a CPV division: they fit into one mini-auction. ``query`` has the SKUs and
    quantities for the address of a page that opens a process with them."""

    division: str
    name: str
    sku_ids: tuple[str, ...]
    query: str


class Basket(msgspec.Struct, frozen=True, kw_only=True):
    """``total`` is the price of the lines with a best offer, VAT and delivery included; ``complete`` says that all
    lines have one. ``removed`` are SKUs that were taken out within the last day: one that is put in again gets its
    former quantity."""

    region: str
    currency: str
    lines: tuple[BasketLine, ...]
    total: Decimal | None
    complete: bool
    groups: tuple[BasketGroup, ...]
    query: str
    removed: tuple[FoundCard, ...]


async def basket_of(tx: Transaction, member: Principal, region: str, currency: str) -> Basket:
    """Return the member's basket with prices for ``region``; "" means, for each line, the region that most of its first
    offers serve. Lines of SKUs that this release cannot read are left out; the total is then not complete."""
    reader = await pricing.reader(tx, member)
    today = reader.on
    lines_kept = await store.basket(tx, member.member_id)
    ids = [each.sku_id for each in lines_kept]
    published = await store.shown(tx, ids)
    versions = {**await store.newest_of(tx, ids), **published}
    kept = [each for each in lines_kept if each.sku_id in versions]
    ids = [each.sku_id for each in kept]
    cards = {
        card.sku_id: card
        for card in await views.cards(
            tx,
            [versions[each].sku for each in ids],
            LocalMarket(region=region, currency=currency, on=today, seat=reader.seat),
        )
    }
    inside = [each for each in kept if each.removed_at is None]
    common = {} if region else await prices.summaries(tx, [each.sku_id for each in inside])
    asked = {
        each.sku_id: PriceRequest(region=region or common[each.sku_id].region, quantity=each.quantity)
        for each in inside
    }
    cheapest = await prices.first(tx, asked, currency, today)

    def line(each: StoredBasketLine) -> BasketLine:
        card, place = cards[each.sku_id], asked[each.sku_id].region
        ranked = views.ranked_offers(cheapest[each.sku_id], card, Need(each.quantity, place, today))
        best = next((offer for offer in ranked[:1] if offer.total is not None and each.sku_id in published), None)
        why = None if best else _why(versions[each.sku_id], ranked)
        return BasketLine(sku=card, quantity=each.quantity, best=best, unavailable=why)

    lines = tuple(line(each) for each in inside)
    usable = [line for line in lines if line.sku.sku_id in published]
    totals = [line.best.total for line in lines if line.best is not None and line.best.total is not None]
    lately = [each for each in kept if each.removed_at and each.removed_at > tx.now - PUT_BACK_WITHIN]
    return Basket(
        region=region,
        currency=currency,
        lines=lines,
        total=sum(totals, Decimal(0)) if totals else None,
        complete=len(totals) == len(lines) and len(kept) == len(lines_kept),
        groups=_groups(usable),
        query=_query(usable),
        removed=tuple(cards[each.sku_id] for each in lately if each.sku_id in published),
    )


def _why(version: Version, ranked: list[RankedOffer]) -> RefusedTransition:
    if version.state != SkuState.PUBLISHED:
        reasons = "; ".join(version.reasons) or "no reason is given"
        return RefusedTransition(because="sku-archived", message=f"The SKU is archived: {reasons}.", numbers={})
    if ranked and ranked[0].unavailable is not None:
        return ranked[0].unavailable
    return RefusedTransition(because="no-offers", message="Nobody offers it at present.", numbers={})


def _groups(lines: list[BasketLine]) -> tuple[BasketGroup, ...]:
    by_division: dict[str, list[BasketLine]] = {}
    for line in lines:
        by_division.setdefault(division(line.sku.category.code), []).append(line)
    return tuple(
        BasketGroup(
            division=code,
            name=short_cpv().name(code),
            sku_ids=tuple(line.sku.sku_id for line in alike),
            query=_query(alike),
        )
        for code, alike in by_division.items()
    )


def _query(lines: list[BasketLine]) -> str:
    pairs: list[tuple[str, Any]] = []
    for line in lines:
        pairs += [("sku", line.sku.sku_id), ("quantity", unambiguous(line.quantity))]
    return urlencode(pairs)
