"""Replicas of mini-auctions: running ones, and the bids that were disclosed at their close. SQL is written by hand here
for arrays."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from events.auctions import AuctionOpened, BidDisclosed
from infra.database import Transaction, columns
from infra.reading import read_json


async def keep_bids(tx: Transaction, events: Sequence[BidDisclosed]) -> None:
    await (await tx.raw()).execute(
        "insert into transparency.disclosed_bids (bid_id, auction_id, event)"
        " select * from unnest($1::text[], $2::text[], $3::bytea[]) on conflict do nothing",
        [event.bid_id for event in events],
        [event.auction_id for event in events],
        [msgspec.json.encode(event) for event in events],
    )


async def disclosed_bids(tx: Transaction, auction_ids: Collection[str]) -> dict[str, list[BidDisclosed]]:
    """The disclosed bids of these auctions, by auction."""
    rows = await (await tx.raw()).fetch(
        "select bid_id, event from transparency.disclosed_bids where auction_id = any($1::text[])", list(auction_ids)
    )
    bids: dict[str, list[BidDisclosed]] = {}
    for row in rows:
        bid = read_json("disclosed bid", row["bid_id"], row["event"], BidDisclosed)
        bids.setdefault(bid.auction_id, []).append(bid)
    return bids


class Auction(msgspec.Struct, frozen=True):
    auction_id: str
    process_id: str
    opens_at: datetime
    closes_at: datetime


async def open_auctions(tx: Transaction, events: Sequence[AuctionOpened]) -> None:
    await (await tx.raw()).execute(
        "insert into transparency.sessions (auction_id, process_id, opens_at, closes_at, told) select *, closes_at from"
        " unnest($1::text[], $2::text[], $3::timestamptz[], $4::timestamptz[]) as opened (auction_id, process_id, opens_at, closes_at)"
        " on conflict do nothing",
        *columns(
            (event.auction_id, event.pool_id or event.auction_id, event.opens_at, event.closes_at) for event in events
        ),
    )


async def move_ends(tx: Transaction, ends: Mapping[str, datetime]) -> None:
    """Store new ends, given by auction."""
    await (await tx.raw()).execute(
        "update transparency.sessions set closes_at = moved.closes_at"
        " from unnest($1::text[], $2::timestamptz[]) as moved (auction_id, closes_at)"
        " where sessions.auction_id = moved.auction_id and sessions.closes_at <> moved.closes_at",
        list(ends),
        list(ends.values()),
    )


async def close_auctions(tx: Transaction, auction_ids: Sequence[str]) -> None:
    await (await tx.raw()).execute("delete from transparency.sessions where auction_id = any($1::text[])", auction_ids)


async def lock_moved(tx: Transaction, limit: int, but: Sequence[str] = ()) -> list[Auction]:
    """Lock and return auctions whose end differs from that in the feed."""
    rows = await (await tx.raw()).fetch(
        "select auction_id, process_id, opens_at, closes_at from transparency.sessions"
        " where closes_at <> told and auction_id <> all($2::text[]) order by auction_id limit $1 for update skip locked",
        limit,
        but,
    )
    return [Auction(**row) for row in rows]


async def set_told(tx: Transaction, auction_ids: Sequence[str]) -> None:
    """Store that the feed has the current ends of these auctions."""
    await (await tx.raw()).execute(
        "update transparency.sessions set told = closes_at where auction_id = any($1::text[])", auction_ids
    )
