"""Turns events into price observations and the items they belong to.

An item is a SKU; for lines without one :func:`item_key` makes its key from category, description and currency. The unit is not part of
the key: prices per another unit, or per an unreadable one, stay listed with their item, as dropped and with the reason.
"""

import re
import unicodedata
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec

from catalogue.categories import CPV, plain_code
from events.auctions import BidDisclosed
from events.catalogue import OfferPublished
from events.contracts import AwardMade, ContractConcluded
from events.imports import ImportedProcess
from events.quotes import QuoteDisclosed
from events.values import Category, Line, Place, Source
from infra.ids import derive_id
from services.observatory.domain import Observation, PriceKind

INVALID_BIDS = frozenset({"disqualified", "invalid", "withdrawn"})
TITLE_LENGTH = 300


class Origin(StrEnum):
    """The kind of document that has the price. An award counts as a contract price until the contract itself comes."""

    CONTRACT = "contract"
    AWARD = "award"
    OFFER = "offer"
    BID = "bid"
    QUOTE = "quote"


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A thing that has prices. ``unit`` and ``pack_size`` are those of a SKU, for its offers; "" if unknown."""

    item_key: str
    sku_id: str | None = None
    title: str
    category: Category | None = None
    currency: str
    unit: str = ""
    pack_size: Decimal = Decimal(1)


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """All prices of one document; they replace what it said before."""

    origin: Origin
    document_id: str
    process_id: str = ""
    award_id: str | None = None
    supplier_id: str | None = None
    items: tuple[Item, ...]
    observations: tuple[Observation, ...]


def folded(text: str) -> str:
    """Lower case, without accents, anything but letters and digits as one space: two spellings of one thing then agree."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return " ".join(re.findall(r"\w+", "".join(char for char in plain if not unicodedata.combining(char))))


def plain(category: Category | None) -> Category | None:
    """The category with its CPV code as the catalogue writes it. Events of a former release have it as the publisher wrote
    it, such as "30197642-8" or "30"."""
    if category is None or category.scheme != CPV or (code := plain_code(category.code)) == category.code:
        return category
    return msgspec.structs.replace(category, code=code)


def item_key(line: Line, category: Category | None, currency: str) -> str:
    """The SKU's id; else a derived id of category code, folded description and currency; "" if the line names no thing.

    Two currencies are two items, because no exchange rates are loaded.
    """
    if line.sku_id:
        return line.sku_id
    category = plain(category)
    code, words = (f"{category.scheme}/{category.code}" if category else ""), folded(line.description)
    return derive_id("item", code, words, currency) if words else ""


def of_contract(event: ContractConcluded) -> Seen:
    return _seen(
        event.lines,
        PriceKind.CONTRACT,
        origin=Origin.CONTRACT,
        document_id=event.contract_id,
        process_id=event.process_id,
        award_id=event.award_id,
        currency=event.currency,
        day=event.signed_at.date(),
        place=event.place,
        category=event.category,
        supplier=(event.supplier_id, event.supplier_name),
        buyer=(event.buyer_id, event.buyer_name),
        source=event.source,
    )


def of_award(event: AwardMade) -> Seen:
    """Several suppliers of one award count as one supplier in the statistics."""
    return _seen(
        event.lines,
        PriceKind.CONTRACT,
        origin=Origin.AWARD,
        document_id=event.award_id,
        process_id=event.process_id,
        award_id=event.award_id,
        currency=event.currency,
        day=event.awarded_at.date(),
        place=event.place,
        category=event.category,
        supplier=("+".join(sorted(event.supplier_ids)), ", ".join(event.supplier_names)),
        buyer=(event.buyer_id, event.buyer_name),
        source=event.source,
        cancelled=event.cancelled,
    )


def of_bid(event: BidDisclosed, published_at: datetime) -> Seen:
    """A native bid without a time is dated by its disclosure, an imported one by its publication."""
    at = event.bid_at or (event.source.published_at if event.source else None) or published_at
    return _seen(
        event.lines,
        PriceKind.BID,
        origin=Origin.BID,
        document_id=event.bid_id,
        process_id=event.auction_id,
        currency=event.currency,
        day=at.date(),
        place=event.place,
        category=event.category,
        supplier=(event.supplier_id, ""),
        buyer=(event.buyer_id, ""),
        source=event.source,
        cancelled=event.status in INVALID_BIDS,
    )


