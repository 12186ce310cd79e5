"""Items whose former references have to be ended in other services. SQL is written by hand here for locks,
arrays and several tables."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec

from infra.database import Transaction

_DUE = "select item_key from observatory.ends_due where due_at <= $1 order by due_at limit $2"
_LOCK = """
select item_key from observatory.items where item_key = any($1::text[]) order by item_key for update skip locked
"""
_ENDED = """
with former as (
  select s.item_key, s.currency, s.level, s.place_code, s.version, s.reference_id,
    jsonb_build_array(s.kind, s.unit, s.median, s.p25, s.p75, s.observations, s.suppliers, s.variation, s.grade)::text as figures
  from observatory.items i join observatory.snapshots s on s.item_key = i.item_key and s.current
  left join observatory.snapshots f on f.reference_id = i.reference_id and i.published
  where i.item_key = any($1::text[]) and (s.currency, s.level, s.place_code) is distinct from (f.currency, f.level, f.place_code)),
announced as (
  select *, (figures, version - 1) is distinct from (lag(figures) over in_place, lag(version) over in_place) as begins
  from former window in_place as (partition by item_key, currency, level, place_code order by version))
select item_key, currency, level, place_code, max(version) as version,
  (array_agg(reference_id order by version desc))[1] as reference_id,
  (array_agg(reference_id order by version desc) filter (where begins))[1] as first_id
from announced group by item_key, currency, level, place_code order by item_key
"""


class EndedReference(msgspec.Struct, frozen=True, kw_only=True):
    """The last version of an item's reference for a place where none is in force now. ``first_id`` is the first version
    with the same figures: that one was published."""

    item_key: str
    reference_id: str
    first_id: str
    currency: str
    level: str
    place_code: str
    version: int


async def lock_ends_due(tx: Transaction, most: int) -> list[str]:
    """Lock up to ``most`` items that wait, and return their keys: no other reference of them comes into force before this
    transaction ends. The items are locked before the rows that wait, as the trigger does."""
    db = await tx.raw()
    due = [row["item_key"] for row in await db.fetch(_DUE, tx.now, most)]
    return [row["item_key"] for row in await db.fetch(_LOCK, due)]


async def ended_references(tx: Transaction, item_keys: Sequence[str]) -> list[EndedReference]:
    """Return the references of these items that are not in force."""
    return [EndedReference(**row) for row in await (await tx.raw()).fetch(_ENDED, item_keys)]


async def put_off_ends(
    tx: Transaction, item_keys: Sequence[str], ended: Collection[str], again_at: Sequence[datetime]
) -> None:
    """Let the items in ``ended`` wait until the next of the times in ``again_at``, which are one for each repeat, and all
    others and those that were repeated as often wait no more."""
    db = await tx.raw()
    await db.execute(
        "delete from observatory.ends_due where item_key = any($1::text[])"
        " and (repeats >= $2 or item_key <> all($3::text[]))",
        item_keys,
        len(again_at),
        list(ended),
    )
    await db.execute(
        "update observatory.ends_due set repeats = repeats + 1, due_at = ($2::timestamptz[])[repeats + 1]"
        " where item_key = any($1::text[])",
        item_keys,
        again_at,
    )
