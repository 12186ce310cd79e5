"""PostgreSQL: one schema for each service, and one transaction for state, inbox claim and outbox.

A service's ``store.py`` makes the base of its row classes with :func:`schema_of`, which also adds the common tables:
outbox, inbox, requests, forgotten.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, TypeVar, cast

import asyncpg
import msgspec
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Column,
    ColumnElement,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    all_,
    any_,
    bindparam,
    text,
)
from sqlalchemy import Connection as SyncConnection
from sqlalchemy.event import listen, listens_for
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.orm import registry
from sqlalchemy.pool import ConnectionPoolEntry
from sqlmodel import Session
from sqlmodel.ext.asyncio.session import AsyncSession

from events.codec import Event
from infra.causality import Cause, current_cause
from infra.clock import Clock
from infra.deadline import in_use
from infra.ids import new_id
from infra.once import Once, once
from infra.outgoing import OF_A_REQUEST, EventLimits, Outgoing, outbox_row, write_outbox
from infra.roles import NONE, Connections, role_of, usable
from infra.running import Frozen, NotRunning, Outdated

A = TypeVar("A")
Reader = asyncpg.Connection | asyncpg.Pool
"""For reading only: the connection of a transaction, or the pool, which takes any connection for a single statement."""
CONVENTION = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s",
    "pk": "pk_%(table_name)s",
}

LOST = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a connection raises when the server ends; the last is the driver's internal error, if the server ends during a call."""


WAITS = {"lock_timeout": "5s", "idle_in_transaction_session_timeout": "60s"}
"""Settings of a process's connections: the longest wait for a lock, and the longest idle time in a transaction, which may hold locks."""
WAITS_LONG = {"lock_timeout": "10min", "idle_in_transaction_session_timeout": "10min"}
"""Settings for commands, which have long transactions."""

LOCK_PATIENCE = "500ms"
"""How long a single event or due item waits for a locked row before it is postponed (a lock_timeout). Usually it was tried
together with others before, and these waited as long as WAITS says."""

KEPT_PER_SIZE = 2
"""Connections of the engine for each one of the asyncpg pool. With a pool of 10, a process has 30 in all, besides the
separate connections of single parts. Web, worker and streams of one market have 90 of them, and fewer than 40 others,
of PostgreSQL's 200."""

COMMAND_SECONDS = 60.0
"""The time limit of one statement on a separate connection, so that a server that does not answer is noticed."""
CONNECT_SECONDS = 10.0
"""The time limit of the first connection; it also suffices while all processes of a market start at once."""


async def connect_alone(url: str) -> asyncpg.Connection:
    """A separate connection, outside the pool, for one part of a process. Its statements raise TimeoutError and LockNotAvailableError."""
    return await asyncpg.connect(url, server_settings=dict(WAITS), command_timeout=COMMAND_SECONDS)


