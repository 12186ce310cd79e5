"""What counts in an organisation's public record."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal

import asyncpg
import msgspec
from sqlalchemy import DateTime, Index, Text
from sqlmodel import Field

from services.contracts.domain.record import Fact, Kind
from services.contracts.domain.sanctions import Side
from services.contracts.store.rows import Row


class FactRow(Row, table=True):
    __tablename__ = "facts"
    __table_args__ = (Index(None, "organisation_id", "at"),)

    contract_id: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(primary_key=True, sa_type=Text)
    kind: str = Field(primary_key=True, sa_type=Text)
    side: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=DateTime(timezone=True))


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """A contract as a record names it. ``origin`` and ``process_id`` are where it came from, which is public from the start;
    ``over_at`` is when it was concluded, or ended."""

    contract_id: str
    process_id: str
    origin: str
    title: str
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    currency: str
    amount: Decimal
    state: str
    over_at: datetime


async def add(db: asyncpg.Connection, facts: Sequence[Fact]) -> None:
    """Each counts once. Those of contracts that are none of this market are left out."""
    for fact in facts:
        await db.execute(
            "insert into contracts.facts (contract_id, organisation_id, kind, side, at) select $1, $2, $3, $4, $5"
            " where exists (select from contracts.contracts where contract_id = $1) on conflict do nothing",
            fact.contract_id,
            fact.organisation_id,
            fact.kind,
            fact.side,
            fact.at,
        )


async def counts(db: asyncpg.Connection | asyncpg.Pool, organisation_id: str) -> Counter[tuple[Side, Kind]]:
    """How many facts there are of each side and kind."""
    rows = await db.fetch(
        "select side, kind, count(*) as n from contracts.facts where organisation_id = $1 group by side, kind",
        organisation_id,
    )
    return Counter({(row["side"], row["kind"]): row["n"] for row in rows})


async def latest(db: asyncpg.Connection | asyncpg.Pool, organisation_id: str, each: int) -> list[Fact]:
    """The latest first, ``each`` at most of a side and kind."""
    rows = await db.fetch(
        "select organisation_id, side, kind, contract_id, at from (select *, row_number() over"
        " (partition by side, kind order by at desc, contract_id) as place from contracts.facts where organisation_id = $1) ranked"
        " where place <= $2 order by at desc, contract_id, kind",
        organisation_id,
        each,
    )
    return [msgspec.convert(dict(row), Fact) for row in rows]


async def mentions(db: asyncpg.Connection | asyncpg.Pool, contract_ids: Collection[str]) -> dict[str, Mention]:
    """By contract id, those that are concluded or ended."""
    rows = await db.fetch(
        "select contract_id, process_id, state, over_at, drafted->>'origin' as origin, drafted->>'title' as title, buyer_id,"
        " drafted->>'buyer_name' as buyer_name, supplier_id, drafted->>'supplier_name' as supplier_name,"
        " drafted->>'currency' as currency, (drafted->>'amount')::numeric as amount"
        " from contracts.contracts where contract_id = any($1::text[])"
        " and over_at is not null",
        list(contract_ids),
    )
    return {row["contract_id"]: Mention(**dict(row)) for row in rows}
