"""Items of which the former release did not publish the ends of all former references. SQL is written by hand here for
locks and several tables."""

import msgspec

from infra.database import Transaction

PUBLISHES_ENDS = "select set_config('observatory.publishes_ends', 'on', true)"
"""The statement by which a transaction says that it publishes the ends itself, so that the trigger on items does not
put them here."""
_CLAIM = """
delete from observatory.ends_due where item_key in
(select item_key from observatory.ends_due order by item_key limit $1 for update skip locked) returning item_key
"""
_LOCK = "select from observatory.items where item_key = any($1::text[]) order by item_key for update"
_ENDED = """
select s.item_key, s.currency, s.level, s.place_code, max(s.version) as version,
  (array_agg(s.reference_id order by s.version desc))[1] as reference_id
from observatory.items i join observatory.snapshots s on s.item_key = i.item_key and s.current
left join observatory.snapshots f on f.reference_id = i.reference_id and i.published
where i.item_key = any($1::text[]) and (s.currency, s.level, s.place_code) is distinct from (f.currency, f.level, f.place_code)
group by s.item_key, s.currency, s.level, s.place_code order by s.item_key
"""


class EndedReference(msgspec.Struct, frozen=True, kw_only=True):
    """The last version of an item's reference for a place where none is in force now."""

    item_key: str
    reference_id: str
    currency: str
    level: str
    place_code: str
    version: int


async def claim_ended(tx: Transaction, most: int) -> tuple[int, list[EndedReference]]:
    """Take up to ``most`` items from those that wait. Return how many these are, and their references that are not in
    force. Their rows are locked: no other reference of them comes into force before this transaction ends."""
    db = await tx.raw()
    keys = [row["item_key"] for row in await db.fetch(_CLAIM, most)]
    await db.execute(_LOCK, keys)
    return len(keys), [EndedReference(**row) for row in await db.fetch(_ENDED, keys)]
