"""Builders of events for the observatory, in one line each."""

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from events.auctions import BidDisclosed
from events.catalogue import OfferPublished, SkuPublished
from events.contracts import AwardMade, ContractConcluded, ContractEnded
from events.values import Category, Line, Place
from infra.ids import new_id

PAPER = Category(code="30197630-1", scheme="CPV", title="Printing paper")
SERGIPE = Place(country="BR", region="BR-SE", locality="Aracaju")
PARANA = Place(country="BR", region="BR-PR", locality="Curitiba")


def at(day: date) -> datetime:
    return datetime.combine(day, time(12), UTC)


def a_line(item: str, price: str | None, **changes: Any) -> Line:
    """``item`` is a SKU's id, or the description of an imported line, which has a blank."""
    usual: dict[str, Any] = {
        "line_id": "1",
        "description": item,
        "sku_id": None if " " in item else item,
        "quantity": Decimal(10),
        "unit": "KGM",
        "unit_price": Decimal(price) if price else None,
    }
    return Line(**(usual | changes))


def a_contract(
    item: str,
    price: str | None,
    on: date,
    *,
    unit: str = "KGM",
    unit_text: str = "",
    lines: tuple[Line, ...] | None = None,
    **changes: Any,
) -> ContractConcluded:
    """A contract for ten kilograms of the item, in Aracaju, each from a new supplier."""
    line = a_line(item, price, unit=unit, unit_text=unit_text)
    usual: dict[str, Any] = {
        "process_id": new_id(),
        "contract_id": new_id(),
        "award_id": None,
        "origin": "auction",
        "buyer_id": new_id(),
        "buyer_name": "School 7",
        "supplier_id": new_id(),
        "supplier_name": f"Supplier at {price}",
        "title": "A contract",
        "category": PAPER,
        "method": "open",
        "place": SERGIPE,
        "currency": "BRL",
        "amount": None,
        "lines": (line,) if lines is None else lines,
        "signed_at": at(on),
    }
    return ContractConcluded(**(usual | changes))


def its_end(contract: ContractConcluded) -> ContractEnded:
    return ContractEnded(
        process_id=contract.process_id,
        contract_id=contract.contract_id,
        supplier_id=contract.supplier_id,
        buyer_id=contract.buyer_id,
        reason="cancelled",
        by="buyer",
        evasion=False,
    )


def its_award(contract: ContractConcluded, price: str) -> AwardMade:
    """The award from which a contract with an ``award_id`` follows."""
    assert contract.award_id
    item = contract.lines[0].description if contract.lines else contract.title
    return AwardMade(
        process_id=contract.process_id,
        award_id=contract.award_id,
        origin=contract.origin,
        buyer_id=contract.buyer_id,
        buyer_name=contract.buyer_name,
        supplier_ids=(contract.supplier_id,),
        supplier_names=(contract.supplier_name,),
        title=contract.title,
        category=contract.category,
        method=contract.method,
        place=contract.place,
        currency=contract.currency,
        amount=None,
        lines=(a_line(item, price),),
        awarded_at=contract.signed_at,
    )


def a_sku(sku_id: str, name: str, *, unit: str = "GRM", pack: int = 500, version: int = 1) -> SkuPublished:
    return SkuPublished(
        sku_id=sku_id,
        version=version,
        name=name,
        category=PAPER,
        attributes=(),
        base_unit=unit,
        pack_size=Decimal(pack),
    )


def an_offer(sku_id: str, price: str, on: date, **changes: Any) -> OfferPublished:
    """An offer with 20 % VAT in the price, from a new supplier."""
    usual: dict[str, Any] = {
        "sku_id": sku_id,
        "offer_id": new_id(),
        "supplier_id": new_id(),
        "supplier_name": f"Offers at {price}",
        "category": PAPER,
        "price": Decimal(price),
        "currency": "BRL",
        "vat_rate": Decimal(20),
        "vat_included": True,
        "regions": ("BR",),
        "delivery_days": 5,
        "stock": SERGIPE,
        "min_quantity": Decimal(1),
        "max_quantity": Decimal(1000),
        "valid_from": on,
        "valid_until": on,
    }
    return OfferPublished(**(usual | changes))


def a_bid(item: str, price: str, on: date, **changes: Any) -> BidDisclosed:
    usual: dict[str, Any] = {
        "auction_id": new_id(),
        "bid_id": new_id(),
        "supplier_id": new_id(),
        "currency": "BRL",
        "lines": (a_line(item, price),),
        "bid_at": at(on),
        "place": SERGIPE,
    }
    return BidDisclosed(**(usual | changes))
