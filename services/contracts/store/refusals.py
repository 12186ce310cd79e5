"""Refusals on a justified ground, with their disputes."""

from datetime import datetime
from operator import itemgetter

import asyncpg
import msgspec
from sqlalchemy import Column, DateTime, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from infra.listing import Listed, count, reach
from infra.reading import listed, read_one
from services.contracts.domain.refusals import Refusal
from services.contracts.store.rows import Row


class RefusalRow(Row, table=True):
    """``state`` is the domain's refusal; ``decide_by`` is set while a dispute waits for its decision."""

    __tablename__ = "refusals"
    __table_args__ = (Index("ix_refusals_disputed", "decide_by", postgresql_where=text("decide_by is not null")),)

    contract_id: str = Field(primary_key=True, sa_type=Text)
    decide_by: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    state: dict[str, object] = Field(sa_column=Column(JSONB, nullable=False))


async def put(db: asyncpg.Connection, refusal: Refusal) -> None:
    disputed = refusal.disputed
    await db.execute(
        "insert into contracts.refusals (contract_id, decide_by, state) values ($1, $2, $3::text::jsonb)"
        " on conflict (contract_id) do update set decide_by = excluded.decide_by, state = excluded.state",
        refusal.ended.contract_id,
        disputed.due_at if disputed and refusal.decided is None else None,
        msgspec.json.encode(refusal).decode(),
    )


async def get(db: asyncpg.Connection | asyncpg.Pool, contract_id: str, *, lock: bool = False) -> Refusal | None:
    state = await db.fetchval(
        f"select state::text from contracts.refusals where contract_id = $1{' for update' if lock else ''}", contract_id
    )
    return read_one("refusal of", contract_id, _refusal, state) if state else None


async def disputed(db: asyncpg.Connection | asyncpg.Pool, *, limit: int, offset: int) -> Listed[Refusal]:
    """One page of those whose dispute waits for a decision, what is due first first."""
    waiting = "select contract_id, state::text from contracts.refusals where decide_by is not null"
    rows = await db.fetch(f"{waiting} order by decide_by, contract_id limit $1 offset $2", limit, offset)
    found = listed("refusal of", rows, itemgetter("contract_id"), lambda row: _refusal(row["state"]))
    most = reach(limit, offset)
    return Listed.of(found, await count(db, waiting, most=most), most)


def _refusal(state: str) -> Refusal:
    return msgspec.json.decode(state, type=Refusal)
