"""The tables of auctions."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    SmallInteger,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from infra.database import schema_of
from infra.listing import OF_WORDS


class Row(SQLModel, registry=schema_of("auctions")):
    """Base class of all tables in this schema."""


INSTANT = DateTime(timezone=True)
CLOSED = text("result is not null")
WORDS = "to_tsvector('simple', title || ' ' || coalesce(opened->>'buyer_name', ''))"
"""The words by which lists are searched."""
WORDS_OF_TITLE = "to_tsvector('simple', coalesce(body->>'title', ''))"
"""The words by which past contracts are searched."""


class AuctionRow(Row, table=True):
    """An auction. ``opened`` (the event) and ``policy`` never change. The columns from ``price`` to ``result`` are the
    state; ``version`` counts how often the state was written.

    ``due_at`` is when something becomes due next: a cut, a turn, the close. ``course`` is the part of the state that
    only few auctions have. Each of the ``autobids`` may be shown only to its supplier. ``lines`` and ``head`` are the
    length of the auction's log and the hash of its last line. ``leaf`` is the place of the closed auction in the
    market's log.
    """

    __tablename__ = "auctions"
    __table_args__ = (
        Index("ix_auctions_due", "due_at", postgresql_where=text("result is null")),
        Index("ix_auctions_closes_at", "closes_at"),
        Index("ix_auctions_running", "closes_at", "auction_id", postgresql_where=text("result is null")),
        Index("ix_auctions_open_of_buyer", "buyer_id", postgresql_where=text("result is null")),
        Index("ix_auctions_over", text("closes_at desc"), "auction_id", postgresql_where=CLOSED),
        Index("ix_auctions_over_of_buyer", "buyer_id", text("closes_at desc"), "auction_id", postgresql_where=CLOSED),
        Index("ix_auctions_over_in_region", "region", text("closes_at desc"), "auction_id", postgresql_where=CLOSED),
        Index("ix_auctions_over_in_country", "country", text("closes_at desc"), "auction_id", postgresql_where=CLOSED),
        Index("ix_auctions_over_category", text("category text_pattern_ops"), postgresql_where=CLOSED),
        Index("ix_auctions_words", text(WORDS), **OF_WORDS),
        Index("ix_auctions_not_in_log", "auction_id", postgresql_where=text("result is not null and leaf is null")),
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
    due_at: datetime | None = Field(default=None, sa_type=INSTANT)
    leader_id: str | None = Field(default=None, sa_type=Text)
    sequence: int = 0
    participants: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    course: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False, server_default="{}"))
    autobids: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False, server_default="{}"))
    lines: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    head: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False, server_default=""))
    leaf: int | None = Field(default=None, sa_type=BigInteger)
    result: dict[str, Any] | None = Field(default=None, sa_column=Column(JSONB))
    version: int = Field(default=0, sa_type=BigInteger)


class BidRow(Row, table=True):
    """A bid and its verdict. ``verdict`` is the public event as JSON; ``sequence`` is null if the bid was refused.

    ``line`` is the bid's place in the auction's log; ``previous`` is the hash of the line before. ``withheld``: the bid
    is not published yet, because its turn still runs.
    """

    __tablename__ = "bids"
    __table_args__ = (
        Index("uq_bids_request", "auction_id", "supplier_id", "request_key", unique=True),
        Index(None, "auction_id", "line"),
        Index("ix_bids_extended", "auction_id", "sequence", postgresql_where=text("extended")),
        Index("ix_bids_withheld", "auction_id", postgresql_where=text("withheld")),
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
    line: int = Field(default=0, sa_column_kwargs={"server_default": "0"})
    previous: bytes = Field(default=b"", sa_column=Column(LargeBinary, nullable=False, server_default=""))
    choices: list[int] = Field(sa_column=Column(ARRAY(Integer), nullable=False, server_default="{}"))
    automatic: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})
    withheld: bool = Field(default=False, sa_column_kwargs={"server_default": "false"})


class FactRow(Row, table=True):
    """A line of an auction's log other than a bid: the opening, a turn, an extension or the close. ``data`` is the public
    event."""

    __tablename__ = "facts"

    auction_id: str = Field(primary_key=True, sa_type=Text, foreign_key="auctions.auctions.auction_id")
    line: int = Field(primary_key=True)
    type: str = Field(sa_type=Text)
    data: bytes = Field(sa_type=LargeBinary)
    previous: bytes = Field(sa_type=LargeBinary)


class ComplaintRow(Row, table=True):
    __tablename__ = "complaints"
    __table_args__ = (
        Index("ix_complaints_undecided", "filed_at", postgresql_where=text("decision = ''")),
        Index(
            "ix_complaints_decided", text("decided_at desc"), "complaint_id", postgresql_where=text("decision <> ''")
        ),
    )

    complaint_id: str = Field(primary_key=True, sa_type=Text)
    auction_id: str = Field(sa_type=Text, foreign_key="auctions.auctions.auction_id", index=True)
    organisation_id: str = Field(sa_type=Text)
    grounds: str = Field(sa_type=Text)
    evidence: str = Field(sa_type=Text)
    filed_at: datetime = Field(sa_type=INSTANT)
    decision: str = Field(default="", sa_type=Text)
    reason: str = Field(default="", sa_type=Text)
    decided_at: datetime | None = Field(default=None, sa_type=INSTANT)


class LeafRow(Row, table=True):
    """A leaf of the market's log. Rows are only appended; ``leaf`` counts from 1 without a gap; ``text`` is what is
    hashed."""

    __tablename__ = "leaves"

    leaf: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    auction_id: str = Field(sa_type=Text, unique=True)
    text: str = Field(sa_type=Text)


class SubtreeRow(Row, table=True):
    """The hash of a complete subtree of the market's log (:mod:`services.auctions.domain.merkle`). It can always be
    computed again from the leaves."""

    __tablename__ = "subtrees"

    level: int = Field(sa_column=Column(SmallInteger, primary_key=True, autoincrement=False))
    number: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    hash: bytes = Field(sa_type=LargeBinary)


class CheckpointRow(Row, table=True):
    """A checkpoint: the market signed that its log of ``size`` leaves had this root."""

    __tablename__ = "checkpoints"

    size: int = Field(sa_column=Column(BigInteger, primary_key=True, autoincrement=False))
    root: str = Field(sa_type=Text)
    signed_at: datetime = Field(sa_type=INSTANT)
    key: str = Field(sa_type=Text)
    signature: str = Field(sa_type=Text)


class BeatRow(Row, table=True):
    """A heartbeat: bids could be decided at ``beat_at``. Only the row with the highest number counts."""

    __tablename__ = "beats"

    number: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    beat_at: datetime = Field(sa_type=INSTANT)


class PulseRow(Row, table=True):
    """The one row that tells a former release when bids could last be decided."""

    __tablename__ = "pulse"

    one: bool = Field(default=True, primary_key=True)
    beat_at: datetime = Field(sa_type=INSTANT)


class BlockedRow(Row, table=True):
    """An auction on which no bid can be decided although bids on others can. With ``lost_until``: an auction on which
    bids can be decided again, and which will be extended because of an outage that ended at ``lost_until``; such
    auctions are extended in the order of ``closes_at``. There is no foreign key, because the auction's row may be
    locked."""

    __tablename__ = "blocked"
    __table_args__ = (Index("ix_blocked_soonest", text("closes_at nulls first"), "auction_id"),)

    auction_id: str = Field(primary_key=True, sa_type=Text)
    since: datetime = Field(sa_type=INSTANT)
    until: datetime = Field(sa_type=INSTANT)
    lost_until: datetime | None = Field(default=None, sa_type=INSTANT)
    closes_at: datetime | None = Field(default=None, sa_type=INSTANT)


class PastContractRow(Row, table=True):
    """A contract from which a buyer can copy lines or a price: concluded here, or imported with a SKU. ``body`` is its
    event."""

    __tablename__ = "past_contracts"
    __table_args__ = (
        Index("ix_past_contracts_buyer", "buyer_id", "signed_at"),
        Index("ix_past_contracts_words", text(WORDS_OF_TITLE), **OF_WORDS),
    )

    contract_id: str = Field(primary_key=True, sa_type=Text)
    buyer_id: str = Field(sa_type=Text)
    signed_at: datetime = Field(sa_type=INSTANT)
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class LastPriceRow(Row, table=True):
    """A line of a past contract with the price of a SKU. It serves to find the last price of a SKU, and the last price that
    one buyer paid for it."""

    __tablename__ = "last_prices"
    __table_args__ = (
        Index("ix_last_prices_market", "sku_id", "currency", "signed_at"),
        Index("ix_last_prices_buyer", "sku_id", "buyer_id", "currency", "signed_at"),
    )

    contract_id: str = Field(primary_key=True, sa_type=Text)
    line_id: str = Field(primary_key=True, sa_type=Text)
    sku_id: str = Field(sa_type=Text)
    buyer_id: str = Field(sa_type=Text)
    currency: str = Field(sa_type=Text)
    signed_at: datetime = Field(sa_type=INSTANT)
