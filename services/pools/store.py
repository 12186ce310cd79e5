"""Rows of pools: the state of each pool with its log, the contracts it led to, and copies of organisations, SKUs and
reference prices as others announced them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Text, delete, func, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlmodel import Field, select

from events.accounts import OrganisationRegistered
from events.catalogue import SkuPublished
from events.codec import Event
from events.observatory import ReferencePricePublished
from events.values import Place
from infra.database import Transaction, schema_rows
from services.pools.domain import Pool, Stage

Row = schema_rows("pools")

GROUPS: Mapping[str, tuple[Stage, ...]] = {
    "enrolling": (Stage.ENROLLING,),
    "running": (Stage.FROZEN, Stage.SOURCING, Stage.CONTRACTING),
    "done": (Stage.CLOSED, Stage.CANCELLED),
}


class PoolRow(Row, table=True):
    """``due_at``: when the timer looks at it next (end of enrolment, or nobody left whose contract could still come)."""

    __tablename__ = "pools"
    __table_args__ = (Index("ix_pools_due", "due_at", postgresql_where=text("due_at is not null")),)

    pool_id: str = Field(primary_key=True, sa_type=Text)
    stage: str = Field(sa_type=Text, index=True)
    category: str = Field(sa_type=Text)
    regions: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    opened_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)
    due_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    auction_id: str | None = Field(default=None, sa_type=Text)
    state: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class LogRow(Row, table=True):
    """What happened to a pool; applied in order it gives ``PoolRow.state``."""

    __tablename__ = "log"

    position: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    pool_id: str = Field(sa_type=Text, index=True)
    type: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=DateTime(timezone=True))
    data: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class ContractRow(Row, table=True):
    """The newest contract of a member; the cascade may replace one that ended."""

    __tablename__ = "contracts"

    pool_id: str = Field(primary_key=True, sa_type=Text)
    member_id: str = Field(primary_key=True, sa_type=Text)
    contract_id: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=DateTime(timezone=True))


class OrganisationRow(Row, table=True):
    __tablename__ = "organisations"

    organisation_id: str = Field(primary_key=True, sa_type=Text)
    name: str = Field(sa_type=Text)
    buyer: bool
    state: str = Field(sa_type=Text)
    place: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    time_zone: str = Field(sa_type=Text)


class SkuRow(Row, table=True):
    __tablename__ = "skus"

    sku_id: str = Field(primary_key=True, sa_type=Text)
    version: int
    name: str = Field(sa_type=Text)
    archived: bool = False
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class ReferenceRow(Row, table=True):
    """The newest snapshot of a SKU for a place."""

    __tablename__ = "reference_prices"

    sku_id: str = Field(primary_key=True, sa_type=Text)
    currency: str = Field(primary_key=True, sa_type=Text)
    level: str = Field(primary_key=True, sa_type=Text)
    place_code: str = Field(primary_key=True, sa_type=Text)
    reference_id: str = Field(sa_type=Text, index=True)
    version: int
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """``state`` is drafted, concluded or ended, since ``at``."""

    member_id: str
    contract_id: str
    state: str
    at: datetime


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """A pool with what the service knows beside its rules."""

    pool: Pool
    opened_at: datetime
    auction_id: str | None = None


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    organisation_id: str
    name: str
    buyer: bool
    state: str
    place: Place
    time_zone: str


async def load(tx: Transaction, pool_id: str, *, lock: bool = False) -> Kept | None:
    query = select(PoolRow).where(PoolRow.pool_id == pool_id)
    row = (await tx.session.exec(query.with_for_update() if lock else query)).one_or_none()
    return _kept(row) if row else None


async def save(tx: Transaction, kept: Kept, due_at: datetime | None, happened: Iterable[Event]) -> None:
    """State, log and events to publish: together or not at all."""
    opened = kept.pool.opened
    values = {
        "pool_id": opened.pool_id,
        "stage": kept.pool.stage.value,
        "category": opened.category.code,
        "regions": list(opened.regions),
        "opened_at": kept.opened_at,
        "due_at": due_at,
        "auction_id": kept.auction_id,
        "state": msgspec.to_builtins(kept.pool),
    }
    statement = insert(PoolRow).values(values)
    await tx.session.exec(statement.on_conflict_do_update(index_elements=["pool_id"], set_=values))
    for event in happened:
        data = msgspec.to_builtins(event)
        tx.session.add(LogRow(pool_id=opened.pool_id, type=type(event).__name__, at=tx.now, data=data))
        await tx.session.flush()  # one by one: positions in the order of what happened
        tx.emit(event)


async def log_of(tx: Transaction, pool_id: str) -> list[tuple[datetime, str, dict[str, Any]]]:
    """(when, name of the event, its data), oldest first."""
    query = select(LogRow).where(LogRow.pool_id == pool_id).order_by(LogRow.position)
    return [(row.at, row.type, row.data) for row in await tx.session.exec(query)]


async def search(
    tx: Transaction, *, group: str = "", region: str = "", category: str = "", limit: int = 50, offset: int = 0
) -> list[Kept]:
    """Newest first. ``category`` is the beginning of a code; a pool without regions delivers to every region."""
    query = select(PoolRow).order_by(PoolRow.opened_at.desc(), PoolRow.pool_id).limit(limit).offset(offset)
    if group in GROUPS:
        query = query.where(PoolRow.stage.in_([stage.value for stage in GROUPS[group]]))
    if region:
        query = query.where((PoolRow.regions.contains([region])) | (func.cardinality(PoolRow.regions) == 0))
    if category:
        query = query.where(PoolRow.category.startswith(category, autoescape=True))
    return [_kept(row) for row in await tx.session.exec(query)]


async def counts(tx: Transaction) -> dict[str, int]:
    """Pools by group."""
    rows = (await tx.session.exec(select(PoolRow.stage, func.count()).group_by(PoolRow.stage))).all()
    by_stage: dict[str, int] = {stage: count for stage, count in rows}
    return {group: sum(by_stage.get(stage, 0) for stage in stages) for group, stages in GROUPS.items()}


async def claim_due(tx: Transaction) -> Kept | None:
    """One pool whose time has come, locked; those another process holds are passed over."""
    query = select(PoolRow).where(PoolRow.due_at <= tx.now).order_by(PoolRow.due_at).limit(1)
    row = (await tx.session.exec(query.with_for_update(skip_locked=True))).one_or_none()
    return _kept(row) if row else None


async def set_due(tx: Transaction, pool_id: str, due_at: datetime | None) -> None:
    await tx.session.exec(update(PoolRow).where(PoolRow.pool_id == pool_id).values(due_at=due_at))


async def set_auction(tx: Transaction, pool_id: str, auction_id: str) -> None:
    await tx.session.exec(update(PoolRow).where(PoolRow.pool_id == pool_id).values(auction_id=auction_id))


def _kept(row: PoolRow) -> Kept:
    return Kept(pool=msgspec.convert(row.state, Pool), opened_at=row.opened_at, auction_id=row.auction_id)


async def contracts_of(tx: Transaction, pool_id: str) -> dict[str, Contract]:
    """By member."""
    rows = await tx.session.exec(select(ContractRow).where(ContractRow.pool_id == pool_id))
    return {row.member_id: Contract(**row.model_dump(exclude={"pool_id"})) for row in rows}


async def put_contract(tx: Transaction, pool_id: str, contract: Contract) -> None:
    values = {"pool_id": pool_id, **msgspec.structs.asdict(contract)}
    statement = insert(ContractRow).values(values)
    await tx.session.exec(statement.on_conflict_do_update(index_elements=["pool_id", "member_id"], set_=values))


async def put_organisation(tx: Transaction, event: OrganisationRegistered) -> None:
    """Seen again with other particulars, the later holds; the state then is what was last said of it."""
    await (await tx.raw()).execute(
        "insert into pools.organisations (organisation_id, name, buyer, state, place, time_zone)"
        " values ($1, $2, $3, $4, $5::text::jsonb, $6) on conflict (organisation_id) do update"
        " set name = excluded.name, buyer = excluded.buyer, place = excluded.place, time_zone = excluded.time_zone",
        event.organisation_id,
        event.name,
        "buyer" in event.roles,
        event.state,
        msgspec.json.encode(event.place).decode(),
        event.time_zone,
    )


async def set_state(tx: Transaction, organisation_id: str, state: str) -> None:
    query = update(OrganisationRow).where(OrganisationRow.organisation_id == organisation_id).values(state=state)
    await tx.session.exec(query)


async def organisation(tx: Transaction, organisation_id: str) -> Organisation | None:
    row = await tx.session.get(OrganisationRow, organisation_id)
    return msgspec.convert(row.model_dump(), Organisation) if row else None


async def put_sku(tx: Transaction, event: SkuPublished) -> None:
    await (await tx.raw()).execute(
        "insert into pools.skus as old (sku_id, version, name, archived, body) values ($1, $2, $3, false, $4::text::jsonb)"
        " on conflict (sku_id) do update set version = excluded.version, name = excluded.name, archived = false,"
        " body = excluded.body where old.version < excluded.version",
        event.sku_id,
        event.version,
        event.name,
        msgspec.json.encode(event).decode(),
    )


async def archive_sku(tx: Transaction, sku_id: str) -> None:
    await tx.session.exec(update(SkuRow).where(SkuRow.sku_id == sku_id).values(archived=True))


async def skus(tx: Transaction, sku_ids: Sequence[str]) -> dict[str, SkuPublished]:
    """Those that may be bought, by id."""
    query = select(SkuRow).where(SkuRow.sku_id.in_(sku_ids), ~SkuRow.archived)
    rows = await tx.session.exec(query)
    return {row.sku_id: msgspec.convert(row.body, SkuPublished) for row in rows}


async def find_skus(tx: Transaction, words: str, limit: int = 8) -> list[SkuPublished]:
    """Names that contain all the words."""
    query = select(SkuRow).where(~SkuRow.archived).order_by(func.length(SkuRow.name), SkuRow.name).limit(limit)
    for word in words.split():
        query = query.where(SkuRow.name.icontains(word, autoescape=True))
    return [msgspec.convert(row.body, SkuPublished) for row in await tx.session.exec(query)]


async def put_reference(tx: Transaction, event: ReferencePricePublished) -> None:
    await (await tx.raw()).execute(
        "insert into pools.reference_prices as old (sku_id, currency, level, place_code, reference_id, version, body)"
        " values ($1, $2, $3, $4, $5, $6, $7::text::jsonb) on conflict (sku_id, currency, level, place_code) do update"
        " set reference_id = excluded.reference_id, version = excluded.version, body = excluded.body"
        " where old.version < excluded.version",
        event.sku_id,
        event.currency,
        event.level,
        event.place_code,
        event.reference_id,
        event.version,
        msgspec.json.encode(event).decode(),
    )


async def drop_reference(tx: Transaction, reference_id: str) -> None:
    await tx.session.exec(delete(ReferenceRow).where(ReferenceRow.reference_id == reference_id))


async def references(
    tx: Transaction, sku_ids: Sequence[str], currency: str
) -> dict[str, list[ReferencePricePublished]]:
    """By SKU."""
    query = select(ReferenceRow).where(ReferenceRow.sku_id.in_(sku_ids), ReferenceRow.currency == currency)
    found: dict[str, list[ReferencePricePublished]] = {sku_id: [] for sku_id in sku_ids}
    for row in await tx.session.exec(query):
        found[row.sku_id].append(msgspec.convert(row.body, ReferencePricePublished))
    return found
