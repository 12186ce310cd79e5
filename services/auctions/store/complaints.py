"""Complaints and their decisions. SQL is written by hand here for lists and aggregates."""

from typing import Any

import asyncpg
import msgspec

from infra.database import Transaction
from infra.listing import Listed, count, reach
from infra.states import XMIN, States
from services.auctions.domain.complaints import Complaint
from services.auctions.store.rows import ComplaintRow

_SAID = "auction_id, organisation_id, grounds, evidence, filed_at, decision, reason, decided_at"
_COLUMNS = f"complaint_id, {_SAID}"
PARTS = {
    "decision = ''": "row_number() over (partition by organisation_id order by filed_at, complaint_id), filed_at, complaint_id",
    "decision <> ''": "decided_at desc, complaint_id",
}
"""The two parts of the list, with their orders."""
SHOWN = 500
"""How many characters of each text a list has."""
_BRIEF = ", ".join(
    f"case when length({name}) > {SHOWN} then left({name}, {SHOWN}) || '…' else {name} end as {name}"
    if name in ("grounds", "evidence", "reason")
    else name
    for name in _COLUMNS.split(", ")
)


class Brief(msgspec.Struct, frozen=True, kw_only=True):
    """A complaint with shortened texts, and the title of its auction."""

    complaint: Complaint
    title: str


class StoredComplaint(msgspec.Struct, frozen=True, kw_only=True):
    """A complaint and its version. Version 0 means that it is not stored yet."""

    complaint: Complaint
    version: int = 0


def _stored(row: asyncpg.Record) -> StoredComplaint:
    return StoredComplaint(complaint=_complaint(row), version=row["version"])


_complaints = States(ComplaintRow, "complaint", _stored, columns=_SAID, state="null", version=XMIN)
get, lock = _complaints.get, _complaints.lock


async def save(tx: Transaction, kept: StoredComplaint) -> None:
    """Save the complaint. ``kept.version`` is the version that was read. Raise Outdated."""
    await _complaints.save(tx, {**msgspec.structs.asdict(kept.complaint), "version": kept.version})


async def of_supplier(db: asyncpg.Connection, auction_id: str, organisation_id: str) -> tuple[int, int]:
    """Return how many complaints this supplier filed about this auction, and how many of them are undecided."""
    row = await db.fetchrow(
        "select count(*) as filed, count(*) filter (where decision = '') as waiting from auctions.complaints"
        " where auction_id = $1 and organisation_id = $2",
        auction_id,
        organisation_id,
    )
    return row["filed"], row["waiting"]


async def listing(db: asyncpg.Connection, *, limit: int, offset: int) -> Listed[Brief]:
    """Return one page: undecided complaints first, then decided ones, the latest first.

    Complainants take turns, each with its oldest complaint first, so that many complaints of one do not delay those of
    others.
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
