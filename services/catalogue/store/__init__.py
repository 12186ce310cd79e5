"""Rows of the catalogue: versions of SKUs, offers, baskets, copies of organisations and reference prices, and changes
for the search. SQL is written by hand here for lists, JSON and aggregates."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, Date, DateTime, Index, Numeric, Text, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, distinct_on, insert
from sqlmodel import Field, SQLModel, col, select

from catalogue.offers import Offer
from catalogue.skus import Sku, SkuState
from infra.database import Transaction, among, not_among, schema_of
from infra.reading import UnreadableKey, listed, read_one, readable
from infra.running import Outdated
from services.market.replicas import OrganisationReplicas, ReferencePrices


class Row(SQLModel, registry=schema_of("catalogue")):
    """Base of the rows of this schema."""


organisations = OrganisationReplicas(Row.metadata)
references = ReferencePrices(Row.metadata)


class SkuRow(Row, table=True):
    """One version of a SKU. At most one version of a SKU is published, and at most one awaits moderation."""

    __tablename__ = "skus"
    __table_args__ = (
        Index("uq_skus_published", "sku_id", unique=True, postgresql_where=text("state = 'published'")),
        Index("uq_skus_moderation", "sku_id", unique=True, postgresql_where=text("state = 'moderation'")),
        Index("ix_skus_in_turn", "decide_by", "sku_id", postgresql_where=text("state = 'moderation'")),
        Index("ix_skus_awaiting_of", "proposed_by", postgresql_where=text("state = 'moderation'")),
        Index("ix_skus_awaiting_in", "category", "decide_by", "sku_id", postgresql_where=text("state = 'moderation'")),
        Index(
            "ix_skus_proposals",
            "proposed_by",
            text("proposed_at desc"),
            postgresql_where=text("state in ('moderation', 'returned')"),
        ),
    )

    sku_id: str = Field(primary_key=True, sa_type=Text)
    version: int = Field(primary_key=True)
    state: str = Field(sa_type=Text)
    category: str = Field(sa_type=Text, index=True)
    proposed_by: str = Field(sa_type=Text, index=True)
    proposer_name: str = Field(sa_type=Text)
    proposed_at: datetime = Field(sa_type=DateTime(timezone=True))
    decide_by: datetime = Field(sa_type=DateTime(timezone=True))
    reasons: list[str] = Field(default_factory=list, sa_column=Column(ARRAY(Text), nullable=False))
    card: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class OfferRow(Row, table=True):
    """``ended`` says why an offer is archived; None while it stands."""

    __tablename__ = "offers"
    __table_args__ = (
        Index("ix_offers_on_sku", "sku_id", "offer_id", postgresql_where=text("ended is null")),
        Index("ix_offers_own", "supplier_id", "sku_id", postgresql_where=text("ended is null")),
        Index("ix_offers_listed", "supplier_id", text("(ended is not null)"), text("published_at desc")),
        Index("ix_offers_of_supplier", "supplier_id", "offer_id", postgresql_where=text("ended is null")),
        Index("ix_offers_of_day", "sku_id", "supplier_id", "published_at"),
        Index("ix_offers_expiring", "valid_until", postgresql_where=text("ended is null")),
    )

    offer_id: str = Field(primary_key=True, sa_type=Text)
    sku_id: str = Field(sa_type=Text)
    supplier_id: str = Field(sa_type=Text)
    supplier_name: str = Field(sa_type=Text)
    valid_until: date = Field(sa_type=Date)
    published_at: datetime = Field(sa_type=DateTime(timezone=True))
    ended: str | None = Field(default=None, sa_type=Text)
    ended_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class BasketRow(Row, table=True):
    """A SKU that a member collected; ``removed_at`` is set on lines that can still be put back."""

    __tablename__ = "basket_lines"

    member_id: str = Field(primary_key=True, sa_type=Text)
    sku_id: str = Field(primary_key=True, sa_type=Text)
    quantity: Decimal = Field(sa_type=Numeric)
    added_at: datetime = Field(sa_type=DateTime(timezone=True))
    removed_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class ChangeRow(Row, table=True):
    """The last transaction that changed what a search shows about a SKU.

    It stores transaction ids, not numbers of a sequence: numbers are committed out of order, so a reader that remembers
    the last number would miss some. See :class:`TransactionSpan`.
    """

    __tablename__ = "changes"
    __table_args__ = (Index("ix_changes_in_turn", "transaction", "sku_id"),)

    sku_id: str = Field(primary_key=True, sa_type=Text)
    transaction: int = Field(sa_type=BigInteger)


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a SKU with its state. ``decide_by`` is the deadline of moderation; ``reasons`` say why it was
    returned or archived."""

    sku: Sku
    state: SkuState
    proposed_by: str
    proposer_name: str
    proposed_at: datetime
    decide_by: datetime
    reasons: tuple[str, ...] = ()


