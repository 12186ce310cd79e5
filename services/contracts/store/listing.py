"""Lists of contracts. Each row has what one line of a list shows, without the lines and the paper of the contract.

A list is combined from parts that an index has in the order of the list: what one side has in one state. So a page
costs the same for a buyer with a hundred thousand contracts as for one with ten.

SQL is written by hand here for lists and arrays.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any

import asyncpg
import msgspec

from events.values import Category
from infra.database import Reader
from infra.listing import COUNTED, PLAN_FOR_VALUES, Listed, as_query, count, reach
from infra.reading import listed
from services.contracts.store.rows import AT, WORDS

STATES = ("running", "concluded", "ended")
CURSOR = r"^([0-9]{1,17}-[!-~]{1,400})?$"
"""The end of a page, as in ``FoundContracts.next``, or an empty text."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = (
    "contract_id, (case when jsonb_typeof(drafted) = 'object' then drafted - '{lines,place}'::text[] else '{}' end)::text as drafted,"
    f" state, waits_for, step, due_at, drafted_at, over_at, next_rank, ended->>'reason' as ended, {AT} as at"
)


class ContractFilter(msgspec.Struct, frozen=True, kw_only=True):
    """``viewer_id`` sees its own contracts and the concluded ones, ``all`` shows everything, and ``mine`` keeps only
    the viewer's own. ``state`` is running, concluded, ended or "" for all. ``process_id`` may also be a pool's id.
    ``q`` has words, or beginnings of words, of the title and of both sides' names."""

    viewer_id: str = ""
    all: bool = False
    mine: bool = False
    state: str = ""
    process_id: str = ""
    q: str = ""


class ListedContract(msgspec.Struct, frozen=True, kw_only=True):
    """``state``, ``waits_for`` and ``next_rank`` are as in :class:`services.contracts.store.contracts.ContractRecord`.
    ``ended`` is the reason of the end, or "" if it did not end. Lists are sorted by ``at``: when it was concluded, or
    ended, or drafted."""

    contract_id: str
    process_id: str
    origin: str
    pool_id: str | None = None
    title: str
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    rank: int
    category: Category | None
    currency: str
    amount: Decimal
    state: str
    waits_for: str
    step: str | None
    due_at: datetime | None
    drafted_at: datetime
    over_at: datetime | None
    next_rank: int | None
    ended: str
    at: datetime

    def concerns(self, organisation_id: str) -> bool:
        return organisation_id in (self.buyer_id, self.supplier_id)


class FoundContracts(Listed[ListedContract], frozen=True):
    """``next`` is where the list continues, or "" at its end. Contracts that are added or concluded meanwhile are on no
    later page, and they move no other contract to another page."""

    next: str = ""


async def search(
    db: asyncpg.Connection, wanted: ContractFilter, *, limit: int, offset: int = 0, after: str = ""
) -> FoundContracts:
    """Return one page, the latest first: after ``offset`` rows, or after the end of another page (``after`` is its
    ``next``). The number of rows read is bounded by ``limit`` and ``offset``."""
    values: list[object] = []
    parts = list(_parts(wanted, values))
    if not parts:  # a visitor asks for contracts that are not concluded
        return FoundContracts([], 0, False, 0)
    whole = " union all ".join(f"select from contracts.contracts where {part}" for part in parts)
    counted = list(values)
    most = COUNTED if after else reach(limit, offset)
    beyond = ""
    if after:
        moment, _, contract_id = after.partition("-")
        values += [_EPOCH + timedelta(microseconds=int(moment)), contract_id]
        at, id_ = f"${len(values) - 1}", f"${len(values)}"
        beyond, offset = f" and {AT} <= {at} and ({AT} < {at} or contract_id > {id_})", 0
    page = " union all ".join(
        f"(select contract_id, {AT} as at from contracts.contracts where {part}{beyond}"
        f" order by {AT} desc, contract_id limit {offset + limit + 1})"
        for part in parts
    )
    async with db.transaction(readonly=True):
        await db.execute(PLAN_FOR_VALUES)
        ids = await db.fetch(
            f"select contract_id, at from ({page}) as found order by at desc, contract_id"
            f" limit {limit + 1} offset {offset}",
            *values,
        )
        if not after and len(ids) <= limit and (ids or not offset):
            total = offset + len(ids)  # the last page gives the total at the same instant
        else:
            total = await count(db, whole, *counted, most=most)
        rows = await some(db, [row["contract_id"] for row in ids[:limit]])
    found = Listed.of(rows, total, most)
    return FoundContracts(
        found.rows, found.total, found.more, found.end, _end_of(ids[limit - 1]) if len(ids) > limit else ""
    )


def _end_of(last: asyncpg.Record) -> str:
    return f"{(last['at'] - _EPOCH) // timedelta(microseconds=1)}-{last['contract_id']}"


def _parts(wanted: ContractFilter, values: list[object]) -> Iterator[str]:
    """Yield conditions of which every matching row meets exactly one. Their parameters are added to ``values``."""

    def add(condition: str, value: object) -> str:
        values.append(value)
        return condition.format(f"${len(values)}")

    if not (wanted.viewer_id or wanted.all or wanted.state in ("", "concluded")):
        return
    common = ""
    if wanted.process_id:
        common += add(" and process_id = {}", wanted.process_id)
    if wanted.q.strip():
        common += add(f" and {WORDS} @@ to_tsquery('simple', {{}})", as_query(wanted.q))
    for state in [wanted.state] if wanted.state else STATES:
        if not wanted.mine and (wanted.all or state == "concluded"):
            yield add("state = {}", state) + common
        elif wanted.viewer_id:
            in_state = add("state = {}", state) + common
            yield add(f"{in_state} and buyer_id = {{}}", wanted.viewer_id)
            yield add(f"{in_state} and supplier_id = {{0}} and buyer_id <> {{0}}", wanted.viewer_id)


async def some(db: Reader, contract_ids: Sequence[str]) -> list[ListedContract]:
    """Return the contracts that this release can read, in the given order."""
    found = await db.fetch(
        f"select {_SHOWN} from contracts.contracts where contract_id = any($1::text[])", list(contract_ids)
    )
    at = {contract_id: place for place, contract_id in enumerate(contract_ids)}
    return _read(sorted(found, key=lambda row: at[row["contract_id"]]))


async def waiting_for(db: Reader, organisation_id: str, *, limit: int) -> Listed[ListedContract]:
    """Return ``limit`` contracts where it is this organisation's turn, the earliest deadline first."""
    turn = "contracts.contracts where waits_for = $1 and waits_for <> ''"
    rows = await db.fetch(
        f"select {_SHOWN} from {turn} order by due_at, drafted_at, contract_id limit $2", organisation_id, limit
    )
    return Listed.of(_read(rows), await count(db, f"select from {turn}", organisation_id))


async def of_deal(db: Reader, process_id: str, buyer_id: str) -> list[ListedContract]:
    """Return the contract of everybody asked so far, by rank."""
    rows = await db.fetch(
        f"select {_SHOWN} from contracts.contracts where process_id = $1 and buyer_id = $2 order by rank",
        process_id,
        buyer_id,
    )
    return _read(rows)


def _read(rows: Sequence[asyncpg.Record]) -> list[ListedContract]:
    return listed("contract", rows, itemgetter("contract_id"), _summary)


def _summary(row: asyncpg.Record) -> ListedContract:
    told: dict[str, Any] = msgspec.json.decode(row["drafted"])
    return msgspec.convert(told | {**row, "drafted": None, "ended": row["ended"] or ""}, ListedContract)
