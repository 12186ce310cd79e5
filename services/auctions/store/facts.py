"""Lines of the log that are no bids: the opening, turns, extensions, deletions, the close."""

import asyncpg
import msgspec

from events.auctions import AuctionClosed, BidAccepted, BidDeleted, BidRefused
from services.auctions.domain import chain


class Fact(msgspec.Struct, frozen=True):
    """``type`` is the CloudEvents type, ``data`` the event's bytes, ``previous`` the hash of the line before."""

    auction_id: str
    line: int
    type: str
    data: bytes
    previous: bytes


def row(fact: Fact) -> tuple[object, ...]:
    """As the type ``auctions.saved_fact`` has it."""
    return fact.auction_id, fact.line, fact.type, fact.data, fact.previous


async def lines(db: asyncpg.Connection, auction_id: str) -> list[bytes]:
    """The auction's log as the chain has it, to the close; empty where it has none from the opening on.

    What follows the close are refusals of bids that came too late: each has its receipt, none is part of the session.
    """
    rows = await db.fetch(
        "select * from (select line, type, data from auctions.facts where auction_id = $1 union all"
        " select line, case when sequence is null then $2 else $3 end, verdict from auctions.bids where auction_id = $1)"
        " log where line <= (select line from auctions.facts where auction_id = $1 and type = $4) order by line",
        auction_id,
        BidRefused.TYPE,
        BidAccepted.TYPE,
        AuctionClosed.TYPE,
    )
    if not rows or [row["line"] for row in rows] != list(range(len(rows))):
        return []
    return [chain.line(row["type"], row["data"]) for row in rows]


async def deleted(db: asyncpg.Connection, auction_id: str) -> frozenset[int]:
    """The sequence numbers of bids that their bidders took back."""
    rows = await db.fetch(
        "select data from auctions.facts where auction_id = $1 and type = $2", auction_id, BidDeleted.TYPE
    )
    return frozenset(msgspec.json.decode(row["data"], type=BidDeleted).sequence for row in rows)
