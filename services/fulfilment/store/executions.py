"""Contracts that are carried out: read under a lock, written with their version, with their history. SQL is written by
hand here for lists and arrays."""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from events import Event, registry
from infra.database import Reader, Transaction, json_text
from infra.decoded import Decoded
from infra.listing import Listed, count, reach
from infra.reading import UnreadableKey, lines, listed
from infra.states import States
from services.fulfilment.domain.duties import Agenda, agenda, next_at
from services.fulfilment.domain.state import Execution
from services.fulfilment.store.decoded import StoredExecution, decode
from services.fulfilment.store.rows import Row

PARTS_ON_LOOP = 150
"""With at most this many orders, deliveries, invoices and disputes a state is encoded on the event loop, else in a thread."""
_BRIEF = """(case when jsonb_typeof(state->'disputes') = 'array' then jsonb_set(state, '{disputes}', (
    select coalesce(jsonb_agg(case when jsonb_typeof(dispute->'said') = 'array' then jsonb_set(
        dispute || '{"explanation": ""}', '{said}', (
            select coalesce(jsonb_agg(
                said || jsonb_build_object('words', case place when 1 then left(said->>'words', 1000) else '' end) order by place
            ), '[]') from jsonb_array_elements(dispute->'said') with ordinality as statement (said, place)
        )) else dispute end order by number), '[]')
    from jsonb_array_elements(state->'disputes') with ordinality as each (dispute, number)
    )) else state end)::text"""
"""For lists: of the words of a dispute only the first 1,000 characters of its opening. A state in an unknown form is returned unchanged;
if it cannot be read, only that row is left out."""
_LISTED = "state - '{orders,deliveries,invoices}'::text[] || '{\"lines\": []}'"
_DISPUTES = f"case when jsonb_typeof(state) = 'object' then {_LISTED} else state end"
"""The state without orders, deliveries, invoices and lines, which may be megabytes."""


OVER = ("closed", "terminated")
_OVER = "state->>'status' = '{}'"


class ExecutionRow(Row, table=True):
    """``state`` is the domain's execution. ``due_at`` is when the timer must look at it again. ``buyer_waits``: the buyer has a
    duty; ``supplier_waits``: the supplier has one. ``disputed_at`` is the earliest deadline of an open dispute. ``agenda`` lists what is
    due; it is valid only if ``agenda_of`` equals ``version``, because a former release does not update it."""

    __tablename__ = "executions"
    __table_args__ = (
        Index("ix_executions_due", "due_at", postgresql_where=text("due_at is not null")),
        Index("ix_executions_buyer", "buyer_id", postgresql_where=text("buyer_waits")),
        Index("ix_executions_supplier", "supplier_id", postgresql_where=text("supplier_waits")),
        Index(
            "ix_executions_due_from_buyer", "buyer_id", "due_at", "contract_id", postgresql_where=text("buyer_waits")
        ),
        Index(
            "ix_executions_due_from_supplier",
            "supplier_id",
            "due_at",
            "contract_id",
            postgresql_where=text("supplier_waits"),
        ),
        *(Index(f"ix_executions_{each}", "contract_id", postgresql_where=text(_OVER.format(each))) for each in OVER),
        Index("ix_executions_disputed", "disputed_at", postgresql_where=text("disputed_at is not null")),
    )

    contract_id: str = Field(primary_key=True, sa_type=Text)
    buyer_id: str = Field(sa_type=Text)
    supplier_id: str = Field(sa_type=Text)
    due_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    buyer_waits: bool = Field(sa_type=Boolean)
    supplier_waits: bool = Field(sa_type=Boolean)
    disputed_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    state: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    version: int = Field(default=1, sa_type=BigInteger)
    agenda: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    agenda_of: int | None = Field(default=None, sa_type=BigInteger)


class HappenedRow(Row, table=True):
    """What happened while a contract was carried out, in order; ``member_name`` is the member who did it, "" for the timer."""

    __tablename__ = "execution_events"

    contract_id: str = Field(primary_key=True, sa_type=Text)
    position: int = Field(primary_key=True, sa_type=Integer)
    at: datetime = Field(sa_type=DateTime(timezone=True))
    member_name: str = Field(sa_type=Text)
    type: str = Field(sa_type=Text)
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class WaitingExecution(msgspec.Struct, frozen=True, kw_only=True):
    contract_id: str
    buyer_id: str
    supplier_id: str
    agenda: Agenda


class ExecutionEvent(msgspec.Struct, frozen=True, kw_only=True):
    at: datetime
    member_name: str
    event: Event


def _stored(row: asyncpg.Record) -> StoredExecution:
    return StoredExecution(execution=msgspec.json.decode(row["state"], type=Execution), version=row["version"])


_executions = States(ExecutionRow, "execution", _stored)
_decoded = Decoded("execution", "fulfilment.executions", "contract_id", "version", decode)
get, lock, lock_due = _decoded.get, _decoded.lock, _executions.lock_due


