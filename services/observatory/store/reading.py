"""Items, prices and snapshots as values."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

import asyncpg
import msgspec

from events.values import Place
from infra.database import Transaction
from infra.listing import count
from services.observatory.domain import Observation, Reference, Verdict
from services.observatory.intake import Item
from services.observatory.store.listing import FIGURES, Figures, item_of

T = TypeVar("T")
BATCH = 500
"""Rows that are decoded at once, in a thread: what else a process does waits no longer for it."""
VERSIONS = 100
"""Newest versions of a reference that are listed."""


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """An item with what is known of it now."""

    item: Item
    observations: int
    reference_id: str | None
    published: bool
    trouble: str | None = None
    """Why its prices could not be judged when that was last tried."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an item's reference. Not ``current``: history, valued on the day of the latest price."""

    reference_id: str
    version: int
    made_at: datetime
    current: bool
    reference: Reference


async def _decoded(rows: Sequence[asyncpg.Record], read: Callable[[asyncpg.Record], T]) -> list[T]:
    found: list[T] = []
    for start in range(0, len(rows), BATCH):
        found += await asyncio.to_thread(lambda part: [read(row) for row in part], rows[start : start + BATCH])
    return found


async def has_more(tx: Transaction, item_key: str, most: int) -> bool:
    """Whether it has more prices than ``most``, judged or not."""
    rows = "select from observatory.observations where item_key = $1"
    return await count(await tx.raw(), rows, item_key, most=most) > most


async def places(tx: Transaction, item_key: str) -> list[tuple[Place, int]]:
    """Where prices come from, and how many from each."""
    rows = await (await tx.raw()).fetch(
        "select (body->'place')::text as place, count(*) as n from observatory.observations where item_key = $1 group by 1",
        item_key,
    )
    return [(msgspec.json.decode(row["place"], type=Place), row["n"]) for row in rows]


async def observations(tx: Transaction, item_keys: Sequence[str]) -> dict[str, list[Observation]]:
    rows = await (await tx.raw()).fetch(
        "select item_key, body::text as body, cancelled from observatory.observations where item_key = any($1)",
        list(item_keys),
    )
    found: dict[str, list[Observation]] = defaultdict(list)
    for row, seen in zip(rows, await _decoded(rows, _observation), strict=True):
        found[row["item_key"]].append(seen)
    return found


def _observation(row: asyncpg.Record) -> Observation:
    seen = msgspec.json.decode(row["body"], type=Observation)
    return msgspec.structs.replace(seen, cancelled=True) if row["cancelled"] else seen


_SNAPSHOT = (
    "select reference_id, version, made_at, current, jsonb_set(body, '{verdicts}', '[]')::text as body"
    " from observatory.snapshots where reference_id = $1"
)
_VERDICTS = (
    "select told.verdict::text as verdict from observatory.snapshots,"
    " jsonb_array_elements(body->'verdicts') with ordinality as told (verdict, place) where reference_id = $1"
)


async def snapshot(tx: Transaction, reference_id: str) -> Snapshot | None:
    """Without its verdicts: see :func:`verdicts`."""
    row = await (await tx.raw()).fetchrow(_SNAPSHOT, reference_id)
    if row is None:
        return None
    reference = msgspec.json.decode(row["body"], type=Reference)
    return Snapshot(
        **{name: row[name] for name in ("reference_id", "version", "made_at", "current")}, reference=reference
    )


async def verdicts(tx: Transaction, reference_id: str, *, offset: int, most: int) -> list[Verdict]:
    """Some of a snapshot's: what counts first, each part newest first. Only those are written out as text."""
    rows = await (await tx.raw()).fetch(
        "select verdict::text as verdict from (select told.verdict, told.place, told.verdict->>'dropped' is not null as dropped"
        " from observatory.snapshots, jsonb_array_elements(body->'verdicts') with ordinality as told (verdict, place)"
        " where reference_id = $1 order by dropped, place desc offset $2 limit $3) as page order by dropped, place desc",
        reference_id,
        offset,
        most,
    )
    return await _decoded(rows, _verdict)


_tallies: dict[str, dict[str, int]] = {}
TALLIES = 1_000
"""Snapshots whose tallies a process remembers: a snapshot never changes, and to count its prices all of them are read."""


async def tally(tx: Transaction, reference_id: str) -> dict[str, int]:
    """How many of a snapshot's prices each rule dropped, by its code; "" are those that count."""
    if reference_id not in _tallies:
        rows = await (await tx.raw()).fetch(
            "select coalesce(verdict->'dropped'->>'rule', '') as rule, count(*) as n from observatory.snapshots,"
            " jsonb_array_elements(body->'verdicts') as verdict where reference_id = $1 group by 1",
            reference_id,
        )
        if len(_tallies) >= TALLIES:
            del _tallies[next(iter(_tallies))]
        _tallies[reference_id] = {row["rule"]: row["n"] for row in rows}
    return _tallies[reference_id]


async def snapshots(tx: Transaction, reference_ids: Sequence[str]) -> dict[str, Snapshot]:
    """With all their verdicts, of which there may be tens of thousands: for judging, not for answering."""
    found = {}
    for reference_id in reference_ids:
        if one := await snapshot(tx, reference_id):
            rows = await (await tx.raw()).fetch(f"{_VERDICTS} order by told.place", reference_id)
            reference = msgspec.structs.replace(one.reference, verdicts=tuple(await _decoded(rows, _verdict)))
            found[reference_id] = msgspec.structs.replace(one, reference=reference)
    return found


def _verdict(row: asyncpg.Record) -> Verdict:
    return msgspec.json.decode(row["verdict"], type=Verdict)


async def card(tx: Transaction, item_key: str) -> Card | None:
    row = await (await tx.raw()).fetchrow("select * from observatory.items where item_key = $1", item_key)
    return card_of(row) if row else None


async def versions(tx: Transaction, item_key: str) -> list[Figures]:
    """The newest snapshots, newest first, at most :data:`VERSIONS`."""
    query = f"{FIGURES} where item_key = $1 order by version desc limit $2"
    rows = await (await tx.raw()).fetch(query, item_key, VERSIONS)
    return [Figures(**row) for row in rows]


def card_of(row: asyncpg.Record) -> Card:
    return Card(
        item=item_of(row),
        observations=row["observations"],
        reference_id=row["reference_id"],
        published=row["published"],
        trouble=row["trouble"],
    )
