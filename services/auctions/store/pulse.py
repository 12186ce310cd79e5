"""The heartbeats of the lanes (beats), which say that bids can be decided. Each is a row; the newest counts.

A lock on one row does not prevent a lane from writing the next. A former release reads and writes the one row of
``pulse``; that row is also written if it is not locked, and read together with the beats.

SQL is written by hand here for locks and aggregates.
"""

from contextlib import suppress
from datetime import datetime, timedelta

import asyncpg

AHEAD = timedelta(minutes=1)
"""A beat that is further in the future than this was written by a clock that was ahead and is right again. A smaller
lead is over in a minute."""
KEPT = 1000
"""How many beats are kept. Older ones are deleted."""
NEWEST = "select beat_at from auctions.beats order by number desc limit 1"


async def check_tables(db: asyncpg.Connection) -> None:
    """Raise LockNotAvailableError if a table that decisions need is locked."""
    await db.execute(
        "lock table auctions.auctions, auctions.bids, auctions.facts, auctions.outbox in row exclusive mode;"
        " lock table auctions.organisations in access share mode"
    )


async def beat(db: asyncpg.Connection, now: datetime, *, alone: bool) -> datetime | None:
    """Record that bids can be decided now. Return when this was last recorded, or None at the very first beat. The time
    never goes back, unless the last beat was made by a clock that was ahead: then nobody knows its real time. With
    ``alone``, no other call with ``alone`` beats before the end of the transaction: of several lanes that were away,
    one finds how long that was, and the others find its beat."""
    if alone:
        await db.execute("select pg_advisory_xact_lock(hashtext('auctions.pulse'))")
        with suppress(asyncpg.LockNotAvailableError):  # a person locks it: lanes of a former release do not beat either
            async with db.transaction():
                await db.execute("select from auctions.pulse for update")
    row = await db.fetchrow(
        f"with told as (select max(beat_at) as at from (({NEWEST}) union all select beat_at from auctions.pulse) as each"
        " where beat_at <= $1::timestamptz + $2::interval)"
        " insert into auctions.beats (beat_at) select greatest($1::timestamptz, at) from told"
        " returning number, beat_at, (select at from told)",
        now,
        AHEAD,
    )
    with suppress(asyncpg.LockNotAvailableError):
        async with db.transaction():
            await _tell_the_former_release(db, row["beat_at"])
    await db.execute(
        "delete from auctions.beats where number in"
        " (select number from auctions.beats where number <= $1 order by number limit 10 for update skip locked)",
        row["number"] - KEPT,
    )
    before: datetime | None = row["at"]
    return before


async def _tell_the_former_release(db: asyncpg.Connection, at: datetime) -> None:
    await db.execute(
        "with free as (select one from auctions.pulse for update skip locked)"
        " update auctions.pulse p set beat_at = $1 from free where p.one = free.one",
        at,
    )
    await db.execute(  # if the row exists, an insert would wait for a transaction that updates it now
        "insert into auctions.pulse (one, beat_at) select true, $1::timestamptz where not exists (select from auctions.pulse)"
        " on conflict (one) do nothing",
        at,
    )


async def last(db: asyncpg.Connection) -> datetime | None:
    found: datetime | None = await db.fetchval(f"select greatest(({NEWEST}), (select beat_at from auctions.pulse))")
    return found
