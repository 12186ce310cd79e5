"""Direct purchases, as their two sides see them."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from catalogue.roles import SEES_ALL
from events.values import Place
from infra.denied import Missing
from infra.service import Resources
from infra.texts import clean
from infra.tokens import Principal
from services.purchases.store import purchases


class PurchaseView(msgspec.Struct, kw_only=True):
    """``answer`` is accepted, refused or lapsed, or "" until there is one. ``contract_id`` is the id of the contract
    once the purchase is accepted."""

    purchase_id: str
    offer_id: str
    sku_id: str
    title: str
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    currency: str
    place: Place
    requested_at: datetime
    due_at: datetime
    answer: str
    reason: str
    answered_at: datetime | None
    contract_id: str | None


async def own_purchase(resources: Resources, purchase_id: str, principal: Principal) -> purchases.StoredPurchase:
    """Return the purchase. Raise Missing, also if the purchase belongs to others."""
    found = await purchases.get(resources.database.pool, clean(purchase_id))
    if found is None or not (found.concerns(principal.organisation_id) or principal.may(*SEES_ALL)):
        raise Missing("purchase", purchase_id)
    return found


def as_seen(found: Sequence[purchases.ListedPurchase]) -> list[PurchaseView]:
    same = "offer_id sku_id title buyer_id buyer_name supplier_id quantity unit_price amount currency place due_at"
    return [
        PurchaseView(
            **{name: getattr(each.requested, name) for name in same.split()},
            purchase_id=each.requested.process_id,
            supplier_name=each.supplier_name,
            requested_at=each.requested_at,
            answer=each.answer,
            reason=each.reason,
            answered_at=each.answered_at,
            contract_id=purchases.contract_id_of(each.requested) if each.answer == "accepted" else None,
        )
        for each in found
    ]


def purchase_view(kept: purchases.StoredPurchase) -> PurchaseView:
    return as_seen([kept.summary])[0]
