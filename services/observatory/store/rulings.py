"""The verdicts behind snapshots. They are rows that remain from version to version: a new price writes its own verdict
and those that it changes. Older snapshots have all verdicts in the body, where they are still read. SQL is written by
hand here for JSON."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import asyncpg
import msgspec

from events.values import Refusal
from infra.database import Transaction, columns
from infra.reading import listed_apart, read_apart, read_json
from services.observatory.domain import (
    Divided,
    Observation,
    ObservationVerdict,
    Ruling,
    RulingTerms,
    observation_of,
    verdict_of,
)
from services.observatory.store.packed import packed, unpacked

BATCH = 500
"""The most rows in one statement, so that other work of the process does not wait long."""
VERDICT = "verdict"
"""The name of such a row in messages if it cannot be read."""
Standing = dict[str, dict[str, Ruling]]
"""The rulings of the last version of each item that has rows, by item and observation."""


class RulingChange(msgspec.Struct, frozen=True, kw_only=True):
    """The change from the rulings that ``stood`` to those of a new version."""

    item_key: str
    version: int
    stood: dict[str, Ruling]
    made: Divided


async def verdicts(tx: Transaction, reference_id: str, *, offset: int, most: int) -> list[ObservationVerdict]:
    """Some verdicts of a snapshot, for people: first those that count, then the others, each part newest first. Only
    these are read."""
    db = await tx.raw()
    version = await db.fetchrow(
        "select item_key, version, terms::text as terms from observatory.snapshots where reference_id = $1",
        reference_id,
    )
    if version is None:
        return []
    if version["terms"] is None:
        rows = await db.fetch(_IN_BODY, reference_id, offset, most)
        return await listed_apart(VERDICT, rows, key_in_body, in_body)
    terms = read_json("snapshot", reference_id, version["terms"], RulingTerms)
    rows = await db.fetch(_PAGE, version["item_key"], version["version"], offset, most)
    return await listed_apart(VERDICT, rows, _key, lambda row: verdict_of(_ruling(row), _observation(row), terms))


_PAGE = """
select page.*, judged.body, judged.packed from (
  select item_key, observation_id, edition, date, dropped, price, reason, own::text as own from observatory.verdicts
  where item_key = $1 and from_version <= $2 and (until_version is null or until_version > $2)
  order by dropped, date desc, observation_id desc offset $3 limit $4
) as page join observatory.judged using (item_key, observation_id, edition)
order by dropped, date desc, observation_id desc
"""
_IN_BODY = """
select reference_id, verdict::text as verdict, place from (
  select reference_id, told.verdict, told.place, told.verdict->>'dropped' is not null as dropped
  from observatory.snapshots, jsonb_array_elements(body->'verdicts') with ordinality as told (verdict, place)
  where reference_id = $1 order by dropped, place desc offset $2 limit $3
) as page order by dropped, place desc
"""


def _key(row: asyncpg.Record) -> str:
    return f"{row['item_key']}/{row['observation_id']}"


def key_in_body(row: asyncpg.Record) -> str:
    return f"{row['reference_id']}/{row['place']}"


def in_body(row: asyncpg.Record) -> ObservationVerdict:
    return msgspec.json.decode(row["verdict"], type=ObservationVerdict)


def _observation(row: asyncpg.Record) -> Observation:
    body = row["body"] if row["packed"] is None else unpacked(row["packed"])
    return observation_of(row["item_key"], row["observation_id"], body)


def _ruling(row: asyncpg.Record) -> Ruling:
    own = msgspec.json.decode(row["own"], type=Refusal) if row["own"] else None
    return Ruling(edition=row["edition"], price=row["price"], reason=row["reason"], own=own)


_tallies: dict[str, dict[str, int]] = {}
TALLIES = 1_000
"""The most snapshots whose counts a process remembers: a snapshot never changes, and counting the prices in a body
reads all of them."""


async def tally(tx: Transaction, reference_id: str) -> dict[str, int]:
    """The number of a snapshot's prices that each rule dropped, by its code; "" has the number of those that count."""
    if reference_id not in _tallies:
        if len(_tallies) >= TALLIES:
            del _tallies[next(iter(_tallies))]
        _tallies[reference_id] = await _counted(await tx.raw(), reference_id)
    return _tallies[reference_id]


