"""The tables. Categories are ``scheme:code``; a supplier is an organisation's id."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    Date,
    DateTime,
    Float,
    Identity,
    Index,
    LargeBinary,
    Numeric,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from infra.database import schema_of


class Row(SQLModel, registry=schema_of("recommender")):
    """Base of the rows of this schema."""


class SupplierRow(Row, table=True):
    """``dirty_at`` is set while the list waits to be made again; ``asked_at`` is when the list of an imported supplier
    was last asked for."""

    __tablename__ = "suppliers"
    __table_args__ = (Index("ix_suppliers_dirty", "dirty_at", postgresql_where=text("dirty_at is not null")),)

    supplier_id: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    region: str = Field(sa_type=Text)
    declared: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    native: bool
    dirty_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    asked_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class OfferRow(Row, table=True):
    """An offer. An archived one is kept, so that a late publication does not bring it back."""

    __tablename__ = "offers"

    offer_id: str = Field(primary_key=True, sa_type=Text)
    supplier_id: str = Field(sa_type=Text, index=True)
    sku_id: str = Field(sa_type=Text)
    category: str = Field(sa_type=Text)
    archived: bool


class SkuRow(Row, table=True):
    __tablename__ = "skus"

    sku_id: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text)


class AwardRow(Row, table=True):
    """One winner of one award, or of a contract that names no award (``kind``)."""

    __tablename__ = "awards"
    __table_args__ = (Index("ix_awards_buyer", text("left(buyer_name, 200)"), "supplier_id"),)

    award_id: str = Field(primary_key=True, sa_type=Text)
    supplier_id: str = Field(primary_key=True, sa_type=Text, index=True)
    process_id: str = Field(sa_type=Text, index=True)
    kind: str = Field(sa_type=Text)
    buyer_name: str = Field(sa_type=Text)
    region: str = Field(sa_type=Text)
    city: str = Field(sa_type=Text)
    category: str = Field(sa_type=Text)
    method: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    awarded_on: date = Field(sa_type=Date)
    cancelled: bool
    heard_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)


class OpportunityRow(Row, table=True):
    """An opportunity. ``closes_at`` is None while no end is set (a frozen pool that will be sourced). ``near``: the
    horizon has reached it, and the lists of concerned suppliers were marked."""

    __tablename__ = "opportunities"
    __table_args__ = (
        Index(None, "open", "closes_at"),
        Index("ix_opportunities_near", "closes_at", postgresql_where=text("open and near")),
        Index("ix_opportunities_ahead", "closes_at", postgresql_where=text("open and not near")),
    )

    opportunity_id: str = Field(primary_key=True, sa_type=Text)
    kind: str = Field(sa_type=Text)
    open: bool
    native: bool
    title: str = Field(sa_type=Text)
    buyer_id: str = Field(sa_type=Text)
    buyer_name: str = Field(sa_type=Text)
    region: str = Field(sa_type=Text)
    city: str = Field(sa_type=Text)
    category: str = Field(sa_type=Text)
    method: str = Field(sa_type=Text)
    currency: str = Field(sa_type=Text)
    amount: Decimal | None = Field(default=None, sa_type=Numeric)
    path: str = Field(sa_type=Text)
    closes_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    pool_id: str | None = Field(default=None, sa_type=Text, index=True)
    near: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class ListRow(Row, table=True):
    """A supplier's list as it was last made; ``items`` are those of RecommendationsMade."""

    __tablename__ = "lists"

    supplier_id: str = Field(primary_key=True, sa_type=Text)
    model_id: str = Field(sa_type=Text)
    made_at: datetime = Field(sa_type=DateTime(timezone=True))
    items: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))


class InviteesRow(Row, table=True):
    """Suppliers worth inviting to an opportunity, by the history of awards alone; ``suppliers`` are id and score."""

    __tablename__ = "invitees"

    opportunity_id: str = Field(primary_key=True, sa_type=Text)
    made_at: datetime = Field(sa_type=DateTime(timezone=True))
    suppliers: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))


class DismissalRow(Row, table=True):
    __tablename__ = "dismissals"

    supplier_id: str = Field(primary_key=True, sa_type=Text)
    opportunity_id: str = Field(primary_key=True, sa_type=Text)
    dismissed_at: datetime = Field(sa_type=DateTime(timezone=True))


class TrainingRow(Row, table=True):
    """A training and what it measured. ``in_use`` is the training whose ranker was used from then on ("" for the plain
    evidence); only the newest row has its ``model``."""

    __tablename__ = "trainings"

    model_id: str = Field(primary_key=True, sa_type=Text)
    in_use: str = Field(sa_type=Text)
    trained_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)
    awards: int
    suppliers: int
    promoted: bool
    code: str = Field(sa_type=Text)
    reason: str = Field(sa_type=Text)
    figures: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))
    seconds: float = Field(sa_type=Float)
    model: bytes | None = Field(default=None, sa_type=LargeBinary)


class WorkRow(Row, table=True):
    """A walk over suppliers whose lists are marked: it is due while ``asked`` is greater than ``done``. While it runs,
    ``goal`` is the value of ``asked`` at its beginning, and ``reached`` is the last supplier that it handled. See
    :mod:`services.recommender.store.marks`."""

    __tablename__ = "work"

    name: str = Field(primary_key=True, sa_type=Text)
    asked: int
    done: int
    goal: int | None = None
    reached: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    begun_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    walked_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class ChangeRow(Row, table=True):
    """An opening that opened or closed and whose concerned suppliers are not marked yet."""

    __tablename__ = "changes"

    position: int = Field(sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    opportunity_id: str = Field(sa_type=Text)


class TradeRow(Row, table=True):
    """A supplier of this market that declared a category of the trade: see :mod:`recommender.trades`."""

    __tablename__ = "trades"

    trade: str = Field(primary_key=True, sa_type=Text)
    supplier_id: str = Field(primary_key=True, sa_type=Text)


class InterestRow(Row, table=True):
    __tablename__ = "interest"
    __table_args__ = (Index("ix_interest_category", "category", "supplier_id"),)

    supplier_id: str = Field(primary_key=True, sa_type=Text)
    category: str = Field(primary_key=True, sa_type=Text)
    points: int


class CoPurchaseRow(Row, table=True):
    __tablename__ = "co_purchases"

    sku_id: str = Field(primary_key=True, sa_type=Text)
    other_sku_id: str = Field(primary_key=True, sa_type=Text)
    together: int
