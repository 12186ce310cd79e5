"""Lines of the log that are no bids: the opening, turns, extensions, deletions, the close."""

from collections.abc import Sequence

import asyncpg
import msgspec


class Fact(msgspec.Struct, frozen=True):
    """``type`` is the CloudEvents type, ``data`` the event's bytes, ``previous`` the hash of the line before."""

    auction_id: str
    line: int
    type: str
    data: bytes
    previous: bytes


async def insert(db: asyncpg.Connection, facts: Sequence[Fact]) -> None:
    await db.executemany(
        "insert into auctions.facts (auction_id, line, type, data, previous) values ($1, $2, $3, $4, $5)",
        [(each.auction_id, each.line, each.type, each.data, each.previous) for each in facts],
    )


async def all_of(db: asyncpg.Connection, auction_id: str) -> list[Fact]:
    rows = await db.fetch(
        "select auction_id, line, type, data, previous from auctions.facts where auction_id = $1 order by line",
        auction_id,
    )
    return [Fact(**row) for row in rows]
