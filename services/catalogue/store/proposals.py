"""Cards that await moderation or were returned: the moderators' queue, and the cards with which a new proposal is
compared. SQL is written by hand here for lists and aggregates."""

from collections.abc import Sequence

import msgspec
from msgspec.structs import replace
from sqlmodel import col, select

from catalogue.skus import MOST_CHARACTERS, Sku, SkuState
from infra.database import Transaction
from infra.listing import Listed, count, reach
from infra.reading import listed
from services.catalogue.store import SkuRow, Version, version_of

MOST_COMPARED = 100
"""The most waiting cards of one category with which a proposal is compared; the most urgent ones are chosen."""
HEAVIEST_COMPARED = 128 * 1024
"""Cards that take more bytes in the database are not compared, because reading them would slow down each proposal. This
release accepts only smaller ones; larger ones were stored before there were limits."""
SHORT = 150
"""The most characters of each text that a list shows of a card above the size limit."""


async def queue(tx: Transaction, *, limit: int, offset: int) -> Listed[Version]:
    """One page of :func:`awaiting`."""
    most = reach(limit, offset)
    total = await count(await tx.raw(), "select from catalogue.skus where state = 'moderation'", most=most)
    return Listed.of(await awaiting(tx, limit=limit, offset=offset), total, most)


async def awaiting(tx: Transaction, *, limit: int, offset: int = 0) -> list[Version]:
    """A part of the moderation queue, most urgent first. The texts of cards with more than MOST_CHARACTERS, which a former
    release accepted, are cut, so that the answer is bounded."""
    query = (
        select(SkuRow)
        .where(SkuRow.state == SkuState.MODERATION.value)
        .order_by(col(SkuRow.decide_by), col(SkuRow.sku_id))
    )
    rows = await tx.session.exec(query.limit(limit).offset(offset))
    found = listed("SKU", rows, lambda row: row.sku_id, version_of)
    return [replace(each, sku=_cut(each.sku)) if each.sku.length > MOST_CHARACTERS else each for each in found]


async def count_own_awaiting(tx: Transaction, organisation_id: str) -> int:
    """How many cards of the organisation await moderation. Other transactions that count them wait until this one
    ends."""
    await tx.lock_name(f"catalogue/proposals/{organisation_id}")
    db = await tx.raw()
    return int(
        await db.fetchval(
            "select count(*) from catalogue.skus where proposed_by = $1 and state = 'moderation'", organisation_id
        )
    )


async def proposals_of(tx: Transaction, organisation_id: str, limit: int = 50) -> list[Version]:
    """Unpublished proposals of an organisation, newest first."""
    open_states = [SkuState.MODERATION.value, SkuState.RETURNED.value]
    query = select(SkuRow).where(SkuRow.proposed_by == organisation_id, col(SkuRow.state).in_(open_states))
    rows = await tx.session.exec(query.order_by(col(SkuRow.proposed_at).desc()).limit(limit))
    return listed("SKU", rows, lambda row: row.sku_id, version_of)


async def comparable(tx: Transaction, sku_ids: Sequence[str], category: str) -> list[tuple[str, str]]:
    """(id, card in JSON) of the published ones among these SKUs, and of the first MOST_COMPARED cards that await
    moderation in the category. The category is queried as a range, so that the index of categories gives the order: in
    the order of the queue, cards of a rare category are far apart."""
    rows = await (await tx.raw()).fetch(
        "select sku_id, card::text as card from ("
        " select sku_id, card from catalogue.skus where sku_id = any($1::text[]) and state = 'published'"
        " union all (select sku_id, card from catalogue.skus where state = 'moderation' and category between $2 and $2"
        " order by category, decide_by, sku_id limit $3)) as near where pg_column_size(card) <= $4",
        list(sku_ids),
        category,
        MOST_COMPARED,
        HEAVIEST_COMPARED,
    )
    return [(row["sku_id"], row["card"]) for row in rows]


def cards_in(rows: Sequence[tuple[str, str]]) -> list[Sku]:
    """Decode the cards of :func:`comparable`, which takes some time if they are many."""
    return listed("SKU", rows, lambda row: row[0], lambda row: msgspec.json.decode(row[1], type=Sku))


def _cut(sku: Sku) -> Sku:
    def short(text: str) -> str:
        return text if len(text) <= SHORT else text[:SHORT] + "…"

    attributes = tuple(
        replace(each, name=short(each.name), value=short(each.value), unit=short(each.unit)) for each in sku.attributes
    )
    return replace(sku, name=short(sku.name), description=short(sku.description), attributes=attributes)
