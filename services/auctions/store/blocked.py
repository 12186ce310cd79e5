"""Auctions that wait for lost time: somebody locked their rows, or deciding them failed, or an outage of the market is
over and they have not got its time back yet.

The timer does not touch them until a lane has given their time back. The rows are separate from the auctions, which may
be locked.

SQL is written by hand here for locks, arrays and aggregates.
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

import asyncpg

ONE_AFTER_THE_OTHER = "hashtextextended('lonja/lost-time', 0)"
"""The advisory lock for giving time back in portions and for recording a new outage."""


class Lost(NamedTuple):
    """Nobody could bid on an auction from ``since`` to ``until``, or until now if that is None."""

    since: datetime
    until: datetime | None


class BlockedAuctions(NamedTuple):
    """``locked``: how many auctions cannot be decided. ``resuming``: how many can, but have not got the time of an
    outage back yet."""

    locked: int
    resuming: int


async def block(db: asyncpg.Connection, since: Mapping[str, datetime], until: datetime) -> None:
    """Record by auction since when bids cannot be decided. An existing block keeps its beginning. Nobody ends a block
    before ``until``, except by a decision on that auction. This waits only for another process that blocks the same
    auction now."""
    if since:
        await db.execute(
            "with free as (select auction_id from auctions.blocked where auction_id = any($1::text[]) order by 1"
            " for update skip locked),"
            " longer as (update auctions.blocked b set until = greatest(b.until, $3), lost_until = null from free"
            " where b.auction_id = free.auction_id and (b.until < $3 or b.lost_until is not null))"
            " insert into auctions.blocked (auction_id, since, until)"
            " select auction_id, since, $3 from unnest($1::text[], $2::timestamptz[]) n (auction_id, since)"
            " where not exists (select from auctions.blocked b where b.auction_id = n.auction_id) order by 1"
            " on conflict (auction_id) do nothing",
            list(since),
            list(since.values()),
            until,
        )


async def lose(db: asyncpg.Connection, since: datetime, until: datetime) -> None:
    """Record an outage. All auctions that ran then, and whose policy counts so long a time as an outage, wait for that
    time. An auction that waits already gets both times and the time between them. It is one statement for all auctions.
    """
    await db.execute(f"select pg_advisory_xact_lock({ONE_AFTER_THE_OTHER})")
    await db.execute(
        "with touched as materialized (select auction_id, closes_at from auctions.auctions"
        " where result is null and closes_at > $1::timestamptz and opens_at < $2::timestamptz"
        " and coalesce((policy #>> '{auction,outage,after_seconds}')::numeric, 0)"
        " < extract(epoch from $2::timestamptz - $1::timestamptz)),"
        " free as (select b.auction_id from auctions.blocked b join touched using (auction_id)"
        " where b.lost_until is not null order by 1 for update of b skip locked),"
        " longer as (update auctions.blocked b set lost_until = $2 from free where b.auction_id = free.auction_id)"
        " insert into auctions.blocked (auction_id, since, until, lost_until, closes_at)"
        " select auction_id, $1, $2, $2, closes_at from touched t"
        " where not exists (select from auctions.blocked b where b.auction_id = t.auction_id) order by 1"
        " on conflict (auction_id) do nothing",
        since,
        until,
    )


async def lock_due(db: asyncpg.Connection, now: datetime, limit: int) -> list[str]:
    """Return the auctions whose block may end, the earliest end first. Return none if another process does this now,
    because only one may."""
    if not await db.fetchval(f"select pg_try_advisory_xact_lock({ONE_AFTER_THE_OTHER})"):
        return []
    rows = await db.fetch(
        "select auction_id from auctions.blocked where until <= $1 order by closes_at nulls first, auction_id limit $2",
        now,
        limit,
    )
    return [row["auction_id"] for row in rows]


async def put_off(db: asyncpg.Connection, auction_ids: Collection[str], until: datetime) -> int:
    """Keep these blocks at least until then; the lost time does not change. Return how many blocks there were."""
    if not auction_ids:
        return 0
    done = await db.execute(
        "with free as (select auction_id from auctions.blocked where auction_id = any($1::text[]) order by 1"
        " for update skip locked)"
        " update auctions.blocked b set until = greatest(b.until, $2) from free where b.auction_id = free.auction_id",
        list(auction_ids),
        until,
    )
    return int(done.split()[-1])


async def count(db: asyncpg.Connection) -> BlockedAuctions:
    row = await db.fetchrow(
        "select count(*) - count(lost_until) as locked, count(lost_until) as resuming from auctions.blocked"
    )
    return BlockedAuctions(row["locked"], row["resuming"])


async def unblock(db: asyncpg.Connection, auction_ids: Collection[str]) -> dict[str, Lost]:
    """End the blocks of these auctions, whose rows the caller has locked. Return the time that each lost. If the row of
    a block is itself locked, the block stays until that lock ends."""
    rows = await db.fetch(
        "with ended as (select auction_id from auctions.blocked where auction_id = any($1::text[]) order by auction_id"
        " for update skip locked)"
        " delete from auctions.blocked b using ended e where b.auction_id = e.auction_id"
        " returning b.auction_id, b.since, b.lost_until",
        list(auction_ids),
    )
    return {row["auction_id"]: Lost(row["since"], row["lost_until"]) for row in rows}


async def resuming(db: asyncpg.Connection, auction_ids: Collection[str]) -> set[str]:
    """Return which of these auctions have not got the time of an outage back yet."""
    rows = await db.fetch(
        "select auction_id from auctions.blocked where auction_id = any($1::text[]) and lost_until is not null",
        list(auction_ids),
    )
    return {row["auction_id"] for row in rows}
