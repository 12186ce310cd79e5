"""Refusals on a justified ground, with their disputes. SQL is written by hand here for lists."""

from datetime import datetime
from operator import itemgetter

import asyncpg
import msgspec
from sqlalchemy import Column, DateTime, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from infra.database import Reader, Transaction, json_text
from infra.listing import Listed, count, reach
from infra.reading import listed
from infra.states import XMIN, States
from services.contracts.domain.refusals import GroundedRefusal
from services.contracts.store.rows import Row


class RefusalRow(Row, table=True):
    """``state`` is the domain's refusal. ``decide_by`` is set while a dispute waits for a decision."""

    __tablename__ = "refusals"
    __table_args__ = (Index("ix_refusals_disputed", "decide_by", postgresql_where=text("decide_by is not null")),)

    contract_id: str = Field(primary_key=True, sa_type=Text)
    decide_by: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    state: dict[str, object] = Field(sa_column=Column(JSONB, nullable=False))


class StoredRefusal(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal and its version. Version 0 means that it is not stored yet."""

    refusal: GroundedRefusal
    version: int = 0


def _stored(row: asyncpg.Record) -> StoredRefusal:
    return StoredRefusal(refusal=_refusal(row["state"]), version=row["version"])


_refusals = States(RefusalRow, "refusal of", _stored, version=XMIN)
get, lock = _refusals.get, _refusals.lock


async def save(tx: Transaction, kept: StoredRefusal) -> None:
    """Save the refusal. ``kept.version`` is the version that was read. Raise Outdated."""
    disputed = kept.refusal.disputed
    values = {
        "contract_id": kept.refusal.ended.contract_id,
        "decide_by": disputed.due_at if disputed and kept.refusal.decided is None else None,
        "state": json_text(kept.refusal),
        "version": kept.version,
    }
    await _refusals.save(tx, values)


async def disputed(db: Reader, *, limit: int, offset: int) -> Listed[GroundedRefusal]:
    """Return one page of the refusals whose dispute waits for a decision, the earliest deadline first."""
    waiting = "select contract_id, state::text from contracts.refusals where decide_by is not null"
    rows = await db.fetch(f"{waiting} order by decide_by, contract_id limit $1 offset $2", limit, offset)
    found = listed("refusal of", rows, itemgetter("contract_id"), lambda row: _refusal(row["state"]))
    most = reach(limit, offset)
    return Listed.of(found, await count(db, waiting, most=most), most)


def _refusal(state: str) -> GroundedRefusal:
    return msgspec.json.decode(state, type=GroundedRefusal)