async def waiting_for(db: Reader, organisation_id: str, limit: int) -> list[WaitingExecution]:
    """Return contracts in which the organisation has a duty, the earliest deadline first. A state is read only if no
    valid agenda is stored."""
    waits = " union ".join(
        f"(select contract_id, due_at from fulfilment.executions where {party}_id = $1 and {party}_waits"
        " order by due_at, contract_id limit $2)"
        for party in ("buyer", "supplier")
    )
    rows = await db.fetch(
        "select contract_id, buyer_id, supplier_id, case when agenda_of = version then agenda::text end as agenda,"
        f" case when agenda_of = version then null else {_BRIEF} end as state"
        f" from fulfilment.executions where contract_id = any(array(select contract_id from ({waits}) as found"
        " order by due_at, contract_id limit $2)) order by due_at, contract_id",
        organisation_id,
        limit,
    )
    return listed("execution", rows, itemgetter("contract_id"), _waiting)


async def disputed(db: Reader, *, limit: int, offset: int) -> Listed[Execution]:
    """Return one page of the executions with an open dispute, the earliest deadline first, without orders, deliveries,
    invoices and lines."""
    rows = await db.fetch(
        f"select contract_id, version, {_BRIEF} as state from (select contract_id, version, disputed_at, {_DISPUTES} as state"
        " from fulfilment.executions where disputed_at is not null order by disputed_at, contract_id limit $1 offset $2) as few"
        " order by disputed_at, contract_id",
        limit,
        offset,
    )
    found = listed("execution", rows, itemgetter("contract_id"), lambda row: _stored(row).execution)
    most = reach(limit, offset)
    counted = await count(db, "select 1 from fulfilment.executions where disputed_at is not null", most=most)
    return Listed.of(found, counted, most)


async def save(
    tx: Transaction, kept: StoredExecution, execution: Execution, happened: Sequence[tuple[Event, str]] = ()
) -> None:
    """Store the execution in place of ``kept``, and add to the history what happened and who did it ("": the timer).
    Raise Outdated if the stored version is no longer that of ``kept``."""
    due = agenda(execution)
    values = {
        "contract_id": execution.contract_id,
        "buyer_id": execution.buyer_id,
        "supplier_id": execution.supplier_id,
        "due_at": next_at(execution),
        "buyer_waits": bool(due.of("buyer", tx.now)),
        "supplier_waits": bool(due.of("supplier", tx.now)),
        "disputed_at": min((each.decide_by for each in execution.disputes if each.open), default=None),
        "state": await _encoded(execution),
        "agenda": json_text(due),
        "agenda_of": kept.version + 1,
        "version": kept.version,
    }
    await _executions.save(tx, values)
    await _add_history(tx, execution.contract_id, happened)


async def _add_history(tx: Transaction, contract_id: str, happened: Sequence[tuple[Event, str]]) -> None:
    db = await tx.raw()
    begins: int = await db.fetchval(
        "select coalesce(max(position), 0) from fulfilment.execution_events where contract_id = $1", contract_id
    )
    await db.executemany(
        "insert into fulfilment.execution_events (contract_id, position, at, member_name, type, body)"
        " values ($1, $2, $3, $4, $5, $6::text::jsonb)",
        [
            (contract_id, position, tx.now, member_name, event.TYPE, json_text(event))
            for position, (event, member_name) in enumerate(happened, start=begins + 1)
        ],
    )


async def _encoded(execution: Execution) -> str:
    parts = len(execution.orders) + len(execution.deliveries) + len(execution.invoices) + len(execution.disputes)
    return await asyncio.to_thread(json_text, execution) if parts > PARTS_ON_LOOP else json_text(execution)


async def history(
    db: Reader, contract_id: str, *, limit: int, offset: int = 0
) -> list[ExecutionEvent | UnreadableKey[int]]:
    """Return the history, the newest entry first."""
    rows = await db.fetch(
        "select position, at, member_name, type, body::text as body from fulfilment.execution_events where contract_id = $1"
        " order by position desc limit $2 offset $3",
        contract_id,
        limit,
        offset,
    )
    return lines(f"line of the history of contract {contract_id}", rows, itemgetter("position"), _happened)


def _happened(row: asyncpg.Record) -> ExecutionEvent:
    """Read an entry. Raise KeyError for a type that only a newer release has."""
    event = msgspec.json.decode(row["body"], type=registry()[row["type"]])
    return ExecutionEvent(at=row["at"], member_name=row["member_name"], event=event)


async def happened(db: Reader, contract_id: str, most: int) -> int:
    """Return the number of entries in the history, or ``most`` + 1 if there are more than ``most``."""
    return await count(db, "select from fulfilment.execution_events where contract_id = $1", contract_id, most=most)


def _waiting(row: asyncpg.Record) -> WaitingExecution:
    return WaitingExecution(
        contract_id=row["contract_id"],
        buyer_id=row["buyer_id"],
        supplier_id=row["supplier_id"],
        agenda=msgspec.json.decode(row["agenda"], type=Agenda)
        if row["agenda"]
        else agenda(msgspec.json.decode(row["state"], type=Execution)),
    )