async def _counted(db: Any, reference_id: str) -> dict[str, int]:
    told = await db.fetchval(
        "select (terms->'counts')::text from observatory.snapshots where reference_id = $1", reference_id
    )
    if told is not None:
        return read_json("snapshot", reference_id, told, dict[str, int])
    rows = await db.fetch(
        "select coalesce(verdict->'dropped'->>'rule', '') as rule, count(*) as n from observatory.snapshots,"
        " jsonb_array_elements(body->'verdicts') as verdict where reference_id = $1 group by 1",
        reference_id,
    )
    return {row["rule"]: row["n"] for row in rows}


async def standing_rulings(tx: Transaction, item_keys: Sequence[str]) -> Standing:
    """The current rulings, with which new ones are compared. They come without the observations, because there is one
    for each price."""
    rows = await (await tx.raw()).fetch(
        "select item_key, observation_id, edition, price, reason, own::text as own from observatory.verdicts"
        " where item_key = any($1::text[]) and until_version is null",
        list(item_keys),
    )
    found: Standing = defaultdict(dict)
    for row, ruling in zip(rows, await read_apart(VERDICT, rows, _key, _ruling), strict=True):
        found[row["item_key"]][row["observation_id"]] = ruling
    return found


_END = """
update observatory.verdicts v set until_version = ended.version
from unnest($1::text[], $2::text[], $3::int[]) as ended (item_key, observation_id, version)
where v.item_key = ended.item_key and v.observation_id = ended.observation_id and v.until_version is null
"""
_OBSERVATIONS = """
insert into observatory.judged (item_key, observation_id, edition, packed)
select * from unnest($1::text[], $2::text[], $3::bytea[], $4::bytea[]) on conflict do nothing
"""
_BEGIN = """
insert into observatory.verdicts (item_key, observation_id, from_version, edition, date, dropped, price, reason, own)
select item_key, observation_id, version, edition, date, reason <> '', price, reason, own::jsonb
from unnest($1::text[], $2::text[], $3::int[], $4::bytea[], $5::date[], $6::text[], $7::text[], $8::text[])
as begun (item_key, observation_id, version, edition, date, price, reason, own)
"""
_OF_NO_VERSION = """
with gone as (
  delete from observatory.verdicts v using unnest($1::text[], $2::text[], $3::int[]) as ended (item_key, observation_id, version)
  where v.item_key = ended.item_key and v.observation_id = ended.observation_id and v.until_version = ended.version
    and not exists (
      select from observatory.snapshots s
      where s.item_key = v.item_key and s.version >= v.from_version and s.version < v.until_version)
  returning v.item_key, v.observation_id, v.edition, v.from_version
)
delete from observatory.judged j using gone
where j.item_key = gone.item_key and j.observation_id = gone.observation_id and j.edition = gone.edition
  and not exists (
    select from observatory.verdicts v where v.item_key = j.item_key and v.observation_id = j.observation_id
      and v.edition = j.edition and v.from_version <> gone.from_version)
"""
"""A statement sees the state before it, so the verdict that was just ended is excluded by its version."""


async def put_changes(tx: Transaction, changes: Sequence[RulingChange]) -> None:
    """Write the changes of a new version of each of these items, after its snapshot. Verdicts that belonged only to
    deleted versions are deleted."""
    ended = [
        (change.item_key, observation_id, change.version)
        for change in changes
        for observation_id, ruling in change.stood.items()
        if change.made.rulings.get(observation_id) != ruling
    ]
    begun = [
        (change, observation_id, ruling)
        for change in changes
        for observation_id, ruling in change.made.rulings.items()
        if change.stood.get(observation_id) != ruling
    ]
    db = await tx.raw()
    if ended:
        await db.execute(_END, *columns(ended))
    for start in range(0, len(begun), BATCH):
        observations, rows = await asyncio.to_thread(_rows, begun[start : start + BATCH])
        if observations:
            await db.execute(_OBSERVATIONS, *columns(observations))
        await db.execute(_BEGIN, *columns(rows))
    if ended:
        await db.execute(_OF_NO_VERSION, *columns(ended))


def _rows(begun: Sequence[tuple[RulingChange, str, Ruling]]) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
    """Return the rows of observations and those of verdicts, as arguments of the statements."""
    observations = [
        (change.item_key, observation_id, ruling.edition, packed(change.made.body(observation_id)))
        for change, observation_id, ruling in begun
        if getattr(change.stood.get(observation_id), "edition", None) != ruling.edition
    ]
    rows = [
        (
            change.item_key,
            observation_id,
            change.version,
            ruling.edition,
            change.made.verdicts[observation_id].observation.date,
            ruling.price,
            ruling.reason,
            msgspec.json.encode(ruling.own).decode() if ruling.own else None,
        )
        for change, observation_id, ruling in begun
    ]
    return observations, rows
