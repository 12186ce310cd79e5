"""Complaints and what was decided."""

from typing import Any

import asyncpg
import msgspec

from infra.listing import Listed, count, reach
from services.auctions.domain.complaints import Complaint

_COLUMNS = "complaint_id, auction_id, organisation_id, grounds, evidence, filed_at, decision, reason, decided_at"
PARTS = {
    "decision = ''": "row_number() over (partition by organisation_id order by filed_at, complaint_id), filed_at, complaint_id",
    "decision <> ''": "decided_at desc, complaint_id",
}
"""Of a list, with their order."""
SHOWN = 500
"""Characters of each text in a list."""
_BRIEF = ", ".join(
    f"case when length({name}) > {SHOWN} then left({name}, {SHOWN}) || '…' else {name} end as {name}"
    if name in ("grounds", "evidence", "reason")
    else name
    for name in _COLUMNS.split(", ")
)


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """A complaint whose long texts are cut, with its session's title."""

    complaint: Complaint
    title: str


async def put(db: asyncpg.Connection, complaint: Complaint) -> None:
    await db.execute(
        f"insert into auctions.complaints ({_COLUMNS}) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " on conflict (complaint_id) do update set decision = excluded.decision, reason = excluded.reason,"
        " decided_at = excluded.decided_at",
        *msgspec.structs.astuple(complaint),
    )


async def get(db: asyncpg.Connection | asyncpg.Pool, complaint_id: str, *, lock: bool = False) -> Complaint | None:
    row = await db.fetchrow(
        f"select {_COLUMNS} from auctions.complaints where complaint_id = $1{' for update' if lock else ''}",
        complaint_id,
    )
    return _complaint(row) if row else None


async def of_supplier(db: asyncpg.Connection, auction_id: str, organisation_id: str) -> tuple[int, int]:
    """How many complaints this supplier filed about this session, and how many of them are not decided."""
    row = await db.fetchrow(
        "select count(*) as filed, count(*) filter (where decision = '') as waiting from auctions.complaints"
        " where auction_id = $1 and organisation_id = $2",
        auction_id,
        organisation_id,
    )
    return row["filed"], row["waiting"]


async def listing(db: asyncpg.Connection, *, limit: int, offset: int) -> Listed[Brief]:
    """One page: those to be decided first, then those that are decided, the latest first.

    Complainants take turns, each with its oldest complaint first, so that many complaints of one do not delay those of others.
    """
    ids: list[str] = []
    passed, most = 0, reach(limit, offset)
    for where, order in PARTS.items():
        rows = f"select complaint_id from auctions.complaints where {where}"
        if len(ids) < limit:
            page = f" order by {order} limit {limit - len(ids)} offset {max(0, offset - passed)}"
            ids += [row["complaint_id"] for row in await db.fetch(rows + page)]
        passed += await count(db, rows, most=most)
    found = await db.fetch(
        f"select {_BRIEF}, title from auctions.complaints join auctions.auctions using (auction_id)"
        " where complaint_id = any($1::text[]) order by array_position($1::text[], complaint_id)",
        ids,
    )
    return Listed.of([Brief(complaint=_complaint(row), title=row["title"]) for row in found], passed, most)


def _complaint(row: asyncpg.Record) -> Complaint:
    values: dict[str, Any] = {field: row[field] for field in Complaint.__struct_fields__}
    return Complaint(**values)
