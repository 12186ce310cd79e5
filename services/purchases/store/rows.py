"""The tables of purchases."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Column, DateTime, Index, Text, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field, SQLModel

from infra.database import schema_of
from infra.json_columns import number_in


class Row(SQLModel, registry=schema_of("purchases")):
    """Base class of all tables in this schema."""


INSTANT = DateTime(timezone=True)


class PurchaseRow(Row, table=True):
    """``state`` is the domain's purchase. ``due_at`` is null once the purchase is answered."""

    __tablename__ = "purchases"
    __table_args__ = (
        Index("ix_purchases_due", "due_at", postgresql_where=text("due_at is not null")),
        Index("ix_purchases_unanswered", "buyer_id", "supplier_id", postgresql_where=text("due_at is not null")),
        Index("ix_purchases_of_buyer", "buyer_id", "due_at", text("requested_at desc"), "process_id"),
        Index("ix_purchases_of_supplier", "supplier_id", "due_at", text("requested_at desc"), "process_id"),
    )

    process_id: str = Field(primary_key=True, sa_type=Text)
    buyer_id: str = Field(sa_type=Text, index=True)
    supplier_id: str = Field(sa_type=Text, index=True)
    requested_at: datetime = Field(sa_type=INSTANT)
    due_at: datetime | None = Field(default=None, sa_type=INSTANT)
    answered_at: datetime | None = Field(default=None, sa_type=INSTANT)
    reason: str = Field(default="", sa_type=Text)
    state: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    version: int = Field(default=1, sa_type=BigInteger)


LEAST = (
    f"least({number_in('body', 'price')}, {number_in('body', 'tiers', '-1', 'price')})"
    f" * case body->>'vat_included' when 'true' then 1 else 1 + {number_in('body', 'vat_rate')} / 100 end"
)
"""The lowest price of a pack with VAT: the last tier of an offer is its cheapest."""


class OfferRow(Row, table=True):
    __tablename__ = "offers"
    __table_args__ = (Index("ix_offers_cheapest", "sku_id", text(f"({LEAST})"), postgresql_where=text("not archived")),)

    offer_id: str = Field(primary_key=True, sa_type=Text)
    sku_id: str = Field(sa_type=Text, index=True)
    archived: bool = False
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
