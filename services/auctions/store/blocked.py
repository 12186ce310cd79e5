"""Sessions on which no bid could be decided, while others went on: their rows were locked by somebody, or deciding them failed.

The clock leaves them alone until a lane has given their time back. The rows stand apart from the auctions, which are locked.
"""

from collections.abc import Collection, Mapping
from datetime import datetime

import asyncpg


async def block(db: asyncpg.Connection, since: Mapping[str, datetime], until: datetime) -> None:
    """By auction: since when bids cannot be decided. A block that stands keeps its beginning. Nobody ends it before ``until``, except
    with a decision on that auction."""
    if since:
        await db.execute(
            "insert into auctions.blocked as b (auction_id, since, until)"
            " select auction_id, since, $3 from unnest($1::text[], $2::timestamptz[]) n (auction_id, since) order by 1"
            " on conflict (auction_id) do update set until = excluded.until where b.until < excluded.until",
            list(since),
            list(since.values()),
            until,
        )


async def standing(db: asyncpg.Connection) -> dict[str, datetime]:
    """By auction until when its block must stand."""
    rows = await db.fetch("select auction_id, until from auctions.blocked")
    return {row["auction_id"]: row["until"] for row in rows}


async def unblock(db: asyncpg.Connection, auction_ids: Collection[str]) -> dict[str, datetime]:
    """End the blocks of these auctions, whose rows are locked by the caller: since when each lasted."""
    rows = await db.fetch(
        "with ended as (select auction_id from auctions.blocked where auction_id = any($1::text[]) order by auction_id for update)"
        " delete from auctions.blocked b using ended e where b.auction_id = e.auction_id returning b.auction_id, b.since",
        list(auction_ids),
    )
    return {row["auction_id"]: row["since"] for row in rows}
