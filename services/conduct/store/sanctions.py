"""Breaches, and the sanctions they brought."""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

import asyncpg
import msgspec
from sqlalchemy import Column, DateTime, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from events.contracts import OrganisationSanctioned
from infra.listing import Listed, count, reach
from infra.reading import listed, read_one
from services.conduct.domain.sanctions import Accused, Breach, Sanction, Spoken
from services.conduct.store.rows import Row


class BreachRow(Row, table=True):
    """``state`` is the domain's breach, with the policy that its deal ran under."""

    __tablename__ = "breaches"
    __table_args__ = (Index(None, "organisation_id", "side"),)

    contract_id: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(sa_type=Text)
    side: str = Field(sa_type=Text)
    state: dict[str, object] = Field(sa_column=Column(JSONB, nullable=False))


class SanctionRow(Row, table=True):
    """``state`` is the domain's sanction; ``decide_by`` is set while an appeal waits for its decision."""

    __tablename__ = "sanctions"
    __table_args__ = (Index("ix_sanctions_appealed", "decide_by", postgresql_where=text("decide_by is not null")),)

    sanction_id: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(sa_type=Text, index=True)
    since: datetime = Field(sa_type=DateTime(timezone=True))
    decide_by: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    state: dict[str, object] = Field(sa_column=Column(JSONB, nullable=False))


async def hold(db: asyncpg.Connection, organisation_id: str) -> None:
    """Whoever else judges this organisation waits until this transaction ends: the former release as well, which says contracts."""
    await db.execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", f"contracts/sanctions/{organisation_id}")


async def add_breach(db: asyncpg.Connection, accused: Accused, breach: Breach) -> None:
    await db.execute(
        "insert into conduct.breaches (contract_id, organisation_id, side, state) values ($1, $2, $3, $4::text::jsonb)"
        " on conflict (contract_id) do nothing",
        breach.contract_id,
        accused.organisation_id,
        accused.side,
        msgspec.json.encode(breach).decode(),
    )


async def breaches(db: asyncpg.Connection, accused: Accused, earlier: Sequence[Spoken]) -> list[Breach]:
    """Those that no earlier sanction counted."""
    rows = await db.fetch(
        "select state::text from conduct.breaches where organisation_id = $1 and side = $2"
        " and contract_id <> all($3::text[])",
        accused.organisation_id,
        accused.side,
        [contract_id for each in earlier for contract_id in each.contract_ids],
    )
    return [msgspec.json.decode(row["state"], type=Breach) for row in rows]


async def put(db: asyncpg.Connection, sanction: Sanction) -> None:
    told, appealed = sanction.sanctioned, sanction.appealed
    await db.execute(
        "insert into conduct.sanctions (sanction_id, organisation_id, since, decide_by, state)"
        " values ($1, $2, $3, $4, $5::text::jsonb)"
        " on conflict (sanction_id) do update set decide_by = excluded.decide_by, state = excluded.state",
        told.sanction_id,
        told.organisation_id,
        told.since,
        appealed.due_at if appealed and sanction.decided is None else None,
        msgspec.json.encode(sanction).decode(),
    )


async def get(db: asyncpg.Connection | asyncpg.Pool, sanction_id: str, *, lock: bool = False) -> Sanction | None:
    state = await db.fetchval(
        f"select state::text from conduct.sanctions where sanction_id = $1{' for update' if lock else ''}",
        sanction_id,
    )
    return read_one("sanction", sanction_id, _sanction, state) if state else None


async def of_organisation(
    db: asyncpg.Connection | asyncpg.Pool, organisation_id: str, *, limit: int, offset: int = 0
) -> Listed[Sanction]:
    """For people: one page of those on both sides, the latest first."""
    spoken = "select sanction_id, state::text from conduct.sanctions where organisation_id = $1"
    rows = await db.fetch(
        f"{spoken} order by since desc, sanction_id limit $2 offset $3", organisation_id, limit, offset
    )
    most = reach(limit, offset)
    return Listed.of(_listed(rows), await count(db, spoken, organisation_id, most=most), most)


async def earlier(db: asyncpg.Connection, accused: Accused) -> list[Spoken]:
    """All that were spoken on this side, to decide by. Raises UnreadableRow: without one of them the next would be wrong."""
    rows = await db.fetch(
        "select sanction_id, (state->'sanctioned')::text as told, state->'decided'->>'decision' as decision"
        " from conduct.sanctions where organisation_id = $1",
        accused.organisation_id,
    )
    found = [read_one("sanction", row["sanction_id"], _spoken, row) for row in rows]
    return [spoken for on, spoken in found if on == accused.side]


def _spoken(row: asyncpg.Record) -> tuple[str, Spoken]:
    told = msgspec.json.decode(row["told"], type=OrganisationSanctioned)
    return told.side, Spoken(contract_ids=told.contract_ids, lifted=row["decision"] == "lifted")


async def appealed(db: asyncpg.Connection | asyncpg.Pool, *, limit: int, offset: int) -> Listed[Sanction]:
    """One page of those whose appeal waits for a decision, what is due first first."""
    waiting = "select sanction_id, state::text from conduct.sanctions where decide_by is not null"
    rows = await db.fetch(f"{waiting} order by decide_by, sanction_id limit $1 offset $2", limit, offset)
    most = reach(limit, offset)
    return Listed.of(_listed(rows), await count(db, waiting, most=most), most)


def _listed(rows: list[asyncpg.Record]) -> list[Sanction]:
    return listed("sanction", rows, itemgetter("sanction_id"), lambda row: _sanction(row["state"]))


def _sanction(state: str) -> Sanction:
    return msgspec.json.decode(state, type=Sanction)
