"""Earlier contracts, and what a SKU cost in the last of them."""

from collections.abc import Iterable
from decimal import Decimal

import asyncpg
import msgspec

from events.contracts import ContractConcluded
from events.values import Line


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """``line`` is the line of the contract; ``unit_price`` is what one of its units cost."""

    contract: ContractConcluded
    line: Line
    unit_price: Decimal


async def put(db: asyncpg.Connection, contract: ContractConcluded) -> None:
    """Store the contract. If it is announced again, the later event replaces the earlier."""
    await drop(db, contract.contract_id)
    await db.execute(
        "insert into auctions.past_contracts (contract_id, buyer_id, signed_at, body) values ($1, $2, $3, $4::text::jsonb)",
        contract.contract_id,
        contract.buyer_id,
        contract.signed_at,
        msgspec.json.encode(contract).decode(),
    )
    priced = {line.line_id: line for line in contract.lines if line.sku_id and price_of(line)}
    await db.executemany(
        "insert into auctions.last_prices (contract_id, line_id, sku_id, buyer_id, currency, signed_at)"
        " values ($1, $2, $3, $4, $5, $6)",
        [
            (contract.contract_id, line_id, line.sku_id, contract.buyer_id, contract.currency, contract.signed_at)
            for line_id, line in priced.items()
            if contract.currency
        ],
    )


async def drop(db: asyncpg.Connection, contract_id: str) -> None:
    await db.execute("delete from auctions.last_prices where contract_id = $1", contract_id)
    await db.execute("delete from auctions.past_contracts where contract_id = $1", contract_id)


async def get(db: asyncpg.Connection, contract_id: str) -> ContractConcluded | None:
    found = await db.fetchval("select body::text from auctions.past_contracts where contract_id = $1", contract_id)
    return msgspec.json.decode(found, type=ContractConcluded) if found else None


async def of_buyer(db: asyncpg.Connection, buyer_id: str, words: str, limit: int) -> list[ContractConcluded]:
    """Return the contracts whose titles contain the words, the newest first."""
    rows = await db.fetch(
        "select body::text as body from auctions.past_contracts where buyer_id = $1"
        " and strpos(lower(body->>'title'), lower($2)) > 0 order by signed_at desc, contract_id limit $3",
        buyer_id,
        words,
        limit,
    )
    return [msgspec.json.decode(row["body"], type=ContractConcluded) for row in rows]


async def last_paid(db: asyncpg.Connection, sku_ids: Iterable[str], currency: str, buyer_id: str) -> dict[str, Paid]:
    """Return by SKU what the buyer paid last. If the buyer never bought it, return what its last buyer paid."""
    rows = await db.fetch(
        "select wanted.sku_id, last.line_id, past.body::text as body from unnest($1::text[]) as wanted (sku_id)"
        " cross join lateral (("
        "   select contract_id, line_id, 0 as rank from auctions.last_prices"
        "   where sku_id = wanted.sku_id and buyer_id = $3 and currency = $2 order by signed_at desc limit 1"
        " ) union all ("
        "   select contract_id, line_id, 1 from auctions.last_prices"
        "   where sku_id = wanted.sku_id and currency = $2 order by signed_at desc limit 1"
        " ) order by rank limit 1) as last join auctions.past_contracts as past using (contract_id)",
        list(dict.fromkeys(sku_ids)),
        currency,
        buyer_id,
    )
    found: dict[str, Paid] = {}
    for row in rows:
        contract = msgspec.json.decode(row["body"], type=ContractConcluded)
        line = next(each for each in reversed(contract.lines) if each.line_id == row["line_id"] and each.sku_id)
        price = price_of(line)
        if price is not None:
            found[row["sku_id"]] = Paid(contract=contract, line=line, unit_price=price)
    return found


def price_of(line: Line) -> Decimal | None:
    """Return the price of one unit: the line's unit price, or else from its amount. Return None if the line has
    neither, or nothing above zero."""
    if line.unit_price is not None:
        return line.unit_price if line.unit_price > 0 else None
    if line.amount is not None and line.quantity and line.amount > 0:
        return line.amount / line.quantity
    return None
