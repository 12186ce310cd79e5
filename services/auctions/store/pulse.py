"""The one row that says when bids could last be decided."""

from datetime import datetime, timedelta

import asyncpg

AHEAD = timedelta(minutes=1)
"""A beat so far in the future was made by a clock that was ahead and is right again. A smaller lead is made up for in a minute."""


async def check_tables(db: asyncpg.Connection) -> None:
    """Raises LockNotAvailableError where somebody keeps a table locked that decisions need."""
    await db.execute(
        "lock table auctions.auctions, auctions.bids, auctions.facts, auctions.outbox in row exclusive mode;"
        " lock table auctions.organisations in access share mode"
    )


async def beat(db: asyncpg.Connection, now: datetime) -> datetime | None:
    """Bids can be decided now. Returns when somebody said so last, None at the very first. Never goes back, unless the last beat was
    made by a clock that was ahead: nobody knows then when it was."""
    before: datetime | None = await db.fetchval("select beat_at from auctions.pulse for update")
    if before is not None and before - now > AHEAD:
        before = None
    await db.execute(
        "insert into auctions.pulse (one, beat_at) values (true, $1) on conflict (one) do update set beat_at = $1",
        max(before or now, now),
    )
    return before


async def last(db: asyncpg.Connection) -> datetime | None:
    found: datetime | None = await db.fetchval("select beat_at from auctions.pulse")
    return found
