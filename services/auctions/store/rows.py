"""The tables of auctions."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, LargeBinary, Numeric, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from infra.database import schema_rows

Row = schema_rows("auctions")
INSTANT = DateTime(timezone=True)


class AuctionRow(Row, table=True):
    """``opened`` (the event) and ``policy`` never change; price to ``closed`` are the state, ``version`` counts its writes.

    ``settles_at`` is the effective end plus the settle window: from then on the row is due to be closed.
    """

    __tablename__ = "auctions"
    __table_args__ = (
        Index("ix_auctions_due", "settles_at", postgresql_where=text("result is null")),
        Index("ix_auctions_closes_at", "closes_at"),
    )

    auction_id: str = Field(primary_key=True, sa_type=Text)
    buyer_id: str = Field(sa_type=Text, index=True)
    pool_id: str | None = Field(default=None, sa_type=Text)
    title: str = Field(sa_type=Text)
    category: str = Field(sa_type=Text)
    country: str = Field(sa_type=Text)
    region: str = Field(sa_type=Text)
    opens_at: datetime = Field(sa_type=INSTANT)
    opened: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    policy: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    price: Decimal = Field(sa_type=Numeric)
    closes_at: datetime = Field(sa_type=INSTANT)
    settles_at: datetime = Field(sa_type=INSTANT)
    leader_id: str | None = Field(default=None, sa_type=Text)
    sequence: int = 0
    participants: dict[str, int] = Field(sa_column=Column(JSONB, nullable=False))
    verdicts: int = 0
    result: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    version: int = Field(default=0, sa_type=BigInteger)


class BidRow(Row, table=True):
    """A bid and its verdict; ``verdict`` is the public event as JSON, ``sequence`` is null where it was refused."""

    __tablename__ = "bids"
    __table_args__ = (
        Index("uq_bids_request", "auction_id", "supplier_id", "request_key", unique=True),
        Index(None, "auction_id", "position"),
        Index("ix_bids_extended", "auction_id", "sequence", postgresql_where=text("extended")),
        Index("uq_bids_sequence", "auction_id", "sequence", unique=True, postgresql_where=text("sequence is not null")),
    )

    position: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    bid_id: str = Field(sa_type=Text)
    auction_id: str = Field(sa_type=Text, foreign_key="auctions.auctions.auction_id")
    supplier_id: str = Field(sa_type=Text)
    request_key: str = Field(sa_type=Text)
    amount: Decimal = Field(sa_type=Numeric)
    arrived_at: datetime = Field(sa_type=INSTANT)
    standing: str = Field(sa_type=Text)
    sequence: int | None = None
    extended: bool = False
    verdict: bytes = Field(sa_type=LargeBinary)
