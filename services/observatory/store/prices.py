"""Stores observed prices: one statement writes all that came together, because an import brings tens of thousands of
documents. SQL is written by hand here for arrays."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

import msgspec

from events.values import Category
from infra.database import Transaction, columns
from services.observatory.domain import body
from services.observatory.intake import Item, Origin, Seen, folded

COUNTED_BY = frozenset({"place"})
"""Fields of a body that queries read: they are stored even if they have the default value."""

_LOCK = """
select from observatory.observations where observation_id = any(array(
  select observation_id from unnest($1::text[], $2::text[]) as documents (origin, document_id)
  join observatory.observations using (origin, document_id)
  union select observation_id from observatory.observations where origin = 'award' and award_id = any($3::text[])
)) order by observation_id for update
"""
"""Locks the rows that the next statement deletes or writes; all processes lock them in the same order."""

_PUT = """
with documents as (
  select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bool[])
  as documents (origin, document_id, process_id, award_id, cancelled)
),
said as (
  select * from unnest($6::text[], $7::text[], $8::text[], $9::text[], $10::text[]) as said (id, item_key, body, origin, document_id)
),
gone as (
  delete from observatory.observations o using documents d
  where o.origin = d.origin and o.document_id = d.document_id and o.observation_id <> all($6::text[])
  returning o.item_key
),
replaced as (
  delete from observatory.observations o where o.origin = 'award' and o.award_id = any($11::text[]) returning o.item_key
),
put as (
  insert into observatory.observations (observation_id, item_key, origin, document_id, process_id, award_id, cancelled, body)
  select id, item_key, origin, document_id, process_id, award_id,
    cancelled or exists (select 1 from observatory.withdrawn w where w.document_id = d.document_id), body::jsonb
  from said join documents d using (origin, document_id)
  where origin <> 'award'
    or not exists (select 1 from observatory.observations c where c.award_id = d.award_id and c.origin = 'contract')
  order by id
  on conflict (observation_id) do update
  set item_key = excluded.item_key, award_id = excluded.award_id, cancelled = excluded.cancelled, body = excluded.body
)
select item_key from gone union select item_key from replaced
"""

_DUE = "due_at = least(i.due_at, greatest(excluded.due_at, i.rests_until)), in_bulk = excluded.in_bulk and (i.in_bulk or i.due_at is null)"
"""An item that a live price made due stays ahead of those that imports made due. An item that was just judged rests
first."""

_ITEMS = f"""
insert into observatory.items as i
  (item_key, sku_id, title, words, category_scheme, category_code, category_title, currency, due_at, in_bulk)
select *, $9, $10 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
on conflict (item_key) do update set
  {_DUE},
  currency = case when i.currency = '' then excluded.currency else i.currency end,
  words = case when i.title = '' then excluded.words else i.words end,
  title = case when i.title = '' then excluded.title else i.title end
