"""Replicas of what other services announced, reduced to what this service needs. SQL is written by hand here for
upserts, JSON and reads without a transaction."""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

import asyncpg
import msgspec
from sqlalchemy import update
from sqlmodel import col

from catalogue.actors import Party
from events.auctions import AuctionOpened, BidDisclosed
from events.fulfilment import ExecutionOver
from events.pools import PoolOpened
from events.purchases import PurchaseWaits, PurchaseWaitsNoMore
from events.quotes import QuoteDisclosed
from events.values import Line
from infra.database import Reader, Transaction
from infra.listing import Listed, count
from infra.reading import listed, read_json, read_one
from services.contracts.domain.deciding import RankedBid
from services.contracts.store.rows import AuctionRow, Row
from services.market.replicas import OrganisationReplicas, Skus

organisations = OrganisationReplicas(Row.metadata)
skus = Skus(Row.metadata)


_UNANSWERED = "(select true from contracts.purchases_answered a where a.process_id = {}) is null"
"""A condition that looks up each row, so the table is never read as a whole."""


async def put_request(tx: Transaction, event: PurchaseWaits) -> None:
    """Store a request. It is left out if the event that it no longer waits arrived first, so the order of the two
    events does not matter."""
    await (await tx.raw()).execute(
        "insert into contracts.purchase_requests (process_id, buyer_id, supplier_id, due_at, body)"
        f" select $1, $2, $3, $4, $5::text::jsonb where {_UNANSWERED.format('$1')} on conflict (process_id) do nothing",
        event.process_id,
        event.buyer_id,
        event.supplier_id,
        event.due_at,
        msgspec.json.encode(event).decode(),
    )


async def drop_request(tx: Transaction, event: PurchaseWaitsNoMore) -> None:
    db = await tx.raw()
    await db.execute(
        "insert into contracts.purchases_answered (process_id) values ($1) on conflict do nothing", event.process_id
    )
    await db.execute("delete from contracts.purchase_requests where process_id = $1", event.process_id)


async def requests_of(
    db: Reader, party: Party, organisation_id: str, *, now: datetime, limit: int
) -> Listed[PurchaseWaits]:
    """Return ``limit`` of an organisation's requests on this side whose time is not over, the earliest deadline first.
    One process may store a request while another stores its answer, so requests with an answer are left out here too."""
    waiting = (
        f"contracts.purchase_requests r where {party}_id = $1 and due_at > $2 and {_UNANSWERED.format('r.process_id')}"
    )
    rows = await db.fetch(
        f"select process_id, body::text as body from {waiting} order by due_at, process_id limit $3",
        organisation_id,
        now,
        limit,
    )
    found = listed("contracts.purchase_requests", rows, itemgetter("process_id"), _request)
    return Listed.of(found, await count(db, f"select from {waiting}", organisation_id, now))


def _request(row: asyncpg.Record) -> PurchaseWaits:
    return msgspec.json.decode(row["body"], type=PurchaseWaits)


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
    return read_json("contracts.auctions", auction_id, body, AuctionOpened) if body else None


async def close_auction(tx: Transaction, auction_id: str) -> None:
    await tx.session.exec(update(AuctionRow).where(col(AuctionRow.auction_id) == auction_id).values(closed=True))


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
    return tuple(read_one("bid", f"{auction_id}/{row['supplier_id']}", _ranked, row) for row in rows)


def _ranked(row: asyncpg.Record) -> RankedBid:
    return RankedBid(**(dict(row) | {"lines": msgspec.json.decode(row["lines"] or "[]", type=tuple[Line, ...])}))


async def put_pool(tx: Transaction, event: PoolOpened) -> None:
    await (await tx.raw()).execute(
        "insert into contracts.pools (pool_id, policy) values ($1, $2) on conflict (pool_id) do nothing",
        event.pool_id,
        event.policy,
    )


async def pool_policy(db: Reader, pool_id: str) -> str | None:
    found: str | None = await db.fetchval("select policy from contracts.pools where pool_id = $1", pool_id)
    return found
