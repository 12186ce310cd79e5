"""Delete old rows of the common tables, and of tables that a service names, in small steps, so that no table grows
without bound. docs/operating.md says what is kept for how long, and why.

A sweep goes over a table page by page, so that a step costs the same for any size of the table, needs no index, and
locks only rows that are not read any more. The age of a row is measured by the clock of the database, which also wrote
the times in the row.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from functools import partial

import asyncpg

from infra.config import Keep
from infra.database import Transaction
from infra.metrics import ROWS_PRUNED
from infra.service import Prune, Service, Timer

PAGES = 64
"""Pages that one step examines: half a megabyte."""
REST_SECONDS = 0.1
"""Seconds between two steps."""
EVERY_SECONDS = 600.0
"""Seconds between two sweeps."""
KEPT_FOR_A_BACKUP = timedelta(hours=2)
"""A published event is kept at least this long, even if the outbox has more rows than it should. A backup reads the ends
of the topics first and copies the database later; only the outbox has the events that were published in between."""


class Pruner:
    """The sweeps over the common tables of one service and over its ``own`` tables. ``topics`` are the topics that the
    service consumes."""

    def __init__(self, service: str, topics: Sequence[str], keep: Keep, own: Sequence[Prune] = ()) -> None:
        self._service = service
        self._topics = list(topics)
        self._keep = keep
        self._sweeps: list[tuple[str, Callable[[asyncpg.Connection], Awaitable[int]]]] = [
            ("outbox", self._prune_outbox),
            ("inbox", self._prune_inbox),
            ("requests", self._prune_requests),
            *((each.table, partial(self._prune_own, each)) for each in own),
        ]
        self._table = 0
        self._page = 0

    async def step(self, tx: Transaction) -> int:
        """Examine the next pages and delete the rows that are too old. Return 0 after the last page of the last table,
        otherwise a number above 0: there is more to do."""
        db = await tx.raw()
        table, prune = self._sweeps[self._table]
        pages = await db.fetchval(
            "select pg_relation_size($1::text::regclass) / current_setting('block_size')::int",
            f"{self._service}.{table}",
        )
        if self._page >= pages:
            self._page, self._table = 0, (self._table + 1) % len(self._sweeps)
            return 1 if self._table else 0
        ROWS_PRUNED.labels(self._service, table).inc(await prune(db))
        self._page += PAGES
        return PAGES

    async def _prune_outbox(self, db: asyncpg.Connection) -> int:
        """Delete rows that were published too long ago, and the oldest published rows if there are too many. Keep rows
        that were not published, and rows that were set aside, even if a person dismissed them."""
        newest = await db.fetchval(f"select max(position) from {self._service}.outbox")
        return await self._delete(
            db,
            "outbox",
            "set_aside_at is null and"
            " (published_at < now() - $3::interval or published_at < now() - $5::interval and position <= $4)",
            timedelta(days=self._keep.published_days),
            (newest or 0) - self._keep.published_rows,
            KEPT_FOR_A_BACKUP,
        )

    async def _prune_inbox(self, db: asyncpg.Connection) -> int:
        """Delete old claims. For :mod:`infra.beginning`, store for each topic the time before which claims were
        deleted."""
        age = timedelta(days=self._keep.claims_days)
        gone = await self._delete(db, "inbox", "handled_at < now() - $3::interval", age)
        if gone:
            await db.execute(
                f"insert into {self._service}.forgotten (topic, before) select unnest($1::text[]), now() - $2::interval"
                " on conflict (topic) do update set before = excluded.before",
                self._topics,
                age,
            )
        return gone

    async def _prune_requests(self, db: asyncpg.Connection) -> int:
        age = timedelta(days=self._keep.answers_days)
        return await self._delete(db, "requests", "answered_at < now() - $3::interval", age)

    async def _prune_own(self, each: Prune, db: asyncpg.Connection) -> int:
        return await self._delete(db, each.table, each.over, *([each.age(self._keep)] if each.age else []))

    async def _delete(self, db: asyncpg.Connection, table: str, condition: str, *values: object) -> int:
        """Delete the rows that meet the condition in the pages of this step. Return their number."""
        done = await db.execute(
            f"delete from {self._service}.{table} where ctid >= $1 and ctid < $2 and ({condition})",
            (self._page, 0),
            (self._page + PAGES, 0),
            *values,
        )
        return int(done.removeprefix("DELETE "))


def timer(service: Service, keep: Keep) -> Timer:
    """Return the timer that prunes the tables of the service."""
    topics = {*service.reactions.topics, *(topic for view in service.views for topic in view.reactions.topics)}
    return Timer("prune", EVERY_SECONDS, Pruner(service.name, sorted(topics), keep, service.prunes).step, REST_SECONDS)
