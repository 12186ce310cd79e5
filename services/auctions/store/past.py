"""Earlier contracts, and what a SKU cost in the last of them. SQL is written by hand here for JSON."""

from collections.abc import Iterable
from decimal import Decimal
from operator import itemgetter

import asyncpg
import msgspec
from sqlalchemy import delete
from sqlmodel import col

from events.contracts import ContractConcluded
from events.values import Line
from infra.database import Transaction
from infra.listing import PLAN_FOR_VALUES, as_query
from infra.reading import listed, read_one
from services.auctions.store.rows import WORDS_OF_TITLE, LastPriceRow, PastContractRow

PAST = "auctions.past_contracts"
"""The name of a row that cannot be read."""
_SHOWN = "contract_id, body::text as body"


class Paid(msgspec.Struct, frozen=True, kw_only=True):
    """``line`` is the line of the contract; ``unit_price`` is what one of its units cost."""

    contract: ContractConcluded
    line: Line
    unit_price: Decimal


async def put(tx: Transaction, contract: ContractConcluded) -> None:
    """Store the contract. If it is announced again, the later event replaces the earlier."""
    await drop(tx, contract.contract_id)
    db = await tx.raw()
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


async def drop(tx: Transaction, contract_id: str) -> None:
    await tx.session.exec(delete(LastPriceRow).where(col(LastPriceRow.contract_id) == contract_id))
    await tx.session.exec(delete(PastContractRow).where(col(PastContractRow.contract_id) == contract_id))


async def get(db: asyncpg.Connection, contract_id: str) -> ContractConcluded | None:
    """Return the contract, or None. Raise UnreadableRow."""
    row = await db.fetchrow(f"select {_SHOWN} from auctions.past_contracts where contract_id = $1", contract_id)
    return read_one(PAST, contract_id, _contract, row) if row else None


async def of_buyer(db: asyncpg.Connection, buyer_id: str, words: str, limit: int) -> list[ContractConcluded]:
    """Return the newest contracts whose titles have all the words, or longer words that begin with them. The number of
    rows read is bounded by ``limit`` and by how many titles match, not by how many contracts the buyer has; the bodies
    are read only of the contracts that are returned."""
    values: list[object] = [buyer_id, limit]
    fits = "buyer_id = $1"
    if words.strip():
        values.append(as_query(words))
        fits += f" and {WORDS_OF_TITLE} @@ to_tsquery('simple', $3)"
    async with db.transaction(readonly=True):
        await db.execute(PLAN_FOR_VALUES)
        rows = await db.fetch(
            f"select {_SHOWN} from auctions.past_contracts join (select contract_id from auctions.past_contracts where {fits}"
            " order by signed_at desc, contract_id limit $2) as found using (contract_id) order by signed_at desc, contract_id",
            *values,
        )
    return listed(PAST, rows, itemgetter("contract_id"), _contract)


def _contract(row: asyncpg.Record) -> ContractConcluded:
    return msgspec.json.decode(row["body"], type=ContractConcluded)


async def last_paid(db: asyncpg.Connection, sku_ids: Iterable[str], currency: str, buyer_id: str) -> dict[str, Paid]:
    """Return by SKU what the buyer paid last. If the buyer never bought it, return what its last buyer paid."""
    rows = await db.fetch(
        "select wanted.sku_id, contract_id, last.line_id, past.body::text as body from unnest($1::text[]) as wanted (sku_id)"
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
    return {sku_id: paid for sku_id, paid in listed(PAST, rows, itemgetter("contract_id"), _paid) if paid}


def _paid(row: asyncpg.Record) -> tuple[str, Paid | None]:
    contract = _contract(row)
    line = next(each for each in reversed(contract.lines) if each.line_id == row["line_id"] and each.sku_id)
    price = price_of(line)
    return row["sku_id"], None if price is None else Paid(contract=contract, line=line, unit_price=price)


def price_of(line: Line) -> Decimal | None:
    """Return the price of one unit: the line's unit price, or else from its amount. Return None if the line has
    neither, or nothing above zero."""
    if line.unit_price is not None:
        return line.unit_price if line.unit_price > 0 else None
    if line.amount is not None and line.quantity and line.amount > 0:
        return line.amount / line.quantity
    return None
