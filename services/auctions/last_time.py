"""What the lines of an auction cost when they were last bought, and the contracts from which this is known."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import asyncpg

from catalogue.money import round_money
from catalogue.references import PaidNotComparable, paid_for
from events.contracts import ContractConcluded, ContractEnded
from events.values import Line
from infra.database import Transaction
from services.auctions.store import past

IMPORTED = "import"


@dataclass(frozen=True, slots=True)
class LastTime:
    """``unit_price`` is in the line's own unit and VAT basis; it is None if ``broken`` says why it cannot be compared.
    ``own`` says that the buyer itself paid it; otherwise it is the market's last price, and ``buyer_name`` paid it."""

    unit_price: Decimal | None
    broken: PaidNotComparable | None
    own: bool
    buyer_name: str
    signed_at: datetime
    link: str


@dataclass(frozen=True, slots=True)
class Compared:
    """``lines`` is how many lines of the auction have a last price. They cost ``before`` then and begin at ``now``,
    which is ``percent`` above (negative: below)."""

    lines: int
    before: Decimal
    now: Decimal
    percent: Decimal


async def last_time(db: asyncpg.Connection, lines: Iterable[Line], buyer_id: str, currency: str) -> dict[str, LastTime]:
    """Return the last prices by line id. A line that names no SKU, or that nobody bought here, is absent."""
    lines = [line for line in lines if line.sku_id]
    found = await past.last_paid(db, [line.sku_id for line in lines if line.sku_id], currency, buyer_id)
    return {
        line.line_id: _told(line, paid, buyer_id, currency) for line in lines if (paid := found.get(line.sku_id or ""))
    }


def _told(line: Line, paid: past.Paid, buyer_id: str, currency: str) -> LastTime:
    contract = paid.contract
    price, why_not = None, None
    try:
        price = paid_for(line, paid.line, paid.unit_price, currency)
    except PaidNotComparable as broken:
        why_not = broken
    imported = contract.origin == IMPORTED
    return LastTime(
        unit_price=price,
        broken=why_not,
        own=contract.buyer_id == buyer_id,
        buyer_name=contract.buyer_name,
        signed_at=contract.signed_at,
        link=f"/observatory/items/{line.sku_id}" if imported else f"/contracts/{contract.contract_id}",
    )


def compare(lines: Sequence[Line], before: Mapping[str, LastTime], currency: str) -> Compared | None:
    """Return the comparison, or None if no line can be compared: a line needs a last price, a quantity and a price now."""
    pairs = [
        (line.quantity * last.unit_price, line.quantity * line.unit_price)
        for line in lines
        if (last := before.get(line.line_id)) and last.unit_price and line.quantity and line.unit_price
    ]
    then, now = (sum((round_money(pair[side], currency) for pair in pairs), start=Decimal(0)) for side in (0, 1))
    if not then:
        return None
    return Compared(lines=len(pairs), before=then, now=now, percent=round((now / then - 1) * 100, 1))


async def keep(tx: Transaction, event: ContractConcluded) -> None:
    """Store the contract. Imported contracts are stored only if they give a price of a SKU: they are many, and nobody
    opens an auction from another market's texts."""
    tells = any(line.sku_id and past.price_of(line) for line in event.lines)
    if event.origin != IMPORTED or tells:
        await past.put(tx, event)


async def forget(tx: Transaction, event: ContractEnded) -> None:
    """Delete a cancelled contract, because it says nothing about prices. One that was never signed is not here."""
    await past.drop(tx, event.contract_id)
