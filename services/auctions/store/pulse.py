"""The one row that says when bids could last be decided."""

from datetime import datetime

import asyncpg


async def check_tables(db: asyncpg.Connection) -> None:
    """Raises LockNotAvailableError where somebody keeps a table locked that decisions need."""
    await db.execute(
        "lock table auctions.auctions, auctions.bids, auctions.facts, auctions.outbox in row exclusive mode;"
        " lock table auctions.organisations in access share mode"
    )


async def beat(db: asyncpg.Connection, now: datetime) -> datetime | None:
    """Bids can be decided now. Returns when somebody said so last, None at the very first; never goes back."""
    before: datetime | None = await db.fetchval("select beat_at from auctions.pulse for update")
    await db.execute(
        "insert into auctions.pulse (one, beat_at) values (true, $1)"
        " on conflict (one) do update set beat_at = greatest(auctions.pulse.beat_at, excluded.beat_at)",
        now,
    )
    return before


async def last(db: asyncpg.Connection) -> datetime | None:
    found: datetime | None = await db.fetchval("select beat_at from auctions.pulse")
    return found
