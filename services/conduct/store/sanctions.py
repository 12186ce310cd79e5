"""Breaches, and the sanctions that followed from them. SQL is written by hand here for JSON."""

from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

import asyncpg
import msgspec
from sqlalchemy import Column, DateTime, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from events.contracts import OrganisationSanctioned
from infra.database import Reader, Transaction, json_text
from infra.listing import Listed, count, reach
from infra.reading import listed, read_json, read_one
from infra.states import XMIN, States
from services.conduct.domain.sanctions import Accused, Breach, Sanction, Spoken
from services.conduct.store.rows import Row


class BreachRow(Row, table=True):
    """``state`` is the domain's breach, with the policy of its deal."""

    __tablename__ = "breaches"
    __table_args__ = (Index(None, "organisation_id", "side"),)

    contract_id: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(sa_type=Text)
    side: str = Field(sa_type=Text)
    state: dict[str, object] = Field(sa_column=Column(JSONB, nullable=False))


class SanctionRow(Row, table=True):
    """``state`` is the domain's sanction. ``decide_by`` is set while an appeal waits for a decision."""

    __tablename__ = "sanctions"
    __table_args__ = (Index("ix_sanctions_appealed", "decide_by", postgresql_where=text("decide_by is not null")),)

    sanction_id: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(sa_type=Text, index=True)
    since: datetime = Field(sa_type=DateTime(timezone=True))
    decide_by: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    state: dict[str, object] = Field(sa_column=Column(JSONB, nullable=False))


async def hold(tx: Transaction, organisation_id: str) -> None:
    """Make every other judge of this organisation wait until this transaction ends. The key of the lock begins with
    "contracts", so that the former release waits as well."""
    await tx.lock_name(f"contracts/sanctions/{organisation_id}")


async def add_breach(tx: Transaction, accused: Accused, breach: Breach) -> None:
    await (await tx.raw()).execute(
        "insert into conduct.breaches (contract_id, organisation_id, side, state) values ($1, $2, $3, $4::text::jsonb)"
        " on conflict (contract_id) do nothing",
        breach.contract_id,
        accused.organisation_id,
        accused.party,
        msgspec.json.encode(breach).decode(),
    )


async def breaches(db: Reader, accused: Accused, earlier: Sequence[Spoken]) -> list[Breach]:
    """Return the breaches that no earlier sanction counted, to decide by. Raise UnreadableRow."""
    rows = await db.fetch(
        "select contract_id, state::text from conduct.breaches where organisation_id = $1 and side = $2"
        " and contract_id <> all($3::text[])",
        accused.organisation_id,
        accused.party,
        [contract_id for each in earlier for contract_id in each.contract_ids],
    )
    return [read_json("breach", row["contract_id"], row["state"], Breach) for row in rows]


class StoredSanction(msgspec.Struct, frozen=True, kw_only=True):
    """A sanction and its version. Version 0 means that it is not stored yet."""

    sanction: Sanction
    version: int = 0


def _stored(row: asyncpg.Record) -> StoredSanction:
    return StoredSanction(sanction=_sanction(row["state"]), version=row["version"])


_sanctions = States(SanctionRow, "sanction", _stored, version=XMIN)
get, lock = _sanctions.get, _sanctions.lock


async def save(tx: Transaction, kept: StoredSanction) -> None:
    """Save the sanction. ``kept.version`` is the version that was read. Raise Outdated."""
    told, appealed = kept.sanction.sanctioned, kept.sanction.appealed
    values = {
        "sanction_id": told.sanction_id,
        "organisation_id": told.organisation_id,
        "since": told.since,
        "decide_by": appealed.due_at if appealed and kept.sanction.decided is None else None,
        "state": json_text(kept.sanction),
        "version": kept.version,
    }
    await _sanctions.save(tx, values)


async def of_organisation(db: Reader, organisation_id: str, *, limit: int, offset: int = 0) -> Listed[Sanction]:
    """Return one page of the organisation's sanctions on both sides, the latest first, to be shown to people."""
    spoken = "select sanction_id, state::text from conduct.sanctions where organisation_id = $1"
    rows = await db.fetch(
        f"{spoken} order by since desc, sanction_id limit $2 offset $3", organisation_id, limit, offset
    )
    most = reach(limit, offset)
    return Listed.of(_listed(rows), await count(db, spoken, organisation_id, most=most), most)


async def earlier(db: Reader, accused: Accused) -> list[Spoken]:
    """Return all sanctions on this side, to decide by. Raise UnreadableRow if one cannot be read, because the next
    sanction would be wrong without it."""
    rows = await db.fetch(
        "select sanction_id, (state->'sanctioned')::text as told, state->'decided'->>'decision' as decision"
        " from conduct.sanctions where organisation_id = $1",
        accused.organisation_id,
    )
    found = [read_one("sanction", row["sanction_id"], _spoken, row) for row in rows]
    return [spoken for on, spoken in found if on == accused.party]


def _spoken(row: asyncpg.Record) -> tuple[str, Spoken]:
    told = msgspec.json.decode(row["told"], type=OrganisationSanctioned)
    return told.side, Spoken(contract_ids=told.contract_ids, lifted=row["decision"] == "lifted")


async def appealed(db: Reader, *, limit: int, offset: int) -> Listed[Sanction]:
    """Return one page of the sanctions whose appeals wait for a decision, the earliest deadline first."""
    waiting = "select sanction_id, state::text from conduct.sanctions where decide_by is not null"
    rows = await db.fetch(f"{waiting} order by decide_by, sanction_id limit $1 offset $2", limit, offset)
    most = reach(limit, offset)
    return Listed.of(_listed(rows), await count(db, waiting, most=most), most)


def _listed(rows: list[asyncpg.Record]) -> list[Sanction]:
    return listed("sanction", rows, itemgetter("sanction_id"), lambda row: _sanction(row["state"]))


def _sanction(state: str) -> Sanction:
    return msgspec.json.decode(state, type=Sanction)
