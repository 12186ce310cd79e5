"""Contracts as they are shown (see :mod:`listing` for lists of them). They are written from the events of their deals,
and no decision is based on them. SQL is written by hand here for JSON and guarded writes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import asyncpg
import msgspec

from events.codec import Event
from events.contracts import (
    CascadeAwaitsBuyer,
    ContractConcluded,
    ContractDrafted,
    ContractEnded,
    ContractStepTaken,
    ObjectionAnswered,
    ObjectionFiled,
    StepExtended,
)
from infra.database import Reader, Transaction, columns
from infra.reading import read_json, read_one
from services.contracts.domain.deals import BUYER_ANSWER, FLOWS, PARTIES, SUPPLIER_SIGNATURE
from services.contracts.store.papers import Paper, written

_COLUMNS = (
    "contract_id, drafted::text as drafted, state, waits_for, step, due_at, drafted_at, over_at, next_rank, steps::text as steps,"
    " ended::text as ended, paper::text as paper"
)


class StepTaken(msgspec.Struct, frozen=True, kw_only=True):
    step: str
    member_name: str
    at: datetime


class ContractRecord(msgspec.Struct, frozen=True, kw_only=True):
    """``state`` is running, concluded or ended. If the contract is concluded or ended, ``over_at`` is the time of that.
    ``waits_for`` is the organisation whose turn it is. After the supplier left it is the buyer, if the bidder of
    ``next_rank`` could be asked."""

    drafted: ContractDrafted
    state: str
    waits_for: str
    step: str | None
    due_at: datetime | None
    drafted_at: datetime
    over_at: datetime | None
    next_rank: int | None
    steps: tuple[StepTaken, ...]
    ended: ContractEnded | None
    paper: Paper = Paper()

    @property
    def flow(self) -> tuple[str, ...]:
        return FLOWS[self.drafted.origin]

    def concerns(self, organisation_id: str) -> bool:
        return organisation_id in (self.drafted.buyer_id, self.drafted.supplier_id)


async def get(db: Reader, contract_id: str) -> ContractRecord | None:
    row = await db.fetchrow(f"select {_COLUMNS} from contracts.contracts where contract_id = $1", contract_id)
    return read_one("contract", row["contract_id"], _contract, row) if row else None


async def write(tx: Transaction, events: Sequence[Event], member_name: str) -> None:
    """Write what happened into the rows. ``member_name`` is the member that took a step."""
    db, now = await tx.raw(), tx.now
    for event in events:
        match event:
            case ContractDrafted():
                await _end_turn(db, event.process_id, event.buyer_id)
                await put_drafted(tx, [event])
            case ContractStepTaken():
                taken = (StepTaken(step=event.step, member_name=member_name, at=now),)
                await _step(db, event.contract_id, event.next_step, event.due_at, taken)
                await _write_down(db, event.contract_id, event, now, member_name)
            case StepExtended():
                await _step(db, event.contract_id, event.step, event.due_at)
                await _write_down(db, event.contract_id, event, now, member_name)
            case ObjectionFiled() | ObjectionAnswered():
                step = BUYER_ANSWER if isinstance(event, ObjectionFiled) else SUPPLIER_SIGNATURE
                await _step(db, event.contract_id, step, event.due_at)
                await _write_down(db, event.contract_id, event, now, member_name)
            case ContractConcluded():
                await db.execute(
                    "update contracts.contracts set state = 'concluded', over_at = $2 where contract_id = $1",
                    event.contract_id,
                    now,
                )
            case ContractEnded():
                await db.execute(
                    "update contracts.contracts set state = 'ended', over_at = $2, waits_for = '', step = null,"
                    " due_at = null, ended = $3::text::jsonb where contract_id = $1",
                    event.contract_id,
                    now,
                    msgspec.json.encode(event).decode(),
                )
            case CascadeAwaitsBuyer():
                await db.execute(
                    "update contracts.contracts set waits_for = buyer_id, next_rank = $2 where contract_id = $1",
                    event.contract_id,
                    event.next_rank,
                )


async def put_drafted(tx: Transaction, drafted: Sequence[ContractDrafted]) -> None:
    """Write at least one drafted contract. No contract of these deals may wait for anybody."""
    rows = [
        (
            event.contract_id,
            event.process_id,
            event.buyer_id,
            event.supplier_id,
            event.rank,
            event.supplier_id if PARTIES[event.step] == "supplier" else event.buyer_id,
            event.step,
            event.due_at,
            msgspec.json.encode(event).decode(),
        )
        for event in drafted
    ]
    await (await tx.raw()).execute(
        "insert into contracts.contracts (contract_id, process_id, buyer_id, supplier_id, rank, state, waits_for, step,"
        " due_at, drafted_at, drafted, steps)"
        " select contract_id, process_id, buyer_id, supplier_id, rank, 'running', waits_for, step, due_at, $10, drafted::jsonb, '[]'"
        " from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[], $6::text[], $7::text[], $8::timestamptz[], $9::text[])"
        " as told (contract_id, process_id, buyer_id, supplier_id, rank, waits_for, step, due_at, drafted)",
        *columns(rows),
        tx.now,
    )


async def _end_turn(db: asyncpg.Connection, process_id: str, buyer_id: str) -> None:
    """End the turn in the deal, because another contract begins."""
    await db.execute(
        "update contracts.contracts set waits_for = '', next_rank = null"
        " where process_id = $1 and buyer_id = $2 and waits_for <> ''",
        process_id,
        buyer_id,
    )


async def _step(
    db: asyncpg.Connection,
    contract_id: str,
    step: str | None,
    due_at: datetime | None,
    taken: Sequence[StepTaken] = (),
) -> None:
    """Set the running ``step``."""
    await db.execute(
        "update contracts.contracts set step = $2, due_at = $3, steps = steps || $4::text::jsonb,"
        " waits_for = case $5::text when 'buyer' then buyer_id when 'supplier' then supplier_id else '' end"
        " where contract_id = $1",
        contract_id,
        step,
        due_at,
        msgspec.json.encode(taken).decode(),
        "" if step is None else PARTIES[step],
    )


async def _write_down(db: asyncpg.Connection, contract_id: str, event: Event, now: datetime, member_name: str) -> None:
    """Add the event to the paper of the contract. Like every write, it needs the lock of the deal."""
    told = await db.fetchval("select paper::text from contracts.contracts where contract_id = $1", contract_id)
    paper = read_json("contract", contract_id, told, Paper)
    await db.execute(
        "update contracts.contracts set paper = $2::text::jsonb where contract_id = $1",
        contract_id,
        msgspec.json.encode(written(paper, event, now, member_name)).decode(),
    )


def _contract(row: asyncpg.Record) -> ContractRecord:
    values: dict[str, Any] = {name: row[name] for name in ContractRecord.__struct_fields__}
    values["drafted"] = msgspec.json.decode(row["drafted"], type=ContractDrafted)
    values["steps"] = msgspec.json.decode(row["steps"], type=tuple[StepTaken, ...])
    values["ended"] = msgspec.json.decode(row["ended"], type=ContractEnded) if row["ended"] else None
    values["paper"] = msgspec.json.decode(row["paper"], type=Paper)
    return ContractRecord(**values)
