"""A member's basket: put in, take out; what was taken out can be put back for a day."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal

from catalogue.rules import RuleBroken, SkuNotPublished
from infra.database import Transaction
from infra.tokens import Principal
from services.catalogue import store
from services.catalogue.pricing import broken_quantity
from services.catalogue.store import prices

MOST_LINES = 100
"""The most lines of a basket, as many as an auction may have."""
PUT_BACK_WITHIN = timedelta(days=1)
MOST_REMOVED = 100
"""The most lines that can be put back; the newest are kept."""


class BasketFull(RuleBroken):
    code = "basket-full"


async def put(tx: Transaction, sku_id: str, quantity: Decimal | None, principal: Principal) -> Decimal:
    """Set the packs of the SKU in the basket, and return their number. Without a quantity it is the one in the basket
    (or, if the SKU was taken out, the former one), else the smallest that is offered. A repeat changes nothing.

    Raise QuantityNotPositive, SkuNotPublished, BasketFull.
    """
    for error in broken_quantity(quantity):
        raise error
    if sku_id not in await store.published(tx, [sku_id]):
        raise SkuNotPublished("Only a published SKU can be put into a basket.", field="sku_id", sku_id=sku_id)
    kept = {line.sku_id: line for line in await store.basket(tx, principal.member_id)}
    others = [line for line in kept.values() if line.removed_at is None and line.sku_id != sku_id]
    if len(others) >= MOST_LINES:
        raise BasketFull(
            f"A basket holds at most {MOST_LINES} SKUs; take some out first.",
            field="sku_id",
            most=MOST_LINES,
            lines=len(others),
        )
    if quantity is None and sku_id in kept:
        quantity = kept[sku_id].quantity
    if quantity is None:
        quantity = (await prices.summaries(tx, [sku_id]))[sku_id].least or Decimal(1)
    await store.put_in_basket(tx, principal.member_id, sku_id, quantity)
    return quantity


async def change(tx: Transaction, quantities: Mapping[str, Decimal], principal: Principal) -> None:
    """Change the packs by SKU of lines that are in the basket; other SKUs are ignored. Raise QuantityNotPositive."""
    for quantity in quantities.values():
        for error in broken_quantity(quantity):
            raise error
    for line in await store.basket(tx, principal.member_id):
        wanted = quantities.get(line.sku_id, line.quantity)
        if line.removed_at is None and wanted != line.quantity:
            await store.put_in_basket(tx, principal.member_id, line.sku_id, wanted)


async def take_out(tx: Transaction, sku_id: str, principal: Principal) -> None:
    """Take the SKU out. Does nothing if it is not in the basket."""
    await store.take_out_of_basket(tx, principal.member_id, sku_id)
    await store.forget_removed(tx, principal.member_id, tx.now - PUT_BACK_WITHIN, MOST_REMOVED)
