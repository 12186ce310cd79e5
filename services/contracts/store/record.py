"""What counts in an organisation's public record."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import TypeVar

import asyncpg
import msgspec
from sqlalchemy import DateTime, Index, Text, text
from sqlmodel import Field

from infra.database import columns
from infra.listing import COUNTED
from services.contracts.domain.deals import Party
from services.contracts.domain.record import KINDS, Fact, Kind
from services.contracts.store.rows import Row

K = TypeVar("K", bound=str)


class FactRow(Row, table=True):
    __tablename__ = "facts"
    __table_args__ = (
        Index(None, "organisation_id", "at"),
        Index("ix_facts_of_kind", "organisation_id", "side", "kind", text("at desc"), "contract_id"),
    )

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


async def counted(
    db: asyncpg.Connection | asyncpg.Pool, table: str, organisation_id: str, kinds: Mapping[Party, Sequence[K]]
) -> Counter[tuple[Party, K]]:
    """How many rows of each side and kind an organisation has; COUNTED + 1 where there are more than COUNTED: a record is
    public, and of somebody with a hundred thousand contracts nobody waits for more."""
    asked = [(side, kind) for side, each in kinds.items() for kind in each]
    rows = await db.fetch(
        "select side, kind, (select count(*) from (select from"
        f" contracts.{table} where organisation_id = $1 and side = asked.side and kind = asked.kind limit {COUNTED + 1}) few) as n"
        " from unnest($2::text[], $3::text[]) as asked (side, kind)",
        organisation_id,
        *columns(asked),
    )
    return +Counter({(row["side"], row["kind"]): row["n"] for row in rows})


async def counts(db: asyncpg.Connection | asyncpg.Pool, organisation_id: str) -> Counter[tuple[Party, Kind]]:
    """How many facts there are of each side and kind, as far as :func:`counted` counts."""
    return await counted(db, "facts", organisation_id, KINDS)


async def latest(db: asyncpg.Connection | asyncpg.Pool, organisation_id: str, each: int) -> list[Fact]:
    """The latest first, ``each`` at most of a side and kind."""
    asked = [(side, kind) for side, kinds in KINDS.items() for kind in kinds]
    rows = await db.fetch(
        "select few.* from unnest($2::text[], $3::text[]) as asked (side, kind) cross join lateral ("
        "select organisation_id, side, kind, contract_id, at from contracts.facts f where organisation_id = $1"
        " and f.side = asked.side and f.kind = asked.kind order by at desc, contract_id limit $4) as few"
        " order by at desc, contract_id, kind",
        organisation_id,
        *columns(asked),
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
