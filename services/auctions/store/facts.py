"""Lines of the log that are no bids: the opening, turns, extensions, deletions, the close. SQL is written by hand here
for lists, aggregates and reads without a transaction."""

from collections.abc import AsyncIterator

import asyncpg
import msgspec

from events.auctions import AuctionClosed, BidAccepted, BidDeleted, BidRefused
from infra.database import Reader
from infra.reading import listed
from services.auctions.domain import chain

PAGE = 1_000


class LoggedFact(msgspec.Struct, frozen=True):
    """``type`` is the CloudEvents type, ``data`` the event's bytes, ``previous`` the hash of the line before."""

    auction_id: str
    line: int
    type: str
    data: bytes
    previous: bytes


def row(fact: LoggedFact) -> tuple[object, ...]:
    """Return the row as in the type ``auctions.saved_fact``."""
    return fact.auction_id, fact.line, fact.type, fact.data, fact.previous


_LOG = (
    "(select line, type, data from auctions.facts where auction_id = $1 and line >= $2 and line < $3 union all"
    " select line, case when sequence is null then $4 else $5 end, verdict from auctions.bids"
    " where auction_id = $1 and line >= $2 and line < $3) log"
)


async def length(db: Reader, auction_id: str) -> int:
    """Return the number of lines of the auction's chained log up to the close, or 0 if it is not complete from
    the opening on.

    After the close only refusals of late bids follow. Each has its receipt, but none is part of the auction.
    """
    closed = await db.fetchval(
        "select line from auctions.facts where auction_id = $1 and type = $2", auction_id, AuctionClosed.TYPE
    )
    number = 0 if closed is None else closed + 1
    there = await db.fetchval(
        f"select count(distinct line) from {_LOG}", auction_id, 0, number, BidRefused.TYPE, BidAccepted.TYPE
    )
    return number if there == number else 0


async def lines(db: Reader, auction_id: str, number: int) -> AsyncIterator[list[bytes]]:
    """Yield the first ``number`` lines of the log, page by page."""
    for begin in range(0, number, PAGE):
        end = min(begin + PAGE, number)
        rows = await db.fetch(
            f"select type, data from {_LOG} order by line", auction_id, begin, end, BidRefused.TYPE, BidAccepted.TYPE
        )
        yield [chain.line(row["type"], row["data"]) for row in rows]


async def deleted(db: asyncpg.Connection, auction_id: str) -> frozenset[int]:
    """Return the sequence numbers of bids that their bidders deleted, to be shown to people."""
    rows = await db.fetch(
        "select line, data from auctions.facts where auction_id = $1 and type = $2", auction_id, BidDeleted.TYPE
    )
    told = listed("fact", rows, lambda row: f"{auction_id}/{row['line']}", _deleted)
    return frozenset(each.sequence for each in told)


def _deleted(row: asyncpg.Record) -> BidDeleted:
    return msgspec.json.decode(row["data"], type=BidDeleted)
