"""Rows of quick quotes: the state of each request, sealed quotes in it, and every version there was of a quote."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Index, Text, text, update
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlmodel import Field, SQLModel, select

from infra.database import Transaction, not_among, schema_of
from infra.listing import OF_WORDS
from infra.reading import Unreadable, read_one, readable
from infra.replicas import Organisations, ReferencePrices, Skus
from services.quotes.domain.request import Quote, Request


class Row(SQLModel, registry=schema_of("quotes")):
    """Of this schema."""


INSTANT = DateTime(timezone=True)

organisations = Organisations(Row.metadata)
skus = Skus(Row.metadata)
references = ReferencePrices(Row.metadata)


class RequestRow(Row, table=True):
    """``state`` is the domain's request; ``due_at`` when the timer looks at it next; ``contract`` what the choice led to."""

    __tablename__ = "quote_requests"
    __table_args__ = (
        Index("ix_quote_requests_due", "due_at", postgresql_where=text("due_at is not null")),
        Index("ix_quote_requests_latest", text("closes_at desc"), "request_id"),
        Index("ix_quote_requests_of_buyer", "buyer_id", text("closes_at desc"), "request_id"),
        Index("ix_quote_requests_in_region", "region", text("closes_at desc"), "request_id"),
        Index("ix_quote_requests_in_country", "country", text("closes_at desc"), "request_id"),
        Index("ix_quote_requests_category", text("category text_pattern_ops")),
        Index("ix_quote_requests_words", text("to_tsvector('simple', title)"), **OF_WORDS),
    )

    request_id: str = Field(primary_key=True, sa_type=Text)
    stage: str = Field(sa_type=Text, index=True)
    buyer_id: str = Field(sa_type=Text, index=True)
    title: str = Field(sa_type=Text)
    category: str = Field(sa_type=Text)
    country: str = Field(sa_type=Text)
    region: str = Field(sa_type=Text)
    opened_at: datetime = Field(sa_type=INSTANT)
    closes_at: datetime = Field(sa_type=INSTANT, index=True)
    due_at: datetime | None = Field(default=None, sa_type=INSTANT)
    state: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    contract: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    version: int = Field(default=0, sa_type=BigInteger)


class VersionRow(Row, table=True):
    """Never changed: what a quote said from ``at`` on, until the next version. ``body`` is the domain's quote."""

    __tablename__ = "versions"

    request_id: str = Field(primary_key=True, sa_type=Text, foreign_key="quotes.quote_requests.request_id")
    supplier_id: str = Field(primary_key=True, sa_type=Text)
    version: int = Field(primary_key=True)
    at: datetime = Field(sa_type=INSTANT)
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """The latest contract that the choice led to; ``state`` is drafted, concluded or ended."""

    contract_id: str
    supplier_id: str
    supplier_name: str
    state: str


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A request at a version; 0: not stored yet."""

    request: Request
    contract: Contract | None = None
    version: int = 0


async def load(tx: Transaction, request_id: str, *, lock: bool = False) -> Kept | None:
    """As it stands, even if this transaction read and changed it before."""
    query = select(RequestRow).where(RequestRow.request_id == request_id).execution_options(populate_existing=True)
    row = (await tx.session.exec(query.with_for_update() if lock else query)).one_or_none()
    return read_one("quote request", row.request_id, _kept, row) if row else None


async def save(tx: Transaction, kept: Kept, due_at: datetime | None, sealed: list[Quote]) -> None:
    """The state, and the versions of quotes that are new in it. ``kept`` is locked, of the version that was loaded."""
    opened = kept.request.opened
    values = {
        "request_id": opened.request_id,
        "stage": kept.request.stage.value,
        "buyer_id": opened.buyer_id,
        "title": opened.title,
        "category": opened.category.code,
        "country": opened.place.country or "",
        "region": opened.place.region or "",
        "opened_at": opened.opened_at,
        "closes_at": opened.closes_at,
        "due_at": due_at,
        "state": msgspec.to_builtins(kept.request),
        "version": kept.version + 1,
    }
    statement = insert(RequestRow).values(values)
    await tx.session.exec(statement.on_conflict_do_update(index_elements=["request_id"], set_=values))
    for quote in sealed:
        tx.session.add(
            VersionRow(
                request_id=opened.request_id,
                supplier_id=quote.supplier_id,
                version=quote.version,
                at=quote.arrived_at,
                body=msgspec.to_builtins(quote),
            )
        )


async def set_contract(tx: Transaction, request_id: str, contract: Contract) -> None:
    """The version counts on, so that live pages see it."""
    await tx.session.exec(
        update(RequestRow)
        .where(RequestRow.request_id == request_id)
        .values(contract=msgspec.to_builtins(contract), version=RequestRow.version + 1)
    )


async def lock_due(tx: Transaction, limit: int, but: Sequence[str] = ()) -> list[Kept | Unreadable[str]]:
    """Requests whose time has come, locked; those another process holds are passed over."""
    query = (
        select(RequestRow)
        .where(RequestRow.due_at <= tx.now, not_among(RequestRow.request_id, but))
        .order_by(RequestRow.due_at)
        .limit(limit)
    )
    rows = await tx.session.exec(query.with_for_update(skip_locked=True))
    return readable(rows, lambda row: row.request_id, _kept)


def _kept(row: RequestRow) -> Kept:
    return Kept(
        request=msgspec.convert(row.state, Request),
        contract=msgspec.convert(row.contract, Contract) if row.contract else None,
        version=row.version,
    )
