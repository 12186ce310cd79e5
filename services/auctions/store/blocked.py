"""Sessions on which no bid could be decided, while others went on: their rows were locked by somebody, or deciding them failed.

The clock leaves them alone until a lane has given their time back. The rows stand apart from the auctions, which are locked.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

import asyncpg


async def block(db: asyncpg.Connection, since: Mapping[str, datetime], until: datetime) -> None:
    """By auction: since when bids cannot be decided. A block that stands keeps its beginning. Nobody ends it before ``until``, except
    with a decision on that auction. Waits for nobody but another who blocks the same auction now."""
    if since:
        await db.execute(
            "with free as (select auction_id from auctions.blocked where auction_id = any($1::text[]) order by 1"
            " for update skip locked),"
            " longer as (update auctions.blocked b set until = $3 from free"
            " where b.auction_id = free.auction_id and b.until < $3)"
            " insert into auctions.blocked (auction_id, since, until)"
            " select auction_id, since, $3 from unnest($1::text[], $2::timestamptz[]) n (auction_id, since)"
            " where not exists (select from auctions.blocked b where b.auction_id = n.auction_id) order by 1"
            " on conflict (auction_id) do nothing",
            list(since),
            list(since.values()),
            until,
        )


async def standing(db: asyncpg.Connection) -> dict[str, datetime]:
    """By auction until when its block must stand."""
    rows = await db.fetch("select auction_id, until from auctions.blocked")
    return {row["auction_id"]: row["until"] for row in rows}


async def unblock(db: asyncpg.Connection, auction_ids: Collection[str]) -> dict[str, datetime]:
    """End the blocks of these auctions, whose rows are locked by the caller: since when each lasted. A block whose own row somebody keeps
    locked stands until that ends."""
    rows = await db.fetch(
        "with ended as (select auction_id from auctions.blocked where auction_id = any($1::text[]) order by auction_id"
        " for update skip locked)"
        " delete from auctions.blocked b using ended e where b.auction_id = e.auction_id returning b.auction_id, b.since",
        list(auction_ids),
    )
    return {row["auction_id"]: row["since"] for row in rows}
