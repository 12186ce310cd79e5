"""Deals: loaded under lock, rewritten with their version."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from infra.database import write_expected
from infra.reading import Unreadable, read_one, readable
from services.contracts.domain.deals import Deal

_COLUMNS = "process_id, buyer_id, auction_id, state::text as state, version"


class StoredDeal(msgspec.Struct, frozen=True, kw_only=True):
    """A deal as it stands at a version; 0: not stored yet. ``auction_id`` is where its ranking comes from."""

    deal: Deal
    auction_id: str | None
    version: int = 0


async def get(db: asyncpg.Connection | asyncpg.Pool, process_id: str, buyer_id: str) -> StoredDeal | None:
    row = await db.fetchrow(
        f"select {_COLUMNS} from contracts.deals where process_id = $1 and buyer_id = $2", process_id, buyer_id
    )
    return read_one("deal", _key(row), _kept, row) if row else None


async def lock(db: asyncpg.Connection, process_id: str, buyer_id: str) -> StoredDeal | None:
    row = await db.fetchrow(
        f"select {_COLUMNS} from contracts.deals where process_id = $1 and buyer_id = $2 for update",
        process_id,
        buyer_id,
    )
    return read_one("deal", _key(row), _kept, row) if row else None


def key_of(kept: StoredDeal) -> str:
    """What ``but`` of :func:`lock_due` leaves out."""
    return f"{kept.deal.process_id}/{kept.deal.buyer_id}"


async def lock_due(
    db: asyncpg.Connection, now: datetime, limit: int, but: Sequence[str] = ()
) -> list[StoredDeal | Unreadable[str]]:
    """Deals with a step that is over, skipping those somebody decides about just now: they come with the next tick."""
    rows = await db.fetch(
        f"select {_COLUMNS} from contracts.deals where due_at <= $1 and process_id || '/' || buyer_id <> all($3::text[])"
        " order by due_at limit $2 for update skip locked",
        now,
        limit,
        but,
    )
    return readable(rows, _key, _kept)


async def save(db: asyncpg.Connection, kept: StoredDeal) -> None:
    """``kept`` is of the version that was loaded. Raises Outdated."""
    deal = kept.deal
    await write_expected(
        db,
        "insert into contracts.deals (process_id, buyer_id, auction_id, due_at, state, version)"
        " values ($1, $2, $3, $4, $5::text::jsonb, $6 + 1) on conflict (process_id, buyer_id) do update set"
        " due_at = excluded.due_at, state = excluded.state, version = excluded.version"
        " where deals.version = $6",
        deal.process_id,
        deal.buyer_id,
        kept.auction_id,
        deal.contract.due_at if deal.contract else None,
        msgspec.json.encode(deal).decode(),
        kept.version,
    )


def _key(row: asyncpg.Record) -> str:
    return f"{row['process_id']}/{row['buyer_id']}"


def _kept(row: asyncpg.Record) -> StoredDeal:
    return StoredDeal(
        deal=msgspec.json.decode(row["state"], type=Deal), auction_id=row["auction_id"], version=row["version"]
    )