def of_imported_bids(process: ImportedProcess) -> Iterator[Seen]:
    """A bid with neither a date of its own nor a publication date is left out, because its price cannot be dated."""
    published_at = process.tender.published_at if process.tender else None
    for bid in process.bids:
        if at := bid.bid_at or (bid.source.published_at if bid.source else None) or published_at:
            yield of_bid(bid, at)


def of_quote(event: QuoteDisclosed) -> Seen:
    """A quote is dated by the day it was sent, whether it was chosen or not."""
    return _seen(
        event.lines,
        PriceKind.QUOTE,
        origin=Origin.QUOTE,
        document_id=event.quote_id,
        process_id=event.request_id,
        currency=event.currency,
        day=event.quoted_at.date(),
        place=event.place,
        category=event.category,
        supplier=(event.supplier_id, ""),
        buyer=(event.buyer_id, ""),
        source=None,
    )


def of_offer(event: OfferPublished) -> Seen:
    """The price of one pack. The SKU says what a pack holds, so the unit is filled in later (:func:`with_unit_of`)."""
    item = Item(item_key=event.sku_id, sku_id=event.sku_id, title="", category=event.category, currency=event.currency)
    observation = Observation(
        observation_id=derive_id("observation", Origin.OFFER, event.offer_id),
        kind=PriceKind.OFFER,
        item_key=event.sku_id,
        unit_price=event.price,
        currency=event.currency,
        date=event.valid_from,
        place=event.stock,
        category=event.category,
        vat_rate=event.vat_rate,
        vat_included=event.vat_included,
        supplier_id=event.supplier_id,
        supplier_name=event.supplier_name,
        document=event.offer_id,
    )
    return Seen(
        origin=Origin.OFFER,
        document_id=event.offer_id,
        supplier_id=event.supplier_id,
        items=(item,),
        observations=(observation,),
    )


def with_unit_of(item: Item, seen: Observation) -> Observation:
    """The observation with unit and pack of the SKU, as the catalogue has them now, if it is an offer without a unit."""
    if seen.kind is PriceKind.OFFER and not seen.unit and item.unit:
        return msgspec.structs.replace(seen, unit=item.unit, pack_size=item.pack_size)
    return seen


def _seen(
    lines: Sequence[Line],
    kind: PriceKind,
    *,
    origin: Origin,
    document_id: str,
    process_id: str,
    currency: str | None,
    day: date,
    place: Place,
    category: Category | None,
    supplier: tuple[str, str],
    buyer: tuple[str | None, str],
    source: Source | None,
    award_id: str | None = None,
    cancelled: bool = False,
) -> Seen:
    items: dict[str, Item] = {}
    observations = []
    # An award has no page of its own; a contract has one.
    named = f"award {document_id}" if origin is Origin.AWARD else document_id
    for number, line, key in _priced(lines, category, currency):
        held = plain(line.category or category)
        title = (line.description or (held.title if held else "")).strip()[:TITLE_LENGTH]
        items[key] = Item(item_key=key, sku_id=line.sku_id, title=title, category=held, currency=currency or "")
        assert line.unit_price is not None
        observations.append(
            Observation(
                observation_id=derive_id("observation", origin, document_id, line.line_id, str(number)),
                kind=kind,
                item_key=key,
                unit_price=line.unit_price,
                currency=currency or "",
                date=day,
                place=line.place or place,
                title=title,
                category=held,
                unit=line.unit,
                unit_text=line.unit_text,
                pack_size=line.pack_size,
                quantity=line.quantity,
                vat_rate=line.vat_rate,
                vat_included=line.vat_included,
                supplier_id=supplier[0] or None,
                supplier_name=supplier[1],
                buyer_id=buyer[0],
                buyer_name=buyer[1],
                document=source.document if source else named,
                source=source,
                cancelled=cancelled,
            )
        )
    return Seen(
        origin=origin,
        document_id=document_id,
        process_id=process_id,
        award_id=award_id,
        supplier_id=supplier[0] or None,
        items=tuple(items[key] for key in sorted(items)),
        observations=tuple(observations),
    )


def _priced(lines: Sequence[Line], category: Category | None, currency: str | None) -> Iterator[tuple[int, Line, str]]:
    """(how many lines with this line id came before, line, item key) for each line that has a price, a currency and an item key."""
    before: dict[str, int] = {}
    for line in lines:
        number = before[line.line_id] = before.get(line.line_id, -1) + 1
        if line.unit_price is None or not currency:
            continue
        if key := item_key(line, line.category or category, currency):
            yield number, line, key
