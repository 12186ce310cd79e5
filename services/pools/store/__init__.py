"""Rows of pools: the state of each pool with its log, the contracts that followed, and replicas of organisations, SKUs
and reference prices. SQL is written by hand here for JSON, lists, locks and aggregates."""

from collections.abc import Collection, Iterable
from datetime import datetime
from operator import itemgetter
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Identity, Index, Text, and_, not_, text, true, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlmodel import Field, SQLModel, col, select

from events.codec import Event
from events.pools import PoolMemberEnrolled
from events.values import Refusal
from infra.database import Transaction, json_text, schema_of
from infra.decoded import Decoded
from infra.listing import count
from infra.reading import UnreadableKey, lines, read_json
from infra.states import XMIN, States
from services.market.replicas import OrganisationReplicas, ReferencePrices, Skus
from services.pools.domain import Past, Pool, PoolStage


class Row(SQLModel, registry=schema_of("pools")):
    """Base class of all tables in this schema."""


organisations = OrganisationReplicas(Row.metadata)
skus = Skus(Row.metadata)
references = ReferencePrices(Row.metadata)


_GOES_ON = "stage not in ('closed', 'cancelled')"
_LEFT = "'PoolMemberWithdrew'"
_OF_MEMBERS = f"('PoolMemberEnrolled', {_LEFT})"
_MEMBER = "(data->>'member_id')"
_REFUSED = "('PoolSourcingFailed', 'PoolCancelled')"


class PoolRow(Row, table=True):
    """``due_at`` is when the timer looks at the pool next: at the end of enrolment, or when nobody can get another
    contract."""

    __tablename__ = "pools"
    __table_args__ = (
        Index("ix_pools_due", "due_at", postgresql_where=text("due_at is not null")),
        Index("ix_pools_open_of_lead", text("(state->'opened'->>'lead_id')"), postgresql_where=text(_GOES_ON)),
        Index("ix_pools_category", text("category text_pattern_ops")),
        Index("ix_pools_regions", "regions", postgresql_using="gin"),
        Index("ix_pools_anywhere", "opened_at", postgresql_where=text("cardinality(regions) = 0")),
    )

    pool_id: str = Field(primary_key=True, sa_type=Text)
    stage: str = Field(sa_type=Text, index=True)
    category: str = Field(sa_type=Text)
    regions: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    opened_at: datetime = Field(sa_type=DateTime(timezone=True), index=True)
    due_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    auction_id: str | None = Field(default=None, sa_type=Text)
    state: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class LogRow(Row, table=True):
    """What happened to a pool. Applied in order, the rows give ``PoolRow.state``."""

    __tablename__ = "log"
    __table_args__ = (
        Index("ix_log_in_order", "pool_id", "position"),
        Index(
            "ix_log_of_member", "pool_id", text(_MEMBER), "position", postgresql_where=text(f"type in {_OF_MEMBERS}")
        ),
    )

    position: int | None = Field(default=None, sa_column=Column(BigInteger, Identity(always=True), primary_key=True))
    pool_id: str = Field(sa_type=Text, index=True)
    type: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=DateTime(timezone=True))
    data: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class ContractRow(Row, table=True):
    """The newest contract of a member. The cascade may replace one that ended."""

    __tablename__ = "contracts"

    pool_id: str = Field(primary_key=True, sa_type=Text)
    member_id: str = Field(primary_key=True, sa_type=Text)
    contract_id: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    at: datetime = Field(sa_type=DateTime(timezone=True))


class PoolContract(msgspec.Struct, frozen=True, kw_only=True):
    """``state`` is drafted, concluded or ended, since ``at``."""

    member_id: str
    contract_id: str
    state: str
    at: datetime


class StoredPool(msgspec.Struct, frozen=True, kw_only=True):
    """A pool and its version, with what the service knows besides its rules. Version 0 means that it is not stored yet."""

    pool: Pool
    opened_at: datetime
    auction_id: str | None = None
    version: int = 0


def _stored(row: Any) -> StoredPool:
    pool = msgspec.json.decode(row["state"], type=Pool)
    return StoredPool(pool=pool, opened_at=row["opened_at"], auction_id=row["auction_id"], version=row["version"])


