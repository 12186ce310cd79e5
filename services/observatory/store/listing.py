"""Lists of items, of which there are millions: the work of every search is bounded.

Items with a reference come first, then those with most observations. Indexes have this order, and another index has the
words: if few items match, they are found by words and sorted; if very many match, some are found soon when items are
read in that order. So both cases are bounded.

SQL is written by hand here for lists, arrays and aggregates.
"""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

from events.values import Category
from infra.database import Transaction
from infra.listing import COUNTED, PLAN_FOR_VALUES, as_query, count, last_page, reach
from services.observatory.intake import Item, folded
from services.observatory.store.rows import WORDS

FEW = 10_000
"""If at most this many items match words and category, all of them are read."""
WALKED = 20_000
"""If more than FEW items match, only this many first items are searched."""
OF_FIRST = 2_000
"""The number of first items whose categories are offered as a choice."""
NONE = "-"
"""The grade of items without a reference."""


class ItemFilter(msgspec.Struct, frozen=True, kw_only=True):
    """``q``: words of the title, of the category's title or its code, or their beginnings. ``category``: the beginning
    of a code. ``grade``: A, B or C, NONE, or "" for all."""

    q: str = ""
    category: str = ""
    grade: str = ""


class SnapshotFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A snapshot without its verdicts, for lists."""

    reference_id: str
    version: int
    made_at: datetime
    current: bool
    valued_on: date
    unit: str
    currency: str
    median: Decimal
    p25: Decimal
    p75: Decimal
    observations: int
    suppliers: int
    grade: str


class ListedItem(msgspec.Struct, frozen=True, kw_only=True):
    item: Item
    observations: int
    figures: SnapshotFigures | None


class Items(msgspec.Struct, frozen=True, kw_only=True):
    """A page of a list. ``total`` items match, or ``more`` than that. ``last`` is the last page; if the end of the list
    is not ``known``, the last page that can be asked for."""

    rows: list[ListedItem]
    total: int
    more: bool
    last: int
    known: bool


FIGURES = f"select {', '.join(SnapshotFigures.__struct_fields__)} from observatory.snapshots"
_ITEM = "item_key, sku_id, title, category_scheme, category_code, category_title, currency, unit, pack_size"


async def find(tx: Transaction, wanted: ItemFilter, *, offset: int = 0, most: int = 50) -> Items:
    """A page of the matching items with prices. If very many match, only the first ones are listed, and ``more`` says
    so."""
    db = await tx.raw()
    await db.execute(PLAN_FOR_VALUES)
    # every case has an index; without this the planner scans the table, because rows that do not match lie together
    await db.execute("set local enable_seqscan = off")
    keys, total, more, end = await (_search if _texts(wanted) else _leaf)(db, wanted, offset, most)
    rows = await db.fetch(
        f"select {_ITEM}, observations, reference_id from observatory.items where item_key = any($1::text[])", keys
    )
    standing = [row["reference_id"] for row in rows if row["reference_id"]]
    figures = {
        row["reference_id"]: SnapshotFigures(**row)
        for row in await db.fetch(f"{FIGURES} where reference_id = any($1::text[])", standing)
    }
    found = {
        row["item_key"]: ListedItem(
            item=item_of(row), observations=row["observations"], figures=figures.get(row["reference_id"] or "")
        )
        for row in rows
    }
    counted = min(total, COUNTED)
    return Items(
        rows=[found[key] for key in keys if key in found],
        total=counted,
        more=more or total > COUNTED,
        last=last_page(end, most),
        known=end is not None,
    )


async def _leaf(db: Any, wanted: ItemFilter, offset: int, most: int) -> tuple[list[str], int, bool, int | None]:
    """(keys of the page, number of matches or a number above COUNTED, whether there are more, number of listed items or
    None if unknown)."""
    condition, order, values = _standing(wanted.grade)
    # Counting also uses the order: without it the database may scan another index with all items that do not match.
    rows = f"select item_key from observatory.items where {condition} order by {order}"
    keys = await db.fetch(f"{rows} offset {offset} limit {most}", *values)
    far = reach(most, offset)
    total = await count(db, rows, *values, most=far)
    return [row["item_key"] for row in keys], total, False, total if total <= far else None


async def _search(db: Any, wanted: ItemFilter, offset: int, most: int) -> tuple[list[str], int, bool, int | None]:
    """As :func:`_leaf`, for a search. The ``total`` is exact, or that of the items that were read."""
    texts, values = _fitting(wanted)
    fitting = f"select item_key from observatory.listed where {texts}"
    fit = await count(db, fitting, *values, most=FEW)
    if fit > FEW and (found := await _walk(db, wanted, offset, most)):
        keys, total, all_of_them = found
        return keys, total, not all_of_them, total
    condition, order, graded = _standing(wanted.grade, len(values) + 1)
    rows = f"select item_key from observatory.items where item_key = any(array({fitting} limit {FEW})) and {condition}"
    total = await db.fetchval(f"select count(*) from ({rows}) as fit", *values, *graded)
    page = await db.fetch(f"{rows} order by {order} offset {offset} limit {most}", *values, *graded)
    return [row["item_key"] for row in page], total, fit > FEW, total


async def _walk(db: Any, wanted: ItemFilter, offset: int, most: int) -> tuple[list[str], int, bool] | None:
    """(keys of the page, number of matches, whether these are all) among the first WALKED items; None if none
    matches."""
    condition, order, graded = _standing(wanted.grade)
    first = (
        "select item_key, words, category_code, row_number() over () as place from ("
        f"select item_key, words, category_code from observatory.items where {condition} order by {order} limit {WALKED}) as inorder"
    )
    start = len(graded) + 1
    row = await db.fetchrow(
        f"with first as materialized ({first}), fit as (select item_key, place from first"
        f" where starts_with(category_code, ${start}) and not exists (select from unnest(${start + 1}::text[]) as word"
        " where strpos(' ' || words || ' ', word) = 0))"
        " select (select count(*) from first) as walked, (select count(*) from fit) as fit,"
        f" array(select item_key from fit order by place offset {offset} limit {most}) as keys",
        *graded,
        wanted.category,
        [f" {word}" if len(word) > 1 else f" {word} " for word in folded(wanted.q).split()],
    )
    return (row["keys"], row["fit"], row["walked"] < WALKED) if row["fit"] else None


def _texts(wanted: ItemFilter) -> bool:
    return bool(wanted.category or folded(wanted.q))


def _standing(grade: str, place: int = 1) -> tuple[str, str, list[object]]:
    """(condition, order, values) of the list of a grade; each has an index."""
    if grade == NONE:
        return "observations > 0 and reference_id is null", "observations desc, item_key", []
    if grade:
        return f"observations > 0 and grade = ${place}", "observations desc, item_key", [grade]
    return "observations > 0", "reference_id is null, observations desc, item_key", []


def _fitting(wanted: ItemFilter) -> tuple[str, list[object]]:
    """The condition on words and category, and its values. The words of an item include its category's code, so a
    search with words looks there for the beginning of the code too, because one index is faster than two."""
    words, code = folded(wanted.q), folded(wanted.category)
    if not words:
        return "starts_with(category_code, $1)", [wanted.category]
    asked = f"{words} {code}" if len(code.rpartition(" ")[2]) > 1 else words
    condition, values = f"{WORDS} @@ to_tsquery('simple', $1)", [as_query(asked)]
    if wanted.category:
        condition += " and starts_with(category_code, $2)"
        values.append(wanted.category)
    return condition, list(values)


async def is_category(tx: Transaction, code: str) -> bool:
    """Whether the category code of an item with prices begins with ``code``."""
    query = "select exists (select from observatory.listed where starts_with(category_code, $1))"
    db = await tx.raw()
    await db.execute(PLAN_FOR_VALUES)
    return bool(code) and bool(await db.fetchval(query, code))


async def categories(tx: Transaction, most: int = 40) -> list[Category]:
    """The categories with most prices among the first items, by title."""
    rows = await (await tx.raw()).fetch(
        "select category_scheme, category_code, min(category_title) as category_title, sum(observations) as n from ("
        " select category_scheme, category_code, category_title, observations from observatory.items where observations > 0"
        " order by reference_id is null, observations desc, item_key limit $2) as first"
        " where category_code <> '' group by 1, 2 order by n desc, 2 limit $1",
        most,
        OF_FIRST,
    )
    found = [Category(code=row[1], scheme=row[0], title=row[2]) for row in rows]
    return sorted(found, key=lambda category: (category.title or category.code).casefold())


def item_of(row: asyncpg.Record) -> Item:
    category = Category(code=row["category_code"], scheme=row["category_scheme"], title=row["category_title"])
    return Item(
        item_key=row["item_key"],
        sku_id=row["sku_id"],
        title=row["title"],
        category=category if row["category_code"] else None,
        currency=row["currency"],
        unit=row["unit"],
        pack_size=row["pack_size"],
    )
