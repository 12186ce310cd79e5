"""Replicas of mini-auctions: those that run, and the bids known since their close."""

from collections.abc import Sequence
from datetime import datetime

import msgspec

from events.auctions import AuctionExtended, AuctionOpened, BidAccepted, BidDisclosed, RoundBegan
from infra.database import Transaction


async def keep_bid(tx: Transaction, event: BidDisclosed) -> None:
    await (await tx.raw()).execute(
        "insert into transparency.disclosed_bids (bid_id, auction_id, event) values ($1, $2, $3) on conflict do nothing",
        event.bid_id,
        event.auction_id,
        msgspec.json.encode(event),
    )


async def disclosed_bids(tx: Transaction, auction_id: str) -> list[BidDisclosed]:
    rows = await (await tx.raw()).fetch(
        "select event from transparency.disclosed_bids where auction_id = $1", auction_id
    )
    return [msgspec.json.decode(row["event"], type=BidDisclosed) for row in rows]


class Session(msgspec.Struct, frozen=True):
    auction_id: str
    process_id: str
    opens_at: datetime
    closes_at: datetime


async def open_session(tx: Transaction, event: AuctionOpened) -> None:
    await (await tx.raw()).execute(
        "insert into transparency.sessions (auction_id, process_id, opens_at, closes_at, told) values ($1, $2, $3, $4, $4)"
        " on conflict do nothing",
        event.auction_id,
        event.pool_id or event.auction_id,
        event.opens_at,
        event.closes_at,
    )


async def move_end(tx: Transaction, event: AuctionExtended | RoundBegan | BidAccepted) -> None:
    await (await tx.raw()).execute(
        "update transparency.sessions set closes_at = $2 where auction_id = $1", event.auction_id, event.closes_at
    )


async def close_session(tx: Transaction, auction_id: str) -> None:
    await (await tx.raw()).execute("delete from transparency.sessions where auction_id = $1", auction_id)


async def lock_moved(tx: Transaction, limit: int, but: Sequence[str] = ()) -> list[Session]:
    """Sessions whose end is another than the feed has."""
    rows = await (await tx.raw()).fetch(
        "select auction_id, process_id, opens_at, closes_at from transparency.sessions"
        " where closes_at <> told and auction_id <> all($2::text[]) order by auction_id limit $1 for update skip locked",
        limit,
        but,
    )
    return [Session(**row) for row in rows]


async def set_told(tx: Transaction, auction_ids: Sequence[str]) -> None:
    """The feed has the ends of these sessions as they are now."""
    await (await tx.raw()).execute(
        "update transparency.sessions set told = closes_at where auction_id = any($1::text[])", auction_ids
    )
