"""Replicas of what other services announced, reduced to what contracts needs."""

from collections.abc import Sequence

import msgspec

from events.auctions import AuctionOpened, BidDisclosed
from events.fulfilment import ExecutionOver
from events.pools import PoolOpened
from events.purchases import PurchaseWaits, PurchaseWaitsNoMore
from events.quotes import QuoteDisclosed
from events.values import Line
from infra.database import Reader, Transaction
from services.contracts.domain.deciding import RankedBid
from services.contracts.store.rows import Row
from services.market.replicas import Organisations, Skus

organisations = Organisations(Row.metadata)
skus = Skus(Row.metadata)


async def put_request(tx: Transaction, event: PurchaseWaits) -> None:
    await (await tx.raw()).execute(
        "insert into contracts.purchase_requests (process_id, buyer_id, supplier_id, due_at, body)"
        " values ($1, $2, $3, $4, $5::text::jsonb) on conflict (process_id) do nothing",
        event.process_id,
        event.buyer_id,
        event.supplier_id,
        event.due_at,
        msgspec.json.encode(event).decode(),
    )


async def drop_request(tx: Transaction, event: PurchaseWaitsNoMore) -> None:
    await (await tx.raw()).execute("delete from contracts.purchase_requests where process_id = $1", event.process_id)


async def requests_of(db: Reader, organisation_id: str, limit: int) -> list[PurchaseWaits]:
    """Return an organisation's requests, as buyer and as supplier, the earliest deadline first."""
    sides = " union all ".join(
        f"(select due_at, process_id, body from contracts.purchase_requests where {side}"
        " order by due_at, process_id limit $2)"
        for side in ("buyer_id = $1", "supplier_id = $1 and buyer_id <> $1")
    )
    rows = await db.fetch(
        f"select body::text as body from ({sides}) as found order by due_at, process_id limit $2",
        organisation_id,
        limit,
    )
    return [msgspec.json.decode(row["body"], type=PurchaseWaits) for row in rows]


async def put_over(tx: Transaction, event: ExecutionOver) -> None:
    await (await tx.raw()).execute(
        "insert into contracts.carried_out (contract_id, status) values ($1, $2) on conflict (contract_id) do nothing",
        event.contract_id,
        event.status,
    )


async def carried_out(db: Reader, contract_ids: Sequence[str]) -> dict[str, str]:
    """Return "closed" or "terminated" by contract id, for the contracts that are over."""
    rows = await db.fetch(
        "select contract_id, status from contracts.carried_out where contract_id = any($1::text[])", list(contract_ids)
    )
    return {row["contract_id"]: row["status"] for row in rows}


async def put_auction(tx: Transaction, event: AuctionOpened) -> None:
    await (await tx.raw()).execute(
        "insert into contracts.auctions (auction_id, body) values ($1, $2::text::jsonb) on conflict (auction_id) do nothing",
        event.auction_id,
        msgspec.json.encode(event).decode(),
    )


async def auction(db: Reader, auction_id: str) -> AuctionOpened | None:
    body = await db.fetchval("select body::text from contracts.auctions where auction_id = $1", auction_id)
    return msgspec.json.decode(body, type=AuctionOpened) if body else None


async def close_auction(tx: Transaction, auction_id: str) -> None:
    await (await tx.raw()).execute("update contracts.auctions set closed = true where auction_id = $1", auction_id)


async def put_bid(tx: Transaction, event: BidDisclosed) -> None:
    await (await tx.raw()).execute(
        "insert into contracts.bids (auction_id, supplier_id, rank, amount) values ($1, $2, $3, $4)"
        " on conflict (auction_id, supplier_id) do update set rank = excluded.rank, amount = excluded.amount",
        event.auction_id,
        event.supplier_id,
        event.rank,
        event.amount,
    )


async def put_quote(tx: Transaction, event: QuoteDisclosed) -> None:
    """Store the quote beside the bids. The ranking needs it if the supplier that the buyer chose does not sign. Its
    lines have their own prices."""
    await (await tx.raw()).execute(
        "insert into contracts.bids (auction_id, supplier_id, rank, amount, lines) values ($1, $2, $3, $4, $5::text::jsonb)"
        " on conflict (auction_id, supplier_id) do nothing",
        event.request_id,
        event.supplier_id,
        event.rank,
        event.amount,
        msgspec.json.encode(event.lines).decode(),
    )


async def ranking(db: Reader, auction_id: str | None) -> tuple[RankedBid, ...]:
    """Return every bidder by rank, with its name and whether it is active now. The ranking is empty if there was no
    auction, and until the auction closed: bids arrive one by one before the close, and those of a pool's auction after
    the allocation."""
    rows = await db.fetch(
        "select rank, b.supplier_id, coalesce(body->>'name', b.supplier_id) as supplier_name, amount,"
        " coalesce(state, 'active') = 'active' as active, lines::text as lines from contracts.bids b"
        " left join contracts.organisations o on o.organisation_id = b.supplier_id where auction_id = $1"
        " and (select closed from contracts.auctions where auction_id = $1) is not false order by rank",
        auction_id,
    )
    return tuple(
        RankedBid(**(dict(row) | {"lines": msgspec.json.decode(row["lines"] or "[]", type=tuple[Line, ...])}))
        for row in rows
    )


async def put_pool(tx: Transaction, event: PoolOpened) -> None:
    await (await tx.raw()).execute(
        "insert into contracts.pools (pool_id, policy) values ($1, $2) on conflict (pool_id) do nothing",
        event.pool_id,
        event.policy,
    )


async def pool_policy(db: Reader, pool_id: str) -> str | None:
    found: str | None = await db.fetchval("select policy from contracts.pools where pool_id = $1", pool_id)
    return found
