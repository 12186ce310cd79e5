"""Deals: loaded under lock, rewritten with their version."""

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from infra.database import columns, write_expected
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


async def buyers_of(db: asyncpg.Connection, process_id: str, among: Sequence[str]) -> set[str]:
    """Those of these buyers that have a deal of the process."""
    rows = await db.fetch(
        "select buyer_id from contracts.deals where process_id = $1 and buyer_id = any($2::text[])", process_id, among
    )
    return {row["buyer_id"] for row in rows}


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


async def save(db: asyncpg.Connection, *kept: StoredDeal) -> None:
    """Each is of the version that was loaded. Raises Outdated."""
    rows = [
        (
            each.deal.process_id,
            each.deal.buyer_id,
            each.auction_id,
            each.deal.contract.due_at if each.deal.contract else None,
            msgspec.json.encode(each.deal).decode(),
            each.version + 1,
        )
        for each in kept
    ]
    await write_expected(
        db,
        "insert into contracts.deals (process_id, buyer_id, auction_id, due_at, state, version)"
        " select process_id, buyer_id, auction_id, due_at, state::jsonb, version"
        " from unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[], $6::bigint[])"
        " as said (process_id, buyer_id, auction_id, due_at, state, version)"
        " on conflict (process_id, buyer_id) do update set"
        " due_at = excluded.due_at, state = excluded.state, version = excluded.version"
        " where deals.version = excluded.version - 1",
        *columns(rows),
        rows=len(rows),
    )


def _key(row: asyncpg.Record) -> str:
    return f"{row['process_id']}/{row['buyer_id']}"


def _kept(row: asyncpg.Record) -> StoredDeal:
    return StoredDeal(
        deal=msgspec.json.decode(row["state"], type=Deal), auction_id=row["auction_id"], version=row["version"]
    )
