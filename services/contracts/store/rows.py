"""The tables of contracts."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Index, Numeric, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from infra.database import schema_of
from infra.listing import OF_WORDS


class Row(SQLModel, registry=schema_of("contracts")):
    """Base class of all tables in this schema."""


INSTANT = DateTime(timezone=True)
AT = "coalesce(over_at, drafted_at)"
"""The time by which contracts are listed."""
WORDS = (
    "to_tsvector('simple', coalesce(drafted->>'title', '') || ' ' || coalesce(drafted->>'buyer_name', '')"
    " || ' ' || coalesce(drafted->>'supplier_name', ''))"
)
LATEST = (text(f"{AT} desc"), "contract_id")


class DealRow(Row, table=True):
    """``state`` is the domain's deal. ``due_at`` is the end of the running step. ``auction_id`` says where the ranking
    comes from, if there is one."""

    __tablename__ = "deals"
    __table_args__ = (Index("ix_deals_due", "due_at", postgresql_where=text("due_at is not null")),)

    process_id: str = Field(primary_key=True, sa_type=Text)
    buyer_id: str = Field(primary_key=True, sa_type=Text)
    auction_id: str | None = Field(default=None, sa_type=Text)
    due_at: datetime | None = Field(default=None, sa_type=INSTANT)
    state: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    version: int = Field(default=1, sa_type=BigInteger)


class ContractRow(Row, table=True):
    """What was drafted, and what became of it. ``waits_for`` is the organisation whose turn it is, or "". ``drafted``
    and ``ended`` are the events. ``steps`` are the steps taken, with the member and the time. ``paper`` has the drafts,
    protocols and extensions."""

    __tablename__ = "contracts"
    __table_args__ = (
        Index(None, "process_id", "buyer_id", "rank"),
        Index("ix_contracts_over", "over_at", postgresql_where=text("state = 'concluded'")),
        Index("ix_contracts_waiting", "waits_for", postgresql_where=text("waits_for <> ''")),
        Index(
            "ix_contracts_turn",
            "waits_for",
            "due_at",
            "drafted_at",
            "contract_id",
            postgresql_where=text("waits_for <> ''"),
        ),
        Index("ix_contracts_latest", "state", *LATEST),
        Index("ix_contracts_of_buyer", "buyer_id", "state", *LATEST),
        Index("ix_contracts_of_supplier", "supplier_id", "state", *LATEST),
        Index("ix_contracts_words", text(WORDS), **OF_WORDS),
    )

    contract_id: str = Field(primary_key=True, sa_type=Text)
    process_id: str = Field(sa_type=Text)
    buyer_id: str = Field(sa_type=Text, index=True)
    supplier_id: str = Field(sa_type=Text, index=True)
    rank: int
    state: str = Field(sa_type=Text)
    waits_for: str = Field(sa_type=Text)
    step: str | None = Field(default=None, sa_type=Text)
    due_at: datetime | None = Field(default=None, sa_type=INSTANT)
    drafted_at: datetime = Field(sa_type=INSTANT)
    over_at: datetime | None = Field(default=None, sa_type=INSTANT)
    next_rank: int | None = None
    drafted: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    steps: list[Any] = Field(sa_column=Column(JSONB, nullable=False))
    paper: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False, server_default=text("'{}'")))
    ended: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))


class PurchaseRequestRow(Row, table=True):
    """A request for a direct purchase that waits for its supplier; ``body`` is the event."""

    __tablename__ = "purchase_requests"
    __table_args__ = (
        Index(None, "buyer_id", "due_at", "process_id"),
        Index(None, "supplier_id", "due_at", "process_id"),
    )

    process_id: str = Field(primary_key=True, sa_type=Text)
    buyer_id: str = Field(sa_type=Text)
    supplier_id: str = Field(sa_type=Text)
    due_at: datetime = Field(sa_type=INSTANT)
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class PurchaseAnsweredRow(Row, table=True):
    """A request for a direct purchase that no longer waits. The row stays for some time, so that late events about the
    request change nothing."""

    __tablename__ = "purchases_answered"

    process_id: str = Field(primary_key=True, sa_type=Text)
    told_at: datetime = Field(sa_type=INSTANT, sa_column_kwargs={"server_default": text("now()")})


class CarriedOutRow(Row, table=True):
    """A contract that is closed or terminated (``status``)."""

    __tablename__ = "carried_out"

    contract_id: str = Field(primary_key=True, sa_type=Text)
    status: str = Field(sa_type=Text)


class AuctionRow(Row, table=True):
    """``body`` is the opening. Its initial lines determine each line's share of another bidder's price. Once the
    auction is ``closed``, every bid is disclosed."""

    __tablename__ = "auctions"

    auction_id: str = Field(primary_key=True, sa_type=Text)
    closed: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class BidRow(Row, table=True):
    """The last bid of each bidder, disclosed after the close. ``lines`` are those of a quote, in which each line has
    its own price. ``auction_id`` is the auction or the quote request."""

    __tablename__ = "bids"

    auction_id: str = Field(primary_key=True, sa_type=Text)
    supplier_id: str = Field(primary_key=True, sa_type=Text)
    rank: int
    amount: Decimal = Field(sa_type=Numeric)
    lines: list[Any] | None = Field(default=None, sa_column=Column(JSONB))


class PoolRow(Row, table=True):
    __tablename__ = "pools"

    pool_id: str = Field(primary_key=True, sa_type=Text)
    policy: str = Field(sa_type=Text)
