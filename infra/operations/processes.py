"""Each process writes every two seconds that it is alive and the states of its parts. Every process that judges the
market, on any host, reads these rows."""

import asyncio
import logging
import math
import socket
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from importlib.metadata import version

import asyncpg
import msgspec
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from infra.database import LOST, Database
from infra.deadline import Deadline
from infra.health import HEALTH, Condition
from infra.tasks import background

log = logging.getLogger(__name__)
EVERY = 2.0
SILENT = timedelta(seconds=15)
"""A process that did not write for this long, while others could, hangs, is dead, or cannot reach the database."""
GAP = SILENT / 2
"""If a process has not written for longer than this, the database may have been away: that time does not count as
silence of any process. A shorter absence, including the intervals before and after it, makes no process silent for
SILENT."""
GONE = timedelta(hours=1)
"""A process that did not return for this long was removed on purpose. Its consumer groups are still observed."""
FORGOTTEN = timedelta(days=7)
RETIRED = ("lonja.views",)
"""Groups of former releases that were replaced by others: they are observed while such a release still runs, and are
not used afterwards."""
REPLACED = timedelta(days=1)
"""A process that has been silent for this long is deleted if its consumer groups, if it has any, have newer members."""
FORGET_EVERY = timedelta(hours=1)

METADATA = MetaData(schema="operations")
Table(
    "processes",
    METADATA,
    Column("process", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("release", Text, nullable=False),
    Column("groups", ARRAY(Text), nullable=False),
    Column("conditions", JSONB, nullable=False),
    Column("started_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("seen_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
    Column("ended", Boolean, nullable=False, server_default=text("false")),
    Column("reads", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("writes_since", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)
Table(
    "resumes",
    METADATA,
    Column("part", Text, primary_key=True),
    Column("asked_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)
Table(
    "given_up",
    METADATA,
    Column("topic", Text, primary_key=True),
    Column("partition", Integer, primary_key=True, autoincrement=False),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("event_id", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("given_up_at", DateTime(timezone=True), nullable=False, server_default=text("now()")),
)
Table(
    "answers",
    METADATA,
    Column("answer", LargeBinary, primary_key=True),
    Column("owner", LargeBinary, nullable=False),
    Column("sender", Text, nullable=False),
    Column("visitor", Boolean, nullable=False),
    Column("page", LargeBinary, nullable=False),
    Column("bytes", Integer, nullable=False),
    Column("kept_until", DateTime(timezone=True), nullable=False),
    *(Index(f"ix_answers_{column}", column) for column in ("owner", "sender", "kept_until")),
    prefixes=["unlogged"],
)


class Process(msgspec.Struct, frozen=True, kw_only=True):
    """``process`` is host/kind/port; ``groups`` are its Kafka consumer groups, and ``reads`` their topics, which a
    process of an older release does not write; ``silent_for`` is measured by the database's clock."""

    process: str
    kind: str
    release: str
    groups: list[str]
    conditions: list[Condition]
    started_at: datetime
    silent_for: timedelta
    silent: bool = False
    """Whether it was silent for SILENT while another process wrote without a gap, so that the database was not away."""
    ended: bool = False
    """Whether it ended in order, so that it is not missing."""
    reads: dict[str, list[str]] = {}

    @property
    def alive(self) -> bool:
        return not self.ended and self.silent_for < SILENT

    @property
    def missed(self) -> bool:
        return not self.ended and self.silent and self.silent_for < GONE

    @property
    def awaited(self) -> bool:
        """It has not written, but perhaps it could not: a living process writes within seconds after the database has
        returned."""
        return not self.ended and not self.alive and not self.silent


def named(kind: str, port: int) -> str:
    return f"{socket.gethostname()}/{kind}/{port}"


def topics_of_groups(rows: Iterable[Process]) -> dict[str, set[str] | None]:
    """The topics that each consumer group reads, according to its living processes, or, if none is alive, according to
    their last rows. None: a process of an older release does not say it."""
    known: dict[str, list[Process]] = {}
    for row in rows:
        for group in row.groups:
            known.setdefault(group, []).append(row)
    found: dict[str, set[str] | None] = {}
    for group in RETIRED:
        if not any(each.alive for each in known.get(group, ())):
            known.pop(group, None)
    for group, members in known.items():
        told = [each.reads.get(group) for each in members if each.alive] or [each.reads.get(group) for each in members]
        found[group] = None if None in told else {topic for topics in told for topic in topics or ()}
    return found


@asynccontextmanager
async def reporting(
    database: Database, kind: str, port: int, reads: Mapping[str, Iterable[str]] | None = None
) -> AsyncIterator[None]:
    """Write this process's row for as long as the block runs. ``reads``: the topics that it reads, by consumer
    group."""
    process = named(kind, port)
    topics = {group: sorted(each) for group, each in (reads or {}).items()}
    try:
        async with background(_report(database.pool, process, kind, topics), name="report of this process"):
            yield
    finally:
        await _say_that_it_ends(database.pool, process)


async def _say_that_it_ends(pool: asyncpg.Pool, process: str) -> None:
    try:
        await pool.execute("update operations.processes set ended = true where process = $1", process, timeout=2)
    except (*LOST, TimeoutError) as error:
        log.warning("this process will be missed: that it ends was not written down: %s", error)


async def _report(pool: asyncpg.Pool, process: str, kind: str, reads: dict[str, list[str]]) -> None:
    first = True
    forgot_at = -math.inf
    while True:
        try:
            async with Deadline(EVERY):
                await _write(pool, process, kind, reads, first=first)
            first = False
            if time.monotonic() - forgot_at > FORGET_EVERY.total_seconds():
                await forget(pool)
                forgot_at = time.monotonic()
        except (*LOST, TimeoutError) as error:
            log.warning("the state of this process was not written down: %r", error)
        await asyncio.sleep(EVERY)


async def _write(pool: asyncpg.Pool, process: str, kind: str, reads: dict[str, list[str]], *, first: bool) -> None:
    await pool.execute(
        "insert into operations.processes (process, kind, release, groups, conditions, reads) values ($1, $2, $3, $4, $5, $7)"
        " on conflict (process) do update set conditions = excluded.conditions, groups = excluded.groups,"
        " reads = excluded.reads, release = excluded.release, seen_at = now(), ended = false,"
        " started_at = case when $6 then now() else processes.started_at end,"
        " writes_since = case when now() - processes.seen_at > $8 then now() else processes.writes_since end",
        process,
        kind,
        version("lonja"),
        sorted(reads),
        list(HEALTH),
        first,
        reads,
        GAP,
    )


async def forget(pool: asyncpg.Pool) -> None:
    """Delete the rows of processes that are not observed any more."""
    await pool.execute(
        "delete from operations.processes where seen_at < now() - $1::interval or (seen_at < now() - $2::interval and"
        " groups <@ array(select unnest(groups) from operations.processes where seen_at >= now() - $2::interval))",
        FORGOTTEN,
        REPLACED,
        timeout=EVERY,
    )


async def read(connection: asyncpg.Pool | asyncpg.Connection) -> list[Process]:
    """All processes of the last days, including dead ones, by kind and name."""
    rows = await connection.fetch(
        "select process, kind, release, groups, conditions::text, reads::text, started_at, now() - seen_at as silent_for, ended,"
        " exists (select from operations.processes as other"
        " where other.seen_at - greatest(each.seen_at, other.writes_since) >= $2) as silent"
        " from operations.processes as each where seen_at > now() - $1::interval order by kind, process",
        FORGOTTEN,
        SILENT,
    )
    return [
        Process(
            **{
                **row,
                "conditions": msgspec.json.decode(row["conditions"], type=list[Condition]),
                "reads": msgspec.json.decode(row["reads"], type=dict[str, list[str]]),
            }
        )
        for row in rows
    ]