def schema_of(service: str) -> registry:
    """The registry of a service's row classes: ``class Row(SQLModel, registry=schema_of("quotes"))``. It already contains
    the tables outbox, inbox, requests and forgotten."""
    metadata = MetaData(schema=service, naming_convention=CONVENTION)
    outbox = Table(
        "outbox",
        metadata,
        Column("position", BigInteger, Identity(always=True), primary_key=True),
        Column("event_id", Text, nullable=False, unique=True),
        Column("topic", Text, nullable=False),
        Column("envelope", Text, nullable=False),
        Column("data", LargeBinary, nullable=False),
        Column("published_at", DateTime(timezone=True)),
        Column("set_aside_at", DateTime(timezone=True)),
        Column("set_aside_reason", Text),
    )
    Index("ix_outbox_unpublished", outbox.c.position, postgresql_where=outbox.c.published_at.is_(None))
    Table(
        "inbox",
        metadata,
        Column("event_id", Text, primary_key=True),
        Column("handled_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    )
    Table(
        "requests",
        metadata,
        Column("request_key", Text, primary_key=True),
        Column("answer", LargeBinary, nullable=False),
        Column("answered_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
        Column("caller", Text, nullable=False, server_default=""),
        Column("body_digest", LargeBinary, nullable=False, server_default=text("''::bytea")),
    )
    Table(
        "forgotten",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("before", DateTime(timezone=True), nullable=False),
    )
    return registry(metadata=metadata)


class Transaction:
    """One unit of work of one service. It commits if its block ends without an error; else nothing is kept.

    ``session`` is for rows, :meth:`raw` returns the asyncpg connection of the same transaction, :meth:`emit` is for
    events. ``now`` is the instant at which the work began; use it for every decision in the transaction.
    """

    def __init__(
        self,
        service: str,
        session: AsyncSession,
        now: datetime,
        cause: Cause,
        secret: bytes = b"",
        limits: EventLimits = OF_A_REQUEST,
    ) -> None:
        self.service = service
        self._secret = secret
        self.session = session
        self.now = now
        self.cause = cause
        self.limits = limits
        self._pending: list[Outgoing] = []

    async def raw(self) -> asyncpg.Connection:
        """The driver's connection, inside this transaction, for fast upserts and array statements."""
        connection = await self.session.connection()
        driver = (await connection.get_raw_connection()).driver_connection
        assert driver is not None
        return driver

    def emit(self, event: Event, *, event_id: str | None = None, cause: Cause | None = None) -> str:
        """Publish with the commit. Return the event's id (new unless given). Raise OutOfBounds, EventTooLarge."""
        event_id, cause = event_id or new_id(), cause or self.cause
        row = outbox_row(self.service, event, at=self.now, cause=cause, event_id=event_id, limits=self.limits)
        self._pending.append(row)
        return row[0]

    async def announce(self, channel: str, data: object) -> None:
        """Notify live pages directly after the commit (see :mod:`infra.live`). ``data`` is encoded as JSON, at most 7
        kB."""
        connection = await self.raw()
        await connection.execute(
            "select pg_notify('lonja_live', $1)", msgspec.json.encode({"channel": channel, "data": data}).decode()
        )

    @asynccontextmanager
    async def once(
        self,
        act: str,
        key: str,
        *,
        caller: str,
        body: object,
        answer: type[A],
        former_bodies: Sequence[object] = (),
    ) -> AsyncIterator[Once[A]]:
        """For a request that may be sent again under its ``key``; with "" it is always new. If the same request is
        running now, this one waits for it. ::

            async with tx.once("open", key, caller=organisation_id, body=wanted, answer=str) as once:
                if once.first:
                    once.answer = …
            return once.answer

        ``act`` says what is done, and to which thing. ``body`` is all that the request says, and nothing that may change by
        itself. ``former_bodies`` are forms of it by which the former release knows the request, if they differ: the first
        one is stored for the former release. A request that this release stored is compared by what was sent. ``answer`` is
        a text, or can be encoded as JSON. If the caller is unknown (""), only the body identifies the owner of the key.
        Raise KeyReused, and Outdated if another transaction stored an answer meanwhile without waiting for this one.
        """
        db = await self.raw()
        async with once(
            db,
            self.service,
            act,
            key,
            secret=self._secret,
            body=body,
            caller=caller,
            answer=answer,
            former_bodies=former_bodies,
        ) as request:
            yield request

    async def lock_name(self, name: str) -> None:
        """Lock a name: other transactions that lock it wait until this one ends. It is for things without a row to lock,
        such as a count."""
        await (await self.raw()).execute("select pg_advisory_xact_lock(hashtextextended($1, 0))", name)

    async def claim(self, event_ids: Sequence[str]) -> set[str]:
        """Mark incoming events as handled; return those that were not marked before. All claim in the same order, so that two
        transactions cannot deadlock."""
        connection = await self.raw()
        rows = await connection.fetch(
            f"insert into {self.service}.inbox (event_id) select unnest($1::text[]) on conflict do nothing returning event_id",
            sorted(event_ids),
        )
        return {row["event_id"] for row in rows}

    async def claimed(self, event_ids: Sequence[str]) -> set[str]:
        """Which of these events are marked as handled."""
        connection = await self.raw()
        rows = await connection.fetch(
            f"select event_id from {self.service}.inbox where event_id = any($1::text[])", list(event_ids)
        )
        return {row["event_id"] for row in rows}

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        """If the block fails, its rows and events are undone, and the transaction can go on."""
        await self.flush()
        async with self.session.begin_nested():
            try:
                yield
                await self.flush()
            except BaseException:
                self._pending.clear()
                raise

    async def flush(self) -> None:
        """Write rows and pending events. Called at the end; a handler needs it only to see its own rows in raw SQL."""
        await self.session.flush()
        if self._pending:
            pending, self._pending = self._pending, []
            await write_outbox(await self.raw(), self.service, pending)


def columns(rows: Iterable[Sequence[object]]) -> list[list[object]]:
    """The columns of these rows (at least one), for ``unnest``."""
    return [list(column) for column in zip(*rows, strict=True)]


def among(column: Any, values: Iterable[str]) -> ColumnElement[bool]:
    """A condition: the column has one of these texts. It takes any number of values; with ``in_`` each would be an
    argument, and a statement can have 32,767."""
    return cast(ColumnElement[bool], column == any_(bindparam(None, list(values), ARRAY(Text))))


def not_among(column: Any, values: Iterable[str]) -> ColumnElement[bool]:
    return cast(ColumnElement[bool], column != all_(bindparam(None, list(values), ARRAY(Text))))


async def write_expected(db: asyncpg.Connection, statement: str, *arguments: object) -> None:
    """Execute a statement that writes columns of one row, as long as it has the version that was read (whole rows:
    :mod:`infra.states`). Raise Outdated if the row has another version; then nothing is written."""
    done: str = await db.execute(statement, *arguments)
    if not done.endswith(" 1"):
        raise Outdated(f"{statement.split(' set ', 1)[0]}: the row has another version than the one that was read")


class _Session(Session):
    pass


@listens_for(_Session, "after_begin")
def _begin(session: Session, _: object, connection: SyncConnection) -> None:
    """SQLAlchemy's driver begins the transaction at the first statement: this statement comes first and takes the service's role."""
    connection.exec_driver_sql(f"set local role {session.info['role']}")


def _refuse_closed(_connection: object, record: ConnectionPoolEntry, _proxy: object) -> None:
    """Refuse a closed connection, so that SQLAlchemy takes another. Its own check asks the server each time, which
    costs a round trip and waits if the server is frozen."""
    driver = record.driver_connection
    if driver is not None and driver.is_closed():
        raise DisconnectionError("the server closed this connection")


class Database:
    """Connections of one process: an SQLAlchemy engine for rows and an asyncpg pool for hot paths."""

    def __init__(
        self,
        engine: AsyncEngine,
        pool: Connections,
        url: str,
        clock: Clock,
        secret: bytes = b"",
        roles: frozenset[str] = frozenset(),
    ) -> None:
        """``roles``: the services that have a role (see :mod:`infra.roles`)."""
        self.engine = engine
        self.pool = pool
        self.url = url
        self.roles = roles
        self.clock = clock
        self._secret = secret

    @classmethod
    async def connect(
        cls, url: str, clock: Clock, *, size: int = 10, waits: Mapping[str, str] = WAITS, secret: bytes = b""
    ) -> "Database":
        """``url`` is ``postgresql://user:password@host:port/name``; the ``secret`` is the key of the digests of requests. Raise
        NotRunning."""
        settings = dict(waits)
        engine = create_async_engine(
            url.replace("postgresql://", "postgresql+asyncpg://", 1),
            pool_size=KEPT_PER_SIZE * size,  # beyond it a connection would be opened for each use
            max_overflow=0,
            pool_use_lifo=True,
            hide_parameters=True,  # errors go to the log, and rows say who bids
            json_serializer=json_text,
            json_deserializer=msgspec.json.decode,
            connect_args={"server_settings": settings},
        )
        listen(engine.sync_engine, "checkout", _refuse_closed)
        try:
            held: dict[int, str] = {}

            async def init(connection: asyncpg.Connection) -> None:
                held.pop(connection.get_server_pid(), None)
                await _use_json(connection)

            async with asyncio.timeout(CONNECT_SECONDS):
                pool = await asyncpg.create_pool(url, min_size=1, max_size=size, init=init, server_settings=settings)
            roles = await usable(pool)
        except TimeoutError as failure:
            raise Frozen(f"PostgreSQL at {url.rpartition('@')[2]}") from failure
        except (OSError, asyncpg.PostgresError) as failure:
            raise NotRunning(f"PostgreSQL at {url.rpartition('@')[2]}") from failure
        return cls(engine, Connections(pool, NONE, held), url, clock, secret, roles)

    def of(self, service: str) -> "Database":
        """The same connections for one service, with the rights of its role."""
        if service not in self.roles:
            return self
        url = f"{self.url}{'&' if '?' in self.url else '?'}role={role_of(service)}"
        return Database(self.engine, self.pool.of(service), url, self.clock, self._secret, self.roles)

    async def close(self) -> None:
        await self.pool.close()
        await self.engine.dispose()

    @asynccontextmanager
    async def transaction(self, service: str, *, limits: EventLimits = OF_A_REQUEST) -> AsyncIterator[Transaction]:
        """``async with database.transaction("pools") as tx``: state, inbox mark and events commit together. ``limits``
        apply to each event."""
        role = role_of(service) if service in self.roles else NONE
        async with (
            self._connected() as connection,
            AsyncSession(
                connection, expire_on_commit=False, sync_session_class=_Session, info={"role": role}
            ) as session,
        ):
            tx = Transaction(service, session, self.clock(), current_cause(), self._secret, limits)
            yield tx
            await tx.flush()
            await session.commit()

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[AsyncConnection]:
        connection = await self.engine.connect()
        driver = (await connection.get_raw_connection()).driver_connection
        with in_use(driver):
            try:
                yield connection
            finally:
                await connection.close()


async def _use_json(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec("jsonb", encoder=json_text, decoder=msgspec.json.decode, schema="pg_catalog")


def json_text(value: object) -> str:
    """The value as JSON, for ``$1::text::jsonb``."""
    return msgspec.json.encode(value).decode()
