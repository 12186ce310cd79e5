"""Replicas of what other services announced, reduced to what conduct needs. SQL is written by hand here for JSON,
upserts, guarded writes and reads without a transaction."""

from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import Boolean, Column, DateTime, Index, Integer, Numeric, Text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import Field

from events.contracts import (
    ContractConcluded,
    ContractDrafted,
    DeliveryReported,
    DisputeOpened,
    LineQuantity,
    OrderPlaced,
)
from infra.database import Reader, Transaction, columns
from infra.reading import read_one
from services.conduct.domain.performance import Delivered
from services.conduct.store.rows import Row
from services.market.replicas import OrganisationReplicas

organisations = OrganisationReplicas(Row.metadata)


class ContractRow(Row, table=True):
    """``state`` is running, concluded or ended. If the contract is concluded or ended, ``over_at`` is the time of that.
    A contract that was cancelled after its conclusion stays concluded."""

    __tablename__ = "contracts"

    contract_id: str = Field(primary_key=True, sa_type=Text)
    process_id: str = Field(sa_type=Text)
    origin: str = Field(sa_type=Text)
    title: str = Field(sa_type=Text)
    buyer_id: str = Field(sa_type=Text)
    buyer_name: str = Field(sa_type=Text)
    supplier_id: str = Field(sa_type=Text)
    supplier_name: str = Field(sa_type=Text)
    currency: str = Field(sa_type=Text)
    amount: Decimal = Field(sa_type=Numeric)
    state: str = Field(sa_type=Text)
    over_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))


class OrderRow(Row, table=True):
    """The lines that were ordered."""

    __tablename__ = "orders"

    contract_id: str = Field(primary_key=True, sa_type=Text)
    number: int = Field(primary_key=True, sa_type=Integer)
    lines: list[Any] = Field(sa_column=Column(JSONB, nullable=False))


class DeliveryRow(Row, table=True):
    """The domain's ``Delivered``."""

    __tablename__ = "deliveries"
    __table_args__ = (Index(None, "contract_id", "order"),)

    contract_id: str = Field(primary_key=True, sa_type=Text)
    number: int = Field(primary_key=True, sa_type=Integer)
    order: int = Field(sa_type=Integer)
    late: bool = Field(sa_type=Boolean)
    status: str = Field(sa_type=Text)
    accepted: list[Any] = Field(sa_column=Column(JSONB, nullable=False))


class DisputeRow(Row, table=True):
    """A dispute about a delivery. ``assessed`` says whether the delivery was assessed when the dispute was opened: then
    the dispute is about the answer."""

    __tablename__ = "disputes"

    contract_id: str = Field(primary_key=True, sa_type=Text)
    number: int = Field(primary_key=True, sa_type=Integer)
    assessed: bool = Field(sa_type=Boolean)


class Mention(msgspec.Struct, frozen=True, kw_only=True):
    """A contract as a record mentions it. ``origin`` and ``process_id`` say where it came from, which is public from
    the start. ``over_at`` is the time of its conclusion or end."""

    contract_id: str
    process_id: str
    origin: str
    title: str
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    currency: str
    amount: Decimal
    state: str
    over_at: datetime


_DELIVERY = 'number, "order", late, status, accepted::text as accepted from conduct.deliveries'
_TOLD = "contract_id, process_id, origin, title, buyer_id, buyer_name, supplier_id, supplier_name, currency, amount"


async def put_drafted(tx: Transaction, events: Sequence[ContractDrafted]) -> None:
    rows = [[getattr(event, name) for name in _TOLD.split(", ")] for event in events]
    await (await tx.raw()).execute(
        f"insert into conduct.contracts ({_TOLD}, state) select {_TOLD}, 'running' from unnest($1::text[], $2::text[], $3::text[],"
        " $4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[], $10::numeric[])"
        f" as told ({_TOLD}) on conflict (contract_id) do nothing",
        *columns(rows),
    )


async def conclude(tx: Transaction, concluded: Sequence[ContractConcluded]) -> None:
    await (await tx.raw()).execute(
        "update conduct.contracts set state = 'concluded', over_at = at from unnest($1::text[], $2::timestamptz[]) as told (id, at)"
        " where contract_id = id",
        [event.contract_id for event in concluded],
        [event.signed_at for event in concluded],
    )


