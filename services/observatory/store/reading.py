"""Items, prices and snapshots as values."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec
from sqlalchemy import func
from sqlmodel import col, select

from events.values import Category
from infra.database import Transaction
from services.observatory.domain import Observation, Reference
from services.observatory.intake import Item, folded
from services.observatory.store.rows import ItemRow, SnapshotRow


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


class Figures(msgspec.Struct, frozen=True, kw_only=True):
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


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    item: Item
    observations: int
    figures: Figures | None


_FIGURES = f"select {', '.join(Figures.__struct_fields__)} from observatory.snapshots"


async def observations(tx: Transaction, item_keys: Sequence[str]) -> dict[str, list[Observation]]:
    rows = await (await tx.raw()).fetch(
        "select item_key, body::text as body, cancelled from observatory.observations where item_key = any($1)",
        list(item_keys),
    )
    found: dict[str, list[Observation]] = defaultdict(list)
    for row in rows:
        seen = msgspec.json.decode(row["body"], type=Observation)
        if row["cancelled"]:
            seen = msgspec.structs.replace(seen, cancelled=True)
        found[row["item_key"]].append(seen)
    return found


async def snapshots(tx: Transaction, reference_ids: Sequence[str]) -> dict[str, Snapshot]:
    rows = await (await tx.raw()).fetch(
        "select reference_id, version, made_at, current, body::text as body from observatory.snapshots"
        " where reference_id = any($1)",
        list(reference_ids),
    )
    return {
        row["reference_id"]: Snapshot(
            reference_id=row["reference_id"],
            version=row["version"],
            made_at=row["made_at"],
            current=row["current"],
            reference=msgspec.json.decode(row["body"], type=Reference),
        )
        for row in rows
    }


async def card(tx: Transaction, item_key: str) -> Card | None:
    row = await tx.session.get(ItemRow, item_key)
    return card_of(row) if row else None


async def versions(tx: Transaction, item_key: str) -> list[Figures]:
    """All snapshots, newest first."""
    rows = await (await tx.raw()).fetch(f"{_FIGURES} where item_key = $1 order by version desc", item_key)
    return [Figures(**row) for row in rows]


async def find(
    tx: Transaction, words: str = "", category: str = "", grade: str = "", *, offset: int = 0, most: int = 50
) -> tuple[list[Listed], int]:
    """Items that hold all words and lie in the category (a code's beginning), and how many there are. Those with a reference come
    first, then the most observed. ``grade`` "-" are those without a reference."""
    wanted = select(ItemRow).where(ItemRow.observations > 0)
    for word in folded(words).split():
        wanted = wanted.where(col(ItemRow.words).contains(word, autoescape=True))
    if category:
        wanted = wanted.where(col(ItemRow.category_code).startswith(category, autoescape=True))
    if grade == "-":
        wanted = wanted.where(col(ItemRow.reference_id).is_(None))
    elif grade:
        standing = select(SnapshotRow.reference_id).where(SnapshotRow.grade == grade)
        wanted = wanted.where(col(ItemRow.reference_id).in_(standing))
    total = (await tx.session.exec(select(func.count()).select_from(wanted.subquery()))).one()
    first = (col(ItemRow.reference_id).is_(None), col(ItemRow.observations).desc(), col(ItemRow.item_key))
    page = wanted.order_by(*first).offset(offset).limit(most)
    rows = (await tx.session.exec(page)).all()
    standing_ids = [row.reference_id for row in rows if row.reference_id]
    figures = await (await tx.raw()).fetch(f"{_FIGURES} where reference_id = any($1)", standing_ids)
    by_id = {row["reference_id"]: Figures(**row) for row in figures}
    return [
        Listed(item=_item(row), observations=row.observations, figures=by_id.get(row.reference_id or ""))
        for row in rows
    ], total


async def categories(tx: Transaction, most: int = 40) -> list[Category]:
    """Those of the most observed items, by title."""
    rows = await (await tx.raw()).fetch(
        "select category_scheme, category_code, min(category_title) as title, sum(observations) as n from observatory.items"
        " where observations > 0 and category_code <> '' group by 1, 2 order by n desc, 2 limit $1",
        most,
    )
    found = [Category(code=row["category_code"], scheme=row["category_scheme"], title=row["title"]) for row in rows]
    return sorted(found, key=lambda category: (category.title or category.code).casefold())


def _item(row: ItemRow) -> Item:
    category = Category(code=row.category_code, scheme=row.category_scheme, title=row.category_title)
    return Item(
        item_key=row.item_key,
        sku_id=row.sku_id,
        title=row.title,
        category=category if row.category_code else None,
        currency=row.currency,
        unit=row.unit,
        pack_size=row.pack_size,
    )


def card_of(row: ItemRow) -> Card:
    return Card(
        item=_item(row),
        observations=row.observations,
        reference_id=row.reference_id,
        published=row.published,
        trouble=row.trouble,
    )