class StandingOffer(msgspec.Struct, frozen=True, kw_only=True):
    """An offer with its supplier; ``ended`` is None while it is current, else the reason of OfferArchived."""

    offer: Offer
    supplier_name: str
    published_at: datetime
    ended: str | None = None
    ended_at: datetime | None = None


class StoredBasketLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a basket. ``quantity`` counts packs; ``removed_at`` is None while it is in."""

    sku_id: str
    quantity: Decimal
    removed_at: datetime | None = None


# SKUs


async def newest(tx: Transaction, sku_id: str, *, lock: bool = False) -> Version | None:
    """The latest version, in any state."""
    query = select(SkuRow).where(SkuRow.sku_id == sku_id).order_by(col(SkuRow.version).desc()).limit(1)
    row = (await tx.session.exec(query.with_for_update() if lock else query)).one_or_none()
    return read_one("SKU", row.sku_id, version_of, row) if row else None


async def version(tx: Transaction, sku_id: str, number: int, *, lock: bool = False) -> Version | None:
    row = await tx.session.get(SkuRow, (sku_id, number), with_for_update=lock or None)
    return read_one("SKU", row.sku_id, version_of, row) if row else None


async def published(tx: Transaction, sku_ids: Sequence[str], *, lock: bool = False) -> dict[str, Version]:
    """The published ones among these SKUs, by id. With ``lock`` they cannot be archived before this transaction ends.
    Raise UnreadableRow."""
    query = select(SkuRow).where(among(SkuRow.sku_id, sku_ids), SkuRow.state == SkuState.PUBLISHED.value)
    rows = await tx.session.exec(query.with_for_update(read=True) if lock else query)
    return {row.sku_id: read_one("SKU", row.sku_id, version_of, row) for row in rows}


async def shown(tx: Transaction, sku_ids: Sequence[str]) -> dict[str, Version]:
    """As :func:`published`, for lists on pages."""
    query = select(SkuRow).where(among(SkuRow.sku_id, sku_ids), SkuRow.state == SkuState.PUBLISHED.value)
    found = listed("SKU", await tx.session.exec(query), lambda row: row.sku_id, version_of)
    return {each.sku.sku_id: each for each in found}


async def published_after(tx: Transaction, sku_id: str, limit: int) -> tuple[list[Version], str]:
    """The next published SKUs in the order of ids, for the search, and the last of these ids; "" after the end."""
    query = select(SkuRow).where(SkuRow.sku_id > sku_id, SkuRow.state == SkuState.PUBLISHED.value)
    rows = (await tx.session.exec(query.order_by(SkuRow.sku_id).limit(limit))).all()
    return listed("SKU", rows, lambda row: row.sku_id, version_of), rows[-1].sku_id if rows else ""


async def newest_of(tx: Transaction, sku_ids: Sequence[str]) -> dict[str, Version]:
    """The latest version of each, in any state, for lists on pages."""
    found = listed("SKU", await tx.session.exec(_newest(sku_ids)), lambda row: row.sku_id, version_of)
    return {each.sku.sku_id: each for each in found}


def _newest(sku_ids: Iterable[str]) -> Any:
    """The rows of the latest version of each."""
    query = select(SkuRow).ext(distinct_on(col(SkuRow.sku_id))).where(among(SkuRow.sku_id, sku_ids))
    return query.order_by(SkuRow.sku_id, col(SkuRow.version).desc())


async def save(tx: Transaction, kept: Version, before: SkuState | None) -> None:
    """Write the row of this version. ``before`` is the state in which it was read, None if there was no row. The state
    serves as the version of the row: a card passes through its states in one direction, and a returned card, which is
    corrected in place, is locked when it is read. Raise Outdated if the row has another state."""
    values = {
        "sku_id": kept.sku.sku_id,
        "version": kept.sku.version,
        "state": kept.state.value,
        "category": kept.sku.category,
        "proposed_by": kept.proposed_by,
        "proposer_name": kept.proposer_name,
        "proposed_at": kept.proposed_at,
        "decide_by": kept.decide_by,
        "reasons": list(kept.reasons),
        "card": msgspec.to_builtins(kept.sku),
    }
    statement = insert(SkuRow).values(values)
    written = await tx.session.exec(
        statement.on_conflict_do_update(
            index_elements=["sku_id", "version"], set_=values, where=col(SkuRow.state) == (before and before.value)
        ).returning(col(SkuRow.sku_id))
    )
    if written.first() is None:
        raise Outdated(f"version {kept.sku.version} of SKU {kept.sku.sku_id} is no longer {before or 'new'}")


def version_of(row: SkuRow) -> Version:
    fields = row.model_dump(exclude={"card", "sku_id", "version", "category"})
    return Version(
        sku=msgspec.convert(row.card, Sku), **{**fields, "state": SkuState(row.state), "reasons": tuple(row.reasons)}
    )


# Offers


async def offer(tx: Transaction, offer_id: str, *, lock: bool = False) -> StandingOffer | None:
    row = await tx.session.get(OfferRow, offer_id, with_for_update=lock or None)
    return read_one("offer", row.offer_id, _standing, row) if row else None


async def offers_of(tx: Transaction, supplier_id: str, limit: int = 200) -> list[tuple[StandingOffer, Sku]]:
    """A supplier's offers with their SKUs: current ones first, then newest first."""
    query = select(OfferRow).where(OfferRow.supplier_id == supplier_id)
    rows = (
        await tx.session.exec(
            query.order_by(col(OfferRow.ended).is_not(None), col(OfferRow.published_at).desc()).limit(limit)
        )
    ).all()
    newest = await tx.session.exec(_newest({row.sku_id for row in rows}))
    cards = listed("SKU", newest, lambda row: row.sku_id, lambda row: msgspec.convert(row.card, Sku))
    skus = {card.sku_id: card for card in cards}
    return listed("offer", rows, lambda row: row.offer_id, lambda row: (_standing(row), skus[row.sku_id]))


