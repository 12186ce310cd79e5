"""The facts that count in an organisation's public record. SQL is written by hand here for arrays."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypeVar

import asyncpg
import msgspec
from sqlalchemy import DateTime, Index, Text, text
from sqlmodel import Field

from catalogue.actors import Party
from infra.database import Reader, Transaction, columns
from infra.listing import COUNTED
from infra.reading import listed
from services.conduct.domain.record import KINDS, ConductFact, RecordedKind
from services.conduct.store.rows import Row

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


async def add(tx: Transaction, facts: Sequence[ConductFact]) -> None:
    """Add the facts. Each counts once. Facts about contracts that are not of this market are left out."""
    if not facts:
        return
    rows = [(fact.contract_id, fact.organisation_id, fact.kind, fact.party, fact.at) for fact in facts]
    await (await tx.raw()).execute(
        "insert into conduct.facts (contract_id, organisation_id, kind, side, at)"
        " select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])"
        " as told (contract_id, organisation_id, kind, side, at)"
        " where contract_id in (select contract_id from conduct.contracts) on conflict do nothing",
        *columns(rows),
    )


async def counted(
    db: Reader, table: str, organisation_id: str, kinds: Mapping[Party, Sequence[K]]
) -> Counter[tuple[Party, K]]:
    """Return how many rows of each side and kind an organisation has, or COUNTED + 1 if there are more than COUNTED. A
    record is public: nobody should wait until a hundred thousand contracts are counted."""
    asked = [(party, kind) for party, each in kinds.items() for kind in each]
    rows = await db.fetch(
        "select side, kind, (select count(*) from (select from"
        f" conduct.{table} where organisation_id = $1 and side = asked.side and kind = asked.kind limit {COUNTED + 1}) few) as n"
        " from unnest($2::text[], $3::text[]) as asked (side, kind)",
        organisation_id,
        *columns(asked),
    )
    return +Counter({(row["side"], row["kind"]): row["n"] for row in rows})


async def counts(db: Reader, organisation_id: str) -> Counter[tuple[Party, RecordedKind]]:
    """Return how many facts there are of each side and kind, counted as :func:`counted` counts."""
    return await counted(db, "facts", organisation_id, KINDS)


async def latest(db: Reader, organisation_id: str, each: int) -> list[ConductFact]:
    """Return the latest facts first, at most ``each`` of one side and kind."""
    asked = [(party, kind) for party, kinds in KINDS.items() for kind in kinds]
    rows = await db.fetch(
        "select few.* from unnest($2::text[], $3::text[]) as asked (side, kind) cross join lateral ("
        "select organisation_id, side as party, kind, contract_id, at from conduct.facts f where organisation_id = $1"
        " and f.side = asked.side and f.kind = asked.kind order by at desc, contract_id limit $4) as few"
        " order by at desc, contract_id, kind",
        organisation_id,
        *columns(asked),
        each,
    )
    return listed("conduct.facts", rows, _key, lambda row: msgspec.convert(dict(row), ConductFact))


def _key(row: asyncpg.Record) -> str:
    return "/".join((row["contract_id"], row["organisation_id"], row["kind"]))
