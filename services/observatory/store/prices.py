"""What was seen: one statement writes a whole document, because an import brings tens of thousands of them."""

from collections.abc import Iterable
from datetime import datetime

import msgspec

from events.values import Category
from infra.database import Transaction
from services.observatory.intake import Item, Seen, folded

_PUT = """
with said as (select * from unnest($1::text[], $2::text[], $3::text[]) as said (id, item_key, body)),
gone as (
  delete from observatory.observations o
  where o.origin = $4 and o.document_id = $5 and o.observation_id <> all($1::text[])
     or o.origin = 'award' and $4 = 'contract' and o.award_id = $7 and cardinality($1::text[]) > 0
  returning o.item_key
),
put as (
  insert into observatory.observations (observation_id, item_key, origin, document_id, process_id, award_id, cancelled, body)
  select id, item_key, $4, $5, $6, $7, $8 or exists (select 1 from observatory.withdrawn w where w.document_id = $5), body::jsonb
  from said
  where $4 <> 'award' or not exists (select 1 from observatory.observations c where c.award_id = $7 and c.origin = 'contract')
  on conflict (observation_id) do update
  set item_key = excluded.item_key, award_id = excluded.award_id, cancelled = excluded.cancelled, body = excluded.body
)
select item_key from gone
"""

_ITEMS = """
insert into observatory.items as i
  (item_key, sku_id, title, words, category_scheme, category_code, category_title, currency, due_at)
select *, $9 from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[])
on conflict (item_key) do update set
  due_at = least(i.due_at, excluded.due_at),
  currency = case when i.currency = '' then excluded.currency else i.currency end,
  words = case when i.title = '' then excluded.words else i.words end,
  title = case when i.title = '' then excluded.title else i.title end
"""


async def put(tx: Transaction, seen: Seen, due_at: datetime) -> None:
    """Keep the prices of one document in place of what it said before; their items fall due."""
    connection = await tx.raw()
    gone = await connection.fetch(
        _PUT,
        [one.observation_id for one in seen.observations],
        [one.item_key for one in seen.observations],
        [msgspec.json.encode(msgspec.structs.replace(one, cancelled=False)).decode() for one in seen.observations],
        seen.origin,
        seen.document_id,
        seen.process_id,
        seen.award_id,
        any(one.cancelled for one in seen.observations),
    )
    if seen.items:
        held = [item.category or Category(code="", scheme="") for item in seen.items]
        await connection.execute(
            _ITEMS,
            [item.item_key for item in seen.items],
            [item.sku_id for item in seen.items],
            [item.title for item in seen.items],
            [_words(item) for item in seen.items],
            [category.scheme for category in held],
            [category.code for category in held],
            [category.title for category in held],
            [item.currency for item in seen.items],
            due_at,
        )
    if gone:
        await _fall_due(tx, [row["item_key"] for row in gone], due_at)


async def put_sku(tx: Transaction, item: Item, due_at: datetime) -> None:
    """What the catalogue says of a SKU goes before what a contract line called it."""
    assert item.category is not None
    await (await tx.raw()).execute(
        "insert into observatory.items as i (item_key, sku_id, title, words, category_scheme, category_code,"
        " category_title, currency, unit, pack_size, due_at) values ($1, $1, $2, $3, $4, $5, $6, '', $7, $8, $9)"
        " on conflict (item_key) do update set title = excluded.title, words = excluded.words,"
        " category_scheme = excluded.category_scheme, category_code = excluded.category_code,"
        " category_title = excluded.category_title, unit = excluded.unit, pack_size = excluded.pack_size,"
        " due_at = least(i.due_at, excluded.due_at)",
        item.item_key,
        item.title,
        _words(item),
        item.category.scheme,
        item.category.code,
        item.category.title,
        item.unit,
        item.pack_size,
        due_at,
    )


async def link_contract(tx: Transaction, award_id: str, contract_id: str) -> None:
    """The award's price is that contract's from now on: it goes when the contract does."""
    await (await tx.raw()).execute(
        "update observatory.observations set contract_id = $2 where award_id = $1 and origin = 'award'",
        award_id,
        contract_id,
    )


async def withdraw(tx: Transaction, document_id: str, due_at: datetime) -> None:
    """A contract ended or an offer was taken back: its prices stay listed and count no more."""
    connection = await tx.raw()
    await connection.execute(
        "insert into observatory.withdrawn (document_id) values ($1) on conflict do nothing", document_id
    )
    rows = await connection.fetch(
        "update observatory.observations set cancelled = true"
        " where (document_id = $1 or contract_id = $1) and not cancelled returning item_key",
        document_id,
    )
    if rows:
        await _fall_due(tx, [row["item_key"] for row in rows], due_at)


async def _fall_due(tx: Transaction, item_keys: Iterable[str], due_at: datetime) -> None:
    await (await tx.raw()).execute(
        "update observatory.items set due_at = least(due_at, $2) where item_key = any($1)",
        sorted(set(item_keys)),
        due_at,
    )


def _words(item: Item) -> str:
    held = item.category
    return folded(f"{item.title} {held.title} {held.code}" if held else item.title)