async def lock_expired(
    tx: Transaction, today: date, limit: int, but: Sequence[str] = ()
) -> list[StandingOffer | UnreadableKey[str]]:
    """Lock and return offers whose last day is over; those that another process has locked are skipped."""
    query = (
        select(OfferRow)
        .where(col(OfferRow.ended).is_(None), OfferRow.valid_until < today, not_among(OfferRow.offer_id, but))
        .order_by(col(OfferRow.valid_until))
        .limit(limit)
    )
    rows = await tx.session.exec(query.with_for_update(skip_locked=True))
    return readable(rows, lambda row: row.offer_id, _standing)


async def newest_own(tx: Transaction, sku_id: str, supplier_id: str) -> str | None:
    """The id of the supplier's newest current offer on the SKU; None if there is none."""
    query = select(OfferRow.offer_id).where(
        OfferRow.supplier_id == supplier_id, OfferRow.sku_id == sku_id, col(OfferRow.ended).is_(None)
    )
    return (await tx.session.exec(query.order_by(col(OfferRow.published_at).desc()).limit(1))).first()


async def count_own(tx: Transaction, sku_id: str, supplier_id: str) -> tuple[int, int]:
    """How many of the supplier's offers on the SKU are current, and how many were published within a day. Other
    transactions that count them wait until this one ends."""
    await tx.lock_name(f"catalogue/offers/{supplier_id}/{sku_id}")
    db = await tx.raw()
    row = await db.fetchrow(
        "select (select count(*) from catalogue.offers where sku_id = $1 and supplier_id = $2 and ended is null) as standing,"
        " (select count(*) from catalogue.offers where sku_id = $1 and supplier_id = $2 and published_at > $3) as of_day",
        sku_id,
        supplier_id,
        tx.now - timedelta(days=1),
    )
    return row["standing"], row["of_day"]