"""


async def put_all(tx: Transaction, seen: Sequence[Seen], due_at: datetime, *, in_bulk: bool = False) -> None:
    """Store the prices of these documents instead of their former prices; their items become due, with ``in_bulk``
    behind all others.

    If a document occurs twice, the later one holds. A contract's prices replace those of its award.
    """
    last = {(one.origin, one.document_id): one for one in seen}
    contracted = {
        one.award_id for one in last.values() if one.award_id and one.origin is Origin.CONTRACT and one.observations
    }
    documents = [
        (one.origin, one.document_id, one.process_id, one.award_id, any(each.cancelled for each in one.observations))
        for one in last.values()
    ]
    said = [
        (
            each.observation_id,
            each.item_key,
            body(msgspec.structs.replace(each, cancelled=False), always=COUNTED_BY).decode(),
            one.origin,
            one.document_id,
        )
        for one in last.values()
        if one.origin is not Origin.AWARD or one.award_id not in contracted
        for each in one.observations
    ]
    if not documents:
        return
    db = await tx.raw()
    await db.execute(_LOCK, *columns((origin, document) for origin, document in sorted(last)), sorted(contracted))
    gone = await db.fetch(
        _PUT, *columns(sorted(documents)), *(columns(sorted(said)) if said else [[]] * 5), sorted(contracted)
    )
    # Written and due items are locked together, because two ordered steps after each other would not give one order.
    keys = {item.item_key for one in seen for item in one.items}.union(row["item_key"] for row in gone)
    await db.execute(
        "select from observatory.items where item_key = any($1::text[]) order by item_key for update", sorted(keys)
    )
    await _put_items(tx, [item for one in seen for item in one.items], due_at, in_bulk)
    await _fall_due(tx, [row["item_key"] for row in gone], due_at, in_bulk)


async def _put_items(tx: Transaction, items: Iterable[Item], due_at: datetime, in_bulk: bool) -> None:
    """Store items. The first value of a field stays; missing fields are added."""
    merged: dict[str, Item] = {}
    for item in items:
        known = merged.setdefault(item.item_key, item)
        if known is not item and not (known.title and known.currency):
            merged[item.item_key] = msgspec.structs.replace(
                known, title=known.title or item.title, currency=known.currency or item.currency
            )
    if not merged:
        return
    none = Category(code="", scheme="")
    rows = [
        (
            key,
            item.sku_id,
            item.title,
            _words(item),
            (item.category or none).scheme,
            (item.category or none).code,
            (item.category or none).title,
            item.currency,
        )
        for key, item in sorted(merged.items())
    ]
    await (await tx.raw()).execute(_ITEMS, *columns(rows), due_at, in_bulk)


async def put_skus(tx: Transaction, items: Sequence[Item], due_at: datetime) -> None:
    """Store SKUs. The data of the catalogue replace those of contract lines, and later data replace earlier data. Prices per pack may now
    mean another unit, so items with prices become due."""
    last = {item.item_key: item for item in items}
    rows = [
        (
            key,
            item.title,
            _words(item),
            item.category.scheme if item.category else "",
            item.category.code if item.category else "",
            item.category.title if item.category else "",
            item.unit,
            item.pack_size,
        )
        for key, item in sorted(last.items())
    ]
    await (await tx.raw()).execute(
        "insert into observatory.items as i (item_key, sku_id, title, words, category_scheme, category_code,"
        " category_title, currency, unit, pack_size)"
        " select key, key, title, words, scheme, code, category, '', unit, pack_size from unnest($1::text[], $2::text[],"
        " $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::numeric[])"
        " as told (key, title, words, scheme, code, category, unit, pack_size)"
        " on conflict (item_key) do update set title = excluded.title, words = excluded.words,"
        " category_scheme = excluded.category_scheme, category_code = excluded.category_code,"
        " category_title = excluded.category_title, unit = excluded.unit, pack_size = excluded.pack_size,"
        " due_at = case when i.observations > 0 or i.due_at is not null then least(i.due_at, greatest($9, i.rests_until)) end,"
        " in_bulk = false",
        *columns(rows),
        due_at,
    )


async def link_contracts(tx: Transaction, contracts: Mapping[str, str]) -> None:
    """Link the price of each award (key) to the contract (value). It is then removed together with the contract."""
    if contracts:
        await (await tx.raw()).execute(
            "with linked as (select o.observation_id, told.contract_id from observatory.observations o"
            " join unnest($1::text[], $2::text[]) as told (award_id, contract_id) using (award_id) where o.origin = 'award'"
            " order by o.observation_id for update of o)"
            " update observatory.observations o set contract_id = linked.contract_id from linked"
            " where o.observation_id = linked.observation_id",
            list(contracts),
            list(contracts.values()),
        )


async def withdraw(tx: Transaction, document_ids: Sequence[str], due_at: datetime, *, in_bulk: bool = False) -> None:
    """Store that these contracts ended or these offers were withdrawn: their prices stay listed but no longer count."""
    if not document_ids:
        return
    connection = await tx.raw()
    await connection.execute(
        "insert into observatory.withdrawn (document_id) select unnest($1::text[]) on conflict do nothing",
        sorted(document_ids),
    )
    rows = await connection.fetch(
        "with gone as (select observation_id from observatory.observations"
        " where (document_id = any($1::text[]) or contract_id = any($1::text[])) and not cancelled"
        " order by observation_id for update) update observatory.observations o set cancelled = true from gone"
        " where o.observation_id = gone.observation_id returning o.item_key",
        document_ids,
    )
    await _fall_due(tx, [row["item_key"] for row in rows], due_at, in_bulk)


async def _fall_due(tx: Transaction, item_keys: Iterable[str], due_at: datetime, in_bulk: bool) -> None:
    """Make items due. The rows are locked in the order of their keys, as in :func:`put_all`."""
    if keys := sorted(set(item_keys)):
        await (await tx.raw()).execute(
            "with due as (select item_key from observatory.items where item_key = any($1::text[]) order by item_key for update)"
            " update observatory.items i set due_at = least(i.due_at, greatest($2, i.rests_until)),"
            " in_bulk = $3 and (i.in_bulk or i.due_at is null)"
            " from due where i.item_key = due.item_key",
            keys,
            due_at,
            in_bulk,
        )


def _words(item: Item) -> str:
    held = item.category
    return folded(f"{item.title} {held.title} {held.code}" if held else item.title)