async def end_unsigned(tx: Transaction, contract_id: str, at: datetime) -> None:
    await (await tx.raw()).execute(
        "update conduct.contracts set state = 'ended', over_at = $2 where contract_id = $1 and state = 'running'",
        contract_id,
        at,
    )


async def mentions(db: Reader, contract_ids: Collection[str]) -> dict[str, Mention]:
    """Return the concluded and ended contracts by id, as far as they are announced here."""
    rows = await db.fetch(
        f"select {_TOLD}, state, over_at from conduct.contracts where contract_id = any($1::text[]) and over_at is not null",
        list(contract_ids),
    )
    return {row["contract_id"]: Mention(**dict(row)) for row in rows}


async def put_orders(tx: Transaction, events: Sequence[OrderPlaced]) -> None:
    rows = [(event.contract_id, event.order, _json(event.lines)) for event in events]
    await (await tx.raw()).execute(
        "insert into conduct.orders (contract_id, number, lines)"
        " select id, number, lines::jsonb from unnest($1::text[], $2::int[], $3::text[]) as told (id, number, lines)"
        " on conflict do nothing",
        *columns(rows),
    )


async def put_deliveries(tx: Transaction, events: Sequence[DeliveryReported]) -> None:
    rows = [(event.contract_id, event.delivery, event.order, event.late) for event in events]
    await (await tx.raw()).execute(
        'insert into conduct.deliveries (contract_id, number, "order", late, status, accepted)'
        " select *, 'reported', '[]' from unnest($1::text[], $2::int[], $3::int[], $4::bool[]) on conflict do nothing",
        *columns(rows),
    )


async def delivery(db: Reader, contract_id: str, number: int) -> Delivered | None:
    row = await db.fetchrow(f"select {_DELIVERY} where contract_id = $1 and number = $2", contract_id, number)
    return read_one("delivery", f"{contract_id}/{number}", _delivered, row) if row else None


async def change_delivery(tx: Transaction, contract_id: str, changed: Delivered) -> None:
    await (await tx.raw()).execute(
        "update conduct.deliveries set status = $3, accepted = $4::text::jsonb where contract_id = $1 and number = $2",
        contract_id,
        changed.number,
        changed.status,
        _json(changed.accepted),
    )


async def order(db: Reader, contract_id: str, number: int) -> tuple[tuple[LineQuantity, ...], list[Delivered]] | None:
    """Return the ordered lines and all deliveries on the order, or None if the order is unknown."""
    lines = await db.fetchval(
        "select lines::text from conduct.orders where contract_id = $1 and number = $2", contract_id, number
    )
    rows = await db.fetch(f'select {_DELIVERY} where contract_id = $1 and "order" = $2', contract_id, number)
    if not lines:
        return None
    deliveries = [read_one("delivery", f"{contract_id}/{row['number']}", _delivered, row) for row in rows]
    return read_one("order", f"{contract_id}/{number}", _lines, lines), deliveries


async def put_dispute(tx: Transaction, event: DisputeOpened) -> None:
    await (await tx.raw()).execute(
        "insert into conduct.disputes (contract_id, number, assessed) select contract_id, $3, status = 'assessed'"
        " from conduct.deliveries where contract_id = $1 and number = $2 on conflict do nothing",
        event.contract_id,
        event.number,
        event.dispute,
    )


async def is_about_an_answer(db: Reader, contract_id: str, dispute: int) -> bool:
    return bool(
        await db.fetchval(
            "select assessed from conduct.disputes where contract_id = $1 and number = $2", contract_id, dispute
        )
    )


def _delivered(row: asyncpg.Record) -> Delivered:
    return Delivered(**dict(row) | {"accepted": _lines(row["accepted"])})


def _lines(text: str) -> tuple[LineQuantity, ...]:
    return msgspec.json.decode(text, type=tuple[LineQuantity, ...])


def _json(lines: Sequence[LineQuantity]) -> str:
    return msgspec.json.encode(lines).decode()