_pools = States(PoolRow, "pool", _stored, columns="opened_at, auction_id", version=XMIN)
get, lock, lock_due = _pools.get, _pools.lock, _pools.lock_due


async def count_open(tx: Transaction, lead_id: str) -> int:
    """Return how many open pools the lead has. Another opening by this lead waits until the transaction ends."""
    await tx.lock_name(f"lonja/pooling/{lead_id}")
    db = await tx.raw()
    found: int = await db.fetchval(
        f"select count(*) from pools.pools where state->'opened'->>'lead_id' = $1 and {_GOES_ON}", lead_id
    )
    return found


async def read(tx: Transaction, pool_id: str) -> StoredPool | None:
    """Return the pool for pages, which are read many times. If it was not written since the last time, it is neither
    sent nor decoded again."""
    return await _decoded.get(await tx.raw(), pool_id)


def _decode(state: str, row: Any) -> StoredPool:
    """Decode the state, with what every page of it shows."""
    kept = _stored({**row, "state": state})
    for each in ("wants", "firm_quantity", "demand", "pages", "shares"):
        getattr(kept.pool, each)
    return kept


_decoded = Decoded("pool", "pools.pools", "pool_id", f"opened_at, auction_id, {XMIN} as version", _decode)


async def save(tx: Transaction, kept: StoredPool, due_at: datetime | None, happened: Iterable[Event]) -> None:
    """Save the state, the log and the events to publish in one transaction. ``kept.version`` is the version that was
    read. Raise Outdated."""
    opened = kept.pool.opened
    values = {
        "pool_id": opened.pool_id,
        "stage": kept.pool.stage.value,
        "category": opened.category.code,
        "regions": list(opened.regions),
        "opened_at": kept.opened_at,
        "due_at": due_at,
        "auction_id": kept.auction_id,
        "state": json_text(kept.pool),
        "version": kept.version,
    }
    await _pools.save(tx, values)
    for event in happened:
        data = msgspec.to_builtins(event)
        tx.session.add(LogRow(pool_id=opened.pool_id, type=type(event).__name__, at=tx.now, data=data))
        await tx.session.flush()  # one at a time: positions follow the order of the events
        tx.emit(event)


class PoolEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a pool's log, as far as people see it. ``type`` is the event's name. ``default`` and ``reason`` belong
    to a withdrawal, ``refusal`` to a failed sourcing or a cancellation."""

    position: int
    at: datetime
    type: str
    member_id: str | None
    default: bool
    reason: str
    refusal: Refusal | None


async def happened(tx: Transaction, pool_id: str, most: int) -> int:
    """Return the length of the log, or ``most`` + 1 if it is longer than ``most``."""
    return await count(await tx.raw(), "select from pools.log where pool_id = $1", pool_id, most=most)


async def log_of(tx: Transaction, pool_id: str, *, limit: int, offset: int = 0) -> list[PoolEvent | UnreadableKey[int]]:
    """Return the log, the newest entry first. A field is read only from events that have it, because the database
    parses an event of megabytes for each field."""
    rows = await (await tx.raw()).fetch(
        f"select position, at, type, case when type in {_OF_MEMBERS} then data->>'member_id' end as member_id,"
        f" case when type = {_LEFT} then data->>'default' end as is_default,"
        f" case when type = {_LEFT} then data->>'reason' end as reason,"
        f" case when type in {_REFUSED} then (data->'refusal')::text end as refusal"
        " from pools.log where pool_id = $1 order by position desc limit $2 offset $3",
        pool_id,
        limit,
        offset,
    )
    return lines(f"line of the log of pool {pool_id}", rows, itemgetter("position"), _happened)


def _happened(row: asyncpg.Record) -> PoolEvent:
    return PoolEvent(
        position=row["position"],
        at=row["at"],
        type=row["type"],
        member_id=row["member_id"],
        default=row["is_default"] == "true",
        reason=row["reason"] or "",
        refusal=msgspec.json.decode(row["refusal"], type=Refusal | None) if row["refusal"] else None,
    )


async def past_of(tx: Transaction, pool_id: str, member_id: str) -> Past:
    """Return what one organisation did. It has a limited number of enrolments in the log, and as many withdrawals."""
    of_member = f"from pools.log where pool_id = $1 and {_MEMBER} = $2 and type in {_OF_MEMBERS}"
    row = await (await tx.raw()).fetchrow(
        f"select (select count(*) {of_member} and type <> {_LEFT}) as told,"
        f" (select case type when {_LEFT} then data->>'reason' end {of_member} order by position desc limit 1) as left",
        pool_id,
        member_id,
    )
    return Past(told=row["told"], left=row["left"])


async def left_by_default(tx: Transaction, pool_id: str, member_id: str) -> bool:
    """Whether its last withdrawal was a default."""
    found = await (await tx.raw()).fetchval(
        f"select data->>'default' from pools.log where pool_id = $1 and {_MEMBER} = $2 and type = {_LEFT}"
        " order by position desc limit 1",
        pool_id,
        member_id,
    )
    return bool(found == "true")


async def former_enrolment(tx: Transaction, pool_id: str, member_id: str) -> PoolMemberEnrolled | None:
    """Return the last enrolment of a member, even if it withdrew since then, or None."""
    found = await (await tx.raw()).fetchval(
        f"select data::text from pools.log where pool_id = $1 and type = 'PoolMemberEnrolled' and {_MEMBER} = $2"
        " order by position desc limit 1",
        pool_id,
        member_id,
    )
    return read_json("enrolment", f"{pool_id}/{member_id}", found, PoolMemberEnrolled) if found else None


async def set_due(tx: Transaction, pool_id: str, due_at: datetime | None) -> None:
    """Set the time of the timer. A row that has this value already is not written again, because it contains the whole
    pool."""
    other = col(PoolRow.due_at).is_distinct_from(due_at)
    await tx.session.exec(update(PoolRow).where(col(PoolRow.pool_id) == pool_id, other).values(due_at=due_at))


async def set_auction(tx: Transaction, pool_id: str, auction_id: str) -> None:
    await tx.session.exec(update(PoolRow).where(col(PoolRow.pool_id) == pool_id).values(auction_id=auction_id))


async def contracts_of_members(tx: Transaction, pool_id: str, members: Collection[str]) -> dict[str, PoolContract]:
    """Return the contracts of these members, by member."""
    rows = await (await tx.raw()).fetch(
        "select member_id, contract_id, state, at from pools.contracts where pool_id = $1 and member_id = any($2::text[])",
        pool_id,
        list(members),
    )
    return {row["member_id"]: PoolContract(**row) for row in rows}


async def contracts_of(tx: Transaction, pool_id: str) -> dict[str, PoolContract]:
    """Return the contracts by member."""
    rows = await tx.session.exec(select(ContractRow).where(ContractRow.pool_id == pool_id))
    return {row.member_id: PoolContract(**row.model_dump(exclude={"pool_id"})) for row in rows}


async def lock_stage(tx: Transaction, pool_id: str) -> PoolStage | None:
    """Lock the pool and return its stage. The state, which grows with the members, is not read."""
    found = await (await tx.raw()).fetchval("select stage from pools.pools where pool_id = $1 for update", pool_id)
    return PoolStage(found) if found else None


async def put_contract(tx: Transaction, pool_id: str, contract: PoolContract) -> bool:
    """Store the contract, and return whether it says something new about the member. A known draft does not; nor does
    the end of a contract that was already replaced or signed."""
    statement = insert(ContractRow).values(pool_id=pool_id, **msgspec.structs.asdict(contract))
    new, old = statement.excluded, ContractRow
    same = col(old.contract_id) == new.contract_id
    news = {"drafted": not_(same), "concluded": true(), "ended": and_(same, col(old.state) != "concluded")}
    changed = {name: new[name] for name in ("contract_id", "state", "at")}
    done = await tx.session.exec(
        statement.on_conflict_do_update(
            index_elements=["pool_id", "member_id"], set_=changed, where=news[contract.state]
        ).returning(col(old.member_id))
    )
    return done.first() is not None


async def waits_for_signatures(tx: Transaction, pool_id: str) -> bool:
    """Return whether a contract of the pool is drafted and neither signed nor ended."""
    found: bool = await (await tx.raw()).fetchval(
        "select exists (select from pools.contracts where pool_id = $1 and state = 'drafted')", pool_id
    )
    return found
