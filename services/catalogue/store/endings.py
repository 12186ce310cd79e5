"""Ends offers: those with given ids, or all of a supplier or SKU, which may be very many. It does not need to read
their content. SQL is written by hand here for lists and aggregates."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import msgspec
from sqlalchemy import DateTime, Text, delete
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Field, col

from infra.database import Transaction
from infra.reading import UnreadableKey, readable
from services.catalogue.store import Row


class EndingRow(Row, table=True):
    """See :class:`EndingOffers`."""

    __tablename__ = "endings"

    of: str = Field(primary_key=True, sa_type=Text)
    subject: str = Field(primary_key=True, sa_type=Text)
    reason: str = Field(sa_type=Text)
    began_at: datetime = Field(sa_type=DateTime(timezone=True))


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """An offer that was current until now."""

    offer_id: str
    sku_id: str
    supplier_id: str


class EndingOffers(msgspec.Struct, frozen=True, kw_only=True):
    """All offers of the supplier, or on the SKU, with the id ``subject`` are being ended for one ``reason``, portion by
    portion. No new one can be published meanwhile."""

    of: Literal["sku", "supplier"]
    subject: str
    reason: str


async def end_offers(tx: Transaction, offer_ids: Sequence[str], reason: str) -> list[Ended]:
    """End these offers. Return those that were current."""
    return await _end(tx, "offer_id = any($3::text[])", offer_ids, reason, len(offer_ids))


async def end_some(tx: Transaction, ending: EndingOffers, most: int) -> list[Ended]:
    """End the next portion of offers, whichever release wrote them."""
    return await _end(tx, f"{ending.of}_id = $3", ending.subject, ending.reason, most)


async def _end(tx: Transaction, which: str, value: object, reason: str, most: int) -> list[Ended]:
    """End offers. They are locked in the order of ids, so that two transactions cannot deadlock."""
    rows = await (await tx.raw()).fetch(
        "with ending as (select offer_id from catalogue.offers"
        f" where {which} and ended is null order by offer_id limit $4 for update)"
        " update catalogue.offers o set ended = $1, ended_at = $2 from ending where o.offer_id = ending.offer_id"
        " returning o.offer_id, o.sku_id, o.supplier_id",
        reason,
        tx.now,
        value,
        most,
    )
    return sorted((Ended(**row) for row in rows), key=lambda each: each.offer_id)


async def note_ending(tx: Transaction, ending: EndingOffers) -> None:
    """Store that there are more offers to end. A repeat changes nothing."""
    values = {**msgspec.structs.asdict(ending), "began_at": tx.now}
    await tx.session.exec(insert(EndingRow).values(values).on_conflict_do_nothing())


async def lock_endings(
    tx: Transaction, limit: int, but: Sequence[tuple[str, str]] = ()
) -> list[EndingOffers | UnreadableKey[tuple[str, str]]]:
    """Lock and return the oldest endings; those that another process has locked are skipped. ``but``: ``of`` and
    subject."""
    rows = await (await tx.raw()).fetch(
        "select of, subject, reason from catalogue.endings"
        " where (of, subject) not in (select * from unnest($1::text[], $2::text[]))"
        " order by began_at limit $3 for update skip locked",
        [of for of, _ in but],
        [subject for _, subject in but],
        limit,
    )
    return readable(rows, lambda row: (row["of"], row["subject"]), lambda row: msgspec.convert(dict(row), EndingOffers))


async def is_ending(tx: Transaction, sku_id: str, supplier_id: str) -> bool:
    """Whether former offers on the SKU, or of the supplier, are still to be ended."""
    return bool(
        await (await tx.raw()).fetchval(
            "select exists (select from catalogue.endings where (of, subject) in (('sku', $1), ('supplier', $2)))",
            sku_id,
            supplier_id,
        )
    )


async def forget_ending(tx: Transaction, ending: EndingOffers) -> None:
    """Delete the ending, because all its offers have ended."""
    done = (col(EndingRow.of) == ending.of, col(EndingRow.subject) == ending.subject)
    await tx.session.exec(delete(EndingRow).where(*done))