def add_offer(tx: Transaction, made: StandingOffer) -> None:
    terms = made.offer
    tx.session.add(
        OfferRow(
            offer_id=terms.offer_id,
            sku_id=terms.sku_id,
            supplier_id=terms.supplier_id,
            supplier_name=made.supplier_name,
            valid_until=terms.valid_until,
            published_at=made.published_at,
            body=msgspec.to_builtins(terms),
        )
    )


def _standing(row: OfferRow) -> StandingOffer:
    return StandingOffer(
        offer=msgspec.convert(row.body, Offer),
        supplier_name=row.supplier_name,
        published_at=row.published_at,
        ended=row.ended,
        ended_at=row.ended_at,
    )


# Baskets


async def basket(tx: Transaction, member_id: str) -> list[StoredBasketLine]:
    """All lines of a member's basket in the order in which they were added, including removed ones."""
    query = select(BasketRow).where(BasketRow.member_id == member_id)
    query = query.order_by(col(BasketRow.added_at), col(BasketRow.sku_id))
    return [
        StoredBasketLine(sku_id=row.sku_id, quantity=row.quantity, removed_at=row.removed_at)
        for row in await tx.session.exec(query)
    ]


async def put_in_basket(tx: Transaction, member_id: str, sku_id: str, quantity: Decimal) -> None:
    """Add or change a line; a line that is already in the basket keeps its place."""
    values = {"member_id": member_id, "sku_id": sku_id, "quantity": quantity, "added_at": tx.now}
    statement = insert(BasketRow).values(values)
    changed = {"quantity": quantity, "removed_at": None}
    await tx.session.exec(statement.on_conflict_do_update(index_elements=["member_id", "sku_id"], set_=changed))


async def take_out_of_basket(tx: Transaction, member_id: str, sku_id: str) -> None:
    line = col(BasketRow.member_id) == member_id, col(BasketRow.sku_id) == sku_id, col(BasketRow.removed_at).is_(None)
    await tx.session.exec(update(BasketRow).where(*line).values(removed_at=tx.now))


async def forget_removed(tx: Transaction, member_id: str, before: datetime, most: int) -> None:
    """Delete lines that were removed before that instant, and all but the newest ``most``."""
    await (await tx.raw()).execute(
        "delete from catalogue.basket_lines where member_id = $1 and (removed_at < $2 or sku_id = any(array("
        "select sku_id from catalogue.basket_lines where member_id = $1 and removed_at is not null"
        " order by removed_at desc, sku_id offset $3)))",
        member_id,
        before,
        most,
    )


# Changes for the search


async def note_changes(tx: Transaction, sku_ids: Iterable[str]) -> None:
    """Store that these SKUs changed. They are written in order, so that two transactions cannot deadlock."""
    await (await tx.raw()).execute(
        "insert into catalogue.changes (sku_id, transaction)"
        " select sku_id, pg_current_xact_id()::text::bigint from unnest($1::text[]) as ids (sku_id)"
        " on conflict (sku_id) do update set transaction = excluded.transaction",
        sorted(set(sku_ids)),
    )


class TransactionSpan(msgspec.Struct, frozen=True):
    """Transactions from ``start`` on that began before ``end``; ``following`` is the start of the next span.

    The next span starts with the oldest transaction that is running now: all transactions that commit later are not
    below it, so nothing is missed; some changes may be read twice.
    """

    start: int
    end: int
    following: int


async def span_from(tx: Transaction, start: int) -> TransactionSpan:
    row = await (await tx.raw()).fetchrow(
        "select pg_snapshot_xmax(now)::text::bigint as end, pg_snapshot_xmin(now)::text::bigint as following"
        " from pg_current_snapshot() as now"
    )
    return TransactionSpan(start, row["end"], row["following"])


async def changed_in(
    tx: Transaction, span: TransactionSpan, after: tuple[int, str] | None, limit: int
) -> list[tuple[int, str]]:
    """The next (last transaction that changed it, SKU) after ``after``, in that order; None for the first. A SKU that
    changes again meanwhile is in a later span."""
    rows = await (await tx.raw()).fetch(
        "select transaction, sku_id from catalogue.changes"
        " where (transaction, sku_id) > ($1, $2) and transaction < $3 order by transaction, sku_id limit $4",
        *(after or (span.start, "")),
        span.end,
        limit,
    )
    return [(row["transaction"], row["sku_id"]) for row in rows]
