"""Items, prices and snapshots as values. SQL is written by hand here for JSON, lists and transaction ids."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter

import asyncpg
import msgspec

from events.values import Place
from infra.database import Transaction
from infra.listing import count
from infra.reading import listed, read_apart, read_one
from services.observatory.domain import ComputedReference, Observation, Rest, RulingTerms
from services.observatory.intake import Item
from services.observatory.store.listing import FIGURES, SnapshotFigures, item_of
from services.observatory.store.rulings import VERDICT, in_body, key_in_body

VERSIONS = 100
"""The most versions of a reference that are listed; the newest are chosen."""


class ItemCard(msgspec.Struct, frozen=True, kw_only=True):
    """An item with its current state."""

    item: Item
    observations: int
    reference_id: str | None
    published: bool
    trouble: str | None = None
    """Why its prices could not be judged at the last try."""
    rest: Rest | None = None
    """The rest since its last judgement."""
    due_at: datetime | None = None
    written: int
    """The id of the transaction that last wrote its row. If it differs later, the row was changed, by whichever
    release."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """One version of an item's reference. If it is not ``current``, it is history, valued on the day of the latest
    price. A snapshot whose verdicts are rows has ``terms`` and ``digest``."""

    reference_id: str
    version: int
    made_at: datetime
    current: bool
    reference: ComputedReference
    terms: RulingTerms | None = None
    digest: str | None = None


async def has_more(tx: Transaction, item_key: str, most: int) -> bool:
    """Whether the item has more prices than ``most``, judged or not."""
    rows = "select from observatory.observations where item_key = $1"
    return await count(await tx.raw(), rows, item_key, most=most) > most


async def places(tx: Transaction, item_key: str) -> list[tuple[Place, int]]:
    """The places of an item's prices, with the number of prices of each."""
    rows = await (await tx.raw()).fetch(
        "select (body->'place')::text as place, count(*) as n from observatory.observations where item_key = $1 group by 1",
        item_key,
    )
    return listed("observation", rows, itemgetter("place"), _place)


def _place(row: asyncpg.Record) -> tuple[Place, int]:
    return msgspec.json.decode(row["place"], type=Place), row["n"]


async def observations(tx: Transaction, item_keys: Sequence[str]) -> dict[str, list[Observation]]:
    rows = await (await tx.raw()).fetch(
        "select item_key, observation_id, body::text as body, cancelled from observatory.observations where item_key = any($1)",
        list(item_keys),
    )
    found: dict[str, list[Observation]] = defaultdict(list)
    for row, seen in zip(
        rows, await read_apart("observation", rows, itemgetter("observation_id"), _observation), strict=True
    ):
        found[row["item_key"]].append(seen)
    return found


def _observation(row: asyncpg.Record) -> Observation:
    seen = msgspec.json.decode(row["body"], type=Observation)
    return msgspec.structs.replace(seen, cancelled=True) if row["cancelled"] else seen


_SNAPSHOT = (
    "select reference_id, version, made_at, current, jsonb_set(body, '{verdicts}', '[]')::text as body, terms::text as terms, digest"
    " from observatory.snapshots where reference_id = $1"
)
_VERDICTS = (
    "select reference_id, told.verdict::text as verdict, told.place from observatory.snapshots,"
    " jsonb_array_elements(body->'verdicts') with ordinality as told (verdict, place) where reference_id = $1 order by told.place"
)


async def snapshot(tx: Transaction, reference_id: str) -> Snapshot | None:
    """The snapshot without its verdicts, for which see :mod:`services.observatory.store.rulings`."""
    row = await (await tx.raw()).fetchrow(_SNAPSHOT, reference_id)
    if row is None:
        return None
    return read_one("snapshot", reference_id, _snapshot, row)


def _snapshot(row: asyncpg.Record) -> Snapshot:
    reference = msgspec.json.decode(row["body"], type=ComputedReference)
    return Snapshot(
        **{name: row[name] for name in ("reference_id", "version", "made_at", "current", "digest")},
        reference=reference,
        terms=msgspec.json.decode(row["terms"], type=RulingTerms) if row["terms"] else None,
    )


async def snapshots(tx: Transaction, reference_ids: Sequence[str]) -> dict[str, Snapshot]:
    """Snapshots for judging: with the verdicts in their bodies, which may be tens of thousands, but without verdicts
    that are rows (see :func:`standing_rulings`)."""
    found = {}
    for reference_id in reference_ids:
        if one := await snapshot(tx, reference_id):
            if one.terms is None:
                rows = await (await tx.raw()).fetch(_VERDICTS, reference_id)
                verdicts = await read_apart(VERDICT, rows, key_in_body, in_body)
                reference = msgspec.structs.replace(one.reference, verdicts=tuple(verdicts))
                one = msgspec.structs.replace(one, reference=reference)
            found[reference_id] = one
    return found


async def card(tx: Transaction, item_key: str) -> ItemCard | None:
    row = await (await tx.raw()).fetchrow("select xmin, * from observatory.items where item_key = $1", item_key)
    return read_one("item", item_key, card_of, row) if row else None


async def versions(tx: Transaction, item_key: str) -> list[SnapshotFigures]:
    """The newest snapshots, newest first, at most :data:`VERSIONS`."""
    query = f"{FIGURES} where item_key = $1 order by version desc limit $2"
    rows = await (await tx.raw()).fetch(query, item_key, VERSIONS)
    return [SnapshotFigures(**row) for row in rows]


def card_of(row: asyncpg.Record) -> ItemCard:
    return ItemCard(
        item=item_of(row),
        observations=row["observations"],
        reference_id=row["reference_id"],
        published=row["published"],
        trouble=row["trouble"],
        rest=Rest(until=row["rests_until"], owed=row["rest"]) if row["rests_until"] and row["rest"] else None,
        due_at=row["due_at"],
        written=row["xmin"],
    )
