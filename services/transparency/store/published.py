"""Reads the feed: the releases of this market, in an order that never changes. SQL is written by hand here for lists,
aggregates and JSON."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec

from infra.database import Database, Transaction

AT_ONCE = 20
"""Releases per statement. The largest release that the market can make has half a megabyte."""
LARGEST_ANSWER = 4_000_000
"""The most bytes of releases in one answer. The first release is included whatever its size."""
_exact = msgspec.json.Decoder(float_hook=Decimal)


class PublishedRelease(msgspec.Struct, frozen=True):
    """A release of the feed: its position, and its JSON."""

    position: int
    released_at: datetime
    release: msgspec.Raw


class FeedState(msgspec.Struct, frozen=True, kw_only=True):
    """``position`` and ``released_at`` are those of the last release; 0 and None without any."""

    releases: int
    processes: int
    position: int
    released_at: datetime | None


async def history(tx: Transaction, ocid: str) -> list[str]:
    """All releases of a process of this market as JSON, oldest first: see :func:`decoded`."""
    rows = await (await tx.raw()).fetch(
        "select body::text as body from transparency.releases where ocid = $1 order by position", ocid
    )
    return [row["body"] for row in rows]


def decoded(bodies: Sequence[str]) -> list[dict[str, Any]]:
    """The releases, with numbers as Decimal."""
    return [_exact.decode(body) for body in bodies]


async def release(tx: Transaction, release_id: str) -> PublishedRelease | None:
    rows = await (await tx.raw()).fetch(f"{_FEED} where release_id = $1", release_id)
    return _published(rows[0]) if rows else None


async def feed(tx: Transaction, since: int, limit: int) -> list[PublishedRelease]:
    """Releases after the position ``since``, in order: at most ``limit``, and at most the bytes of an answer."""
    connection = await tx.raw()
    found: list[PublishedRelease] = []
    size = 0
    while len(found) < limit:
        rows = await connection.fetch(
            f"{_FEED} where position > $1 order by position limit $2",
            found[-1].position if found else since,
            min(AT_ONCE, limit - len(found)),
        )
        for each in map(_published, rows):
            size += len(bytes(each.release))
            if found and size > LARGEST_ANSWER:
                return found
            found.append(each)
        if len(rows) < AT_ONCE:
            break
    return found


async def count_releases(database: Database) -> int:
    found: int = await database.pool.fetchval("select count(*) from transparency.releases")
    return found


async def all_releases(database: Database) -> AsyncIterator[bytes]:
    """The JSON of every current release, in feed order. It is read page by page, so that a slow reader keeps no
    connection. The pages fit together because releases never change and are added only at the end."""
    last = await database.pool.fetchval("select coalesce(max(position), 0) from transparency.releases")
    position = 0
    while position < last:
        rows = await database.pool.fetch(
            f"{_FEED} where position > $1 and position <= $2 order by position limit {AT_ONCE}", position, last
        )
        for row in rows:
            yield row["body"].encode()
        position = rows[-1]["position"] if rows else last


async def feed_state(tx: Transaction) -> FeedState:
    row = await (await tx.raw()).fetchrow(
        "select releases, processes, coalesce(position, 0) as position, released_at from transparency.feed_figures left join"
        " (select position, released_at from transparency.releases order by position desc limit 1) as last on true"
    )
    return FeedState(**dict(row))


async def latest(tx: Transaction, limit: int) -> list[dict[str, Any]]:
    """The newest releases, with position, id, ocid, tags, time and the title of what is bought."""
    rows = await (await tx.raw()).fetch(
        "select position, release_id, ocid, tags, released_at, coalesce(body->'tender'->>'title', body->'awards'->0->>'title',"
        " body->'contracts'->0->>'title', '') as title from transparency.releases order by position desc limit $1",
        limit,
    )
    return [dict(row) for row in rows]


_FEED = "select position, released_at, body::text as body from transparency.releases"


def _published(row: asyncpg.Record) -> PublishedRelease:
    return PublishedRelease(row["position"], row["released_at"], msgspec.Raw(row["body"].encode()))
