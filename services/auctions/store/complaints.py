"""Complaints and what was decided."""

from typing import Any

import asyncpg
import msgspec

from services.auctions.domain.complaints import Complaint

_COLUMNS = "complaint_id, auction_id, organisation_id, grounds, evidence, filed_at, decision, reason, decided_at"


async def put(db: asyncpg.Connection, complaint: Complaint) -> None:
    await db.execute(
        f"insert into auctions.complaints ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " on conflict (complaint_id) do update set decision = excluded.decision, reason = excluded.reason,"
        " decided_at = excluded.decided_at",
        *msgspec.structs.astuple(complaint),
    )


async def get(db: asyncpg.Connection, complaint_id: str, *, lock: bool = False) -> Complaint | None:
    row = await db.fetchrow(
        f"select {_COLUMNS} from auctions.complaints where complaint_id = $1{' for update' if lock else ''}",
        complaint_id,
    )
    return _complaint(row) if row else None


async def of_auction(db: asyncpg.Connection, auction_id: str) -> list[Complaint]:
    rows = await db.fetch(
        f"select {_COLUMNS} from auctions.complaints where auction_id = $1 order by filed_at", auction_id
    )
    return [_complaint(row) for row in rows]


async def listing(db: asyncpg.Connection, *, limit: int = 200) -> list[tuple[Complaint, str]]:
    """With the session's title, those to be decided first, the oldest first."""
    rows = await db.fetch(
        f"select c.*, a.title from (select {_COLUMNS} from auctions.complaints) c"
        " join auctions.auctions a using (auction_id) order by c.decision <> '', c.filed_at limit $1",
        limit,
    )
    return [(_complaint(row), row["title"]) for row in rows]


def _complaint(row: asyncpg.Record) -> Complaint:
    values: dict[str, Any] = {field: row[field] for field in Complaint.__struct_fields__}
    return Complaint(**values)
