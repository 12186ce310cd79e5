"""Each process writes every two seconds that it is alive and the states of its parts. Every process that reports the
health of the market, on any host, reads these rows."""

import asyncio
import logging
import math
import socket
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from importlib.metadata import version
from operator import itemgetter

import asyncpg
import msgspec
from sqlalchemy import BigInteger, Boolean, Column, DateTime, Index, Integer, LargeBinary, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from infra.database import LOST, Database
from infra.deadline import Deadline
from infra.health import HEALTH, Condition
from infra.reading import listed
from infra.tasks import background

log = logging.getLogger(__name__)
EVERY = 2.0
"""Seconds between two writes of a process."""
SILENT = timedelta(seconds=15)
"""A process that did not write for this long, while others could, is dead, hangs, or cannot reach the database."""
GAP = SILENT / 2
"""If a process did not write for longer than this, the database may have been away, so this time does not count as
silence of any process. A shorter absence of the database, with the intervals before and after it, is shorter than
SILENT."""
GONE = timedelta(hours=1)
"""A process that has been silent for this long counts as removed on purpose. Its consumer groups are still observed."""
FORGOTTEN = timedelta(days=7)
"""The row of a process that has been silent for this long is deleted."""
RETIRED = ("lonja.views",)
"""Consumer groups that only former releases use. They are observed only while one of their processes is alive."""
REPLACED = timedelta(days=1)
"""The row of a process that has been silent for this long is deleted if each of its consumer groups has a member that
wrote since then."""
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


class RunningProcess(msgspec.Struct, frozen=True, kw_only=True):
    """The row of a process. ``process`` is host/kind/port. ``groups`` are its Kafka consumer groups. ``reads`` has the
    topics of each group; it is empty for a process of an older release. ``silent_for`` is measured by the database's
    clock."""

    process: str
    kind: str
    release: str
    groups: list[str]
    conditions: list[Condition]
    started_at: datetime
    silent_for: timedelta
    silent: bool = False
    """Whether it was silent for SILENT while another process wrote without a gap, which shows that the database was there."""
    ended: bool = False
    """Whether it wrote that it ended; then it does not count as missing."""
    reads: dict[str, list[str]] = {}

    @property
    def alive(self) -> bool:
        return not self.ended and self.silent_for < SILENT

    @property
    def missed(self) -> bool:
        """Whether it counts as missing."""
        return not self.ended and self.silent and self.silent_for < GONE

    @property
    def awaited(self) -> bool:
        """Whether it may be alive although it has not written, because the database was away: a living process writes
        within seconds after the database has returned."""
        return not self.ended and not self.alive and not self.silent


def process_name(kind: str, port: int) -> str:
    return f"{socket.gethostname()}/{kind}/{port}"


def topics_of_groups(rows: Iterable[RunningProcess]) -> dict[str, set[str] | None]:
    """Return the topics that each consumer group reads, according to its living processes or, if none is alive,
    according to the last rows of all. None for a group if one of these processes is of an older release, which does not
    write its topics."""
    known: dict[str, list[RunningProcess]] = {}
    for row in rows:
        for group in row.groups:
            known.setdefault(group, []).append(row)
    found: dict[str, set[str] | None] = {}
    for group in RETIRED:
        if not any(each.alive for each in known.get(group, ())):
            known.pop(group, None)
    for group, members in known.items():
        asked = [each for each in members if each.alive] or members
        written = [each.reads.get(group) for each in asked]
        found[group] = None if None in written else {topic for topics in written for topic in topics or ()}
    return found


@asynccontextmanager
async def reporting(
    database: Database, kind: str, port: int, reads: Mapping[str, Iterable[str]] | None = None
) -> AsyncIterator[None]:
    """Write this process's row for as long as the block runs. ``reads``: the topics that it reads, by consumer
    group."""
    process = process_name(kind, port)
    topics = {group: sorted(each) for group, each in (reads or {}).items()}
    try:
        async with background(_report(database.pool, process, kind, topics), name="report of this process"):
            yield
    finally:
        await _write_the_end(database.pool, process)


async def _write_the_end(pool: asyncpg.Pool, process: str) -> None:
    try:
        await pool.execute("update operations.processes set ended = true where process = $1", process, timeout=2)
    except (*LOST, TimeoutError) as error:
        log.warning("could not write that this process ended, so it will count as missing: %s", error)


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
            log.warning("could not write the state of this process: %r", error)
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
    """Delete the rows that FORGOTTEN and REPLACED describe."""
    await pool.execute(
        "delete from operations.processes where seen_at < now() - $1::interval or (seen_at < now() - $2::interval and"
        " groups <@ array(select unnest(groups) from operations.processes where seen_at >= now() - $2::interval))",
        FORGOTTEN,
        REPLACED,
        timeout=EVERY,
    )


async def read(connection: asyncpg.Pool | asyncpg.Connection) -> list[RunningProcess]:
    """Return the processes that wrote within FORGOTTEN, including dead ones, in order of kind and name. The health of this
    process names rows that it cannot read."""
    rows = await connection.fetch(
        "select process, kind, release, groups, conditions::text, reads::text, started_at, now() - seen_at as silent_for, ended,"
        " exists (select from operations.processes as other"
        " where other.seen_at - greatest(each.seen_at, other.writes_since) >= $2) as silent"
        " from operations.processes as each where seen_at > now() - $1::interval order by kind, process",
        FORGOTTEN,
        SILENT,
    )
    return listed("process", rows, itemgetter("process"), _running)


def _running(row: asyncpg.Record) -> RunningProcess:
    return RunningProcess(
        **{
            **row,
            "conditions": msgspec.json.decode(row["conditions"], type=list[Condition]),
            "reads": msgspec.json.decode(row["reads"], type=dict[str, list[str]]),
        }
    )
