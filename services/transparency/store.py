"""Rows of transparency: what was imported, with its originals, and the releases of this market.

An import writes by the thousand and a handler waits for nobody: everything here is one statement, with arrays where there are many.
"""

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import asyncpg
import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Identity, LargeBinary, Text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field

from events.accounts import OrganisationRegistered
from events.auctions import AuctionOpened, BidDisclosed
from infra.database import Database, Transaction, schema_rows
from services.transparency.candidates import Original

NAME = "transparency"
PAGE = 500
Row = schema_rows(NAME)
_json = msgspec.json.Encoder(decimal_format="number")
_exact = msgspec.json.Decoder(float_hook=Decimal)


class OriginalRow(Row, table=True):
    """A release or a CSV row as it was published, by the digest of its content; ``body`` is its JSON, compressed."""

    __tablename__ = "originals"

    digest: str = Field(primary_key=True, sa_type=Text)
    ocid: str = Field(sa_type=Text, index=True)
    source: str = Field(sa_type=Text)
    place: str = Field(sa_type=Text)
    publisher: str = Field(sa_type=Text)
    licence: str = Field(sa_type=Text)
    country: str | None = Field(default=None, sa_type=Text)
    released_at: str = Field(sa_type=Text)
    body: bytes = Field(sa_type=LargeBinary)


class SourceRow(Row, table=True):
    """How much of each publisher was imported; ``source`` is the prefix of its ids."""

    __tablename__ = "sources"

    source: str = Field(primary_key=True, sa_type=Text)
    publisher: str = Field(primary_key=True, sa_type=Text)
    licence: str = Field(primary_key=True, sa_type=Text)
    records: int = Field(sa_type=BigInteger)
    imported_at: datetime = Field(sa_type=DateTime(timezone=True))


class ImportedOrganisationRow(Row, table=True):
    """All that imports said of an organisation so far, as the event that said it last."""

    __tablename__ = "imported_organisations"

    organisation_id: str = Field(primary_key=True, sa_type=Text)
    event: bytes = Field(sa_type=LargeBinary)


class ToldRow(Row, table=True):
    """What was last told of an imported tender, bid, award or contract: a digest, so that nothing is told twice."""

    __tablename__ = "told"

    thing: str = Field(primary_key=True, sa_type=Text)
    digest: bytes = Field(sa_type=LargeBinary)


class PartyRow(Row, table=True):
    """Replica: the organisations of this market, for the particulars of parties."""

    __tablename__ = "parties"

    organisation_id: str = Field(primary_key=True, sa_type=Text)
    event: bytes = Field(sa_type=LargeBinary)


class DisclosedBidRow(Row, table=True):
    """Replica: the last bid of each participant, known since the close."""

    __tablename__ = "disclosed_bids"

    bid_id: str = Field(primary_key=True, sa_type=Text)
    auction_id: str = Field(sa_type=Text, index=True)
    event: bytes = Field(sa_type=LargeBinary)


class SessionRow(Row, table=True):
    """Replica: mini-auctions that run. ``told`` is the end that the feed has, ``closes_at`` the effective one."""

    __tablename__ = "sessions"

    auction_id: str = Field(primary_key=True, sa_type=Text)
    process_id: str = Field(sa_type=Text)
    opens_at: datetime = Field(sa_type=DateTime(timezone=True))
    closes_at: datetime = Field(sa_type=DateTime(timezone=True))
    told: datetime = Field(sa_type=DateTime(timezone=True))


class ReleaseRow(Row, table=True):
    """An OCDS release of this market. Never changed; ``position`` is its place in the feed (see :func:`publish`)."""

    __tablename__ = "releases"

    release_id: str = Field(primary_key=True, sa_type=Text)
    position: int | None = Field(
        default=None, sa_column=Column(BigInteger, Identity(always=True), nullable=False, unique=True)
    )
    ocid: str = Field(sa_type=Text, index=True)
    process_id: str = Field(sa_type=Text)
    tags: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    released_at: datetime = Field(sa_type=DateTime(timezone=True))
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))


class ImportedSource(msgspec.Struct, frozen=True, kw_only=True):
    source: str
    publisher: str
    licence: str
    records: int
    imported_at: datetime


class Published(msgspec.Struct, frozen=True):
    """A release of the feed: its position, and its JSON."""

    position: int
    released_at: datetime
    release: msgspec.Raw


class FeedState(msgspec.Struct, frozen=True, kw_only=True):
    releases: int
    processes: int
    position: int
    released_at: datetime | None


# Imports


async def one_import_at_a_time(tx: Transaction) -> None:
    """Until the commit: two imports of the same file then agree on what is new."""
    await (await tx.raw()).execute("select pg_advisory_xact_lock(hashtextextended('transparency/import', 0))")


async def known_originals(tx: Transaction, digests: Sequence[str]) -> set[str]:
    rows = await (await tx.raw()).fetch(
        "select digest from transparency.originals where digest = any($1::text[])", digests
    )
    return {row["digest"] for row in rows}


async def known_processes(tx: Transaction, ocids: Collection[str]) -> set[str]:
    """Those of these ocids of which a record is kept."""
    rows = await (await tx.raw()).fetch(
        "select distinct ocid from transparency.originals where ocid = any($1::text[])", list(ocids)
    )
    return {row["ocid"] for row in rows}


async def originals_of(tx: Transaction, ocids: Sequence[str]) -> dict[str, list[Original]]:
    """The records kept of these processes of other markets."""
    rows = await (await tx.raw()).fetch(
        'select digest, ocid, source, place as "where", publisher, licence, country, released_at, body'
        " from transparency.originals where ocid = any($1::text[])",
        ocids,
    )
    found: dict[str, list[Original]] = {}
    for row in rows:
        found.setdefault(row["ocid"], []).append(Original(**row))
    return found


async def keep_originals(tx: Transaction, originals: Sequence[Original]) -> None:
    """Keep them, and count them under their source."""
    connection = await tx.raw()
    columns = ("digest", "ocid", "source", "where", "publisher", "licence", "country", "released_at", "body")
    await connection.execute(
        "insert into transparency.originals (digest, ocid, source, place, publisher, licence, country, released_at, body)"
        " select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],"
        " $9::bytea[])",
        *([getattr(original, name) for original in originals] for name in columns),
    )
    await connection.execute(
        "insert into transparency.sources as old (source, publisher, licence, records, imported_at)"
        " select source, publisher, licence, count(*), $4 from unnest($1::text[], $2::text[], $3::text[])"
        " as new (source, publisher, licence) group by 1, 2, 3 on conflict (source, publisher, licence)"
        " do update set records = old.records + excluded.records, imported_at = excluded.imported_at",
        *([getattr(original, name) for original in originals] for name in ("source", "publisher", "licence")),
        tx.now,
    )


async def imported_organisations(tx: Transaction, ids: Sequence[str]) -> dict[str, OrganisationRegistered]:
    return await _organisations(tx, "imported_organisations", ids)


async def keep_imported_organisations(tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
    await _keep_organisations(tx, "imported_organisations", events)


async def told(tx: Transaction, things: Sequence[str]) -> dict[str, bytes]:
    rows = await (await tx.raw()).fetch(
        "select thing, digest from transparency.told where thing = any($1::text[])", things
    )
    return {row["thing"]: row["digest"] for row in rows}


async def keep_told(tx: Transaction, digests: Mapping[str, bytes]) -> None:
    await (await tx.raw()).execute(
        "insert into transparency.told (thing, digest) select * from unnest($1::text[], $2::bytea[])"
        " on conflict (thing) do update set digest = excluded.digest",
        list(digests),
        list(digests.values()),
    )


async def imported_sources(tx: Transaction) -> list[ImportedSource]:
    rows = await (await tx.raw()).fetch("select * from transparency.sources order by records desc, source, publisher")
    return [ImportedSource(**dict(row)) for row in rows]


# Replicas


async def parties(tx: Transaction, ids: Iterable[str]) -> dict[str, OrganisationRegistered]:
    return await _organisations(tx, "parties", list(ids))


async def keep_parties(tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
    """The later particulars hold."""
    await _keep_organisations(tx, "parties", list({event.organisation_id: event for event in events}.values()))


async def keep_bid(tx: Transaction, event: BidDisclosed) -> None:
    await (await tx.raw()).execute(
        "insert into transparency.disclosed_bids (bid_id, auction_id, event) values ($1, $2, $3) on conflict do nothing",
        event.bid_id,
        event.auction_id,
        msgspec.json.encode(event),
    )


async def disclosed_bids(tx: Transaction, auction_id: str) -> list[BidDisclosed]:
    rows = await (await tx.raw()).fetch(
        "select event from transparency.disclosed_bids where auction_id = $1", auction_id
    )
    return [msgspec.json.decode(row["event"], type=BidDisclosed) for row in rows]


class Session(msgspec.Struct, frozen=True):
    auction_id: str
    process_id: str
    opens_at: datetime
    closes_at: datetime


async def open_session(tx: Transaction, event: AuctionOpened) -> None:
    await (await tx.raw()).execute(
        "insert into transparency.sessions (auction_id, process_id, opens_at, closes_at, told) values ($1, $2, $3, $4, $4)"
        " on conflict do nothing",
        event.auction_id,
        event.pool_id or event.auction_id,
        event.opens_at,
        event.closes_at,
    )


async def move_end(tx: Transaction, auction_id: str, closes_at: datetime) -> None:
    await (await tx.raw()).execute(
        "update transparency.sessions set closes_at = $2 where auction_id = $1", auction_id, closes_at
    )


async def close_session(tx: Transaction, auction_id: str) -> None:
    await (await tx.raw()).execute("delete from transparency.sessions where auction_id = $1", auction_id)


async def lock_moved(tx: Transaction, limit: int, but: Sequence[str] = ()) -> list[Session]:
    """Sessions whose end is another than the feed has."""
    rows = await (await tx.raw()).fetch(
        "select auction_id, process_id, opens_at, closes_at from transparency.sessions"
        " where closes_at <> told and auction_id <> all($2::text[]) order by auction_id limit $1 for update skip locked",
        limit,
        but,
    )
    return [Session(**row) for row in rows]


async def set_told(tx: Transaction, auction_ids: Sequence[str]) -> None:
    """The feed has the ends of these sessions as they are now."""
    await (await tx.raw()).execute(
        "update transparency.sessions set told = closes_at where auction_id = any($1::text[])", auction_ids
    )


async def _organisations(tx: Transaction, table: str, ids: Sequence[str]) -> dict[str, OrganisationRegistered]:
    rows = await (await tx.raw()).fetch(
        f"select organisation_id, event from transparency.{table} where organisation_id = any($1::text[])", ids
    )
    return {row["organisation_id"]: msgspec.json.decode(row["event"], type=OrganisationRegistered) for row in rows}


async def _keep_organisations(tx: Transaction, table: str, events: Sequence[OrganisationRegistered]) -> None:
    await (await tx.raw()).execute(
        f"insert into transparency.{table} (organisation_id, event) select * from unnest($1::text[], $2::bytea[])"
        " on conflict (organisation_id) do update set event = excluded.event",
        [event.organisation_id for event in events],
        [msgspec.json.encode(event) for event in events],
    )


# The feed


async def publish(tx: Transaction, process_id: str, release: Mapping[str, Any], released_at: datetime) -> bool:
    """Add a release to the feed; False where it is there already.

    A sequence gives numbers in the order of asking, and transactions commit in another: a reader that has seen 8 could miss 7
    for ever. So whoever publishes holds one lock from before the number is drawn until its commit. Then positions become
    visible in their order, and "since the last I saw" loses nothing. A rolled-back transaction leaves a gap, which is no loss.
    """
    connection = await tx.raw()
    await connection.execute("select pg_advisory_xact_lock(hashtextextended('transparency/feed', 0))")
    position = await connection.fetchval(
        "insert into transparency.releases (release_id, ocid, process_id, tags, released_at, body)"
        " values ($1, $2, $3, $4::text[], $5, $6::text::jsonb) on conflict do nothing returning position",
        release["id"],
        release["ocid"],
        process_id,
        list(release["tag"]),
        released_at,
        _json.encode(release).decode(),
    )
    return position is not None


async def history(tx: Transaction, ocid: str) -> list[dict[str, Any]]:
    """All releases of a process of this market, oldest first, numbers as Decimal."""
    rows = await (await tx.raw()).fetch(
        "select body::text as body from transparency.releases where ocid = $1 order by position", ocid
    )
    return [_exact.decode(row["body"]) for row in rows]


async def release(tx: Transaction, release_id: str) -> Published | None:
    rows = await (await tx.raw()).fetch(f"{_FEED} where release_id = $1", release_id)
    return _published(rows[0]) if rows else None


async def feed(tx: Transaction, since: int, limit: int) -> list[Published]:
    """Releases behind the position ``since``, in order."""
    rows = await (await tx.raw()).fetch(f"{_FEED} where position > $1 order by position limit $2", since, limit)
    return [_published(row) for row in rows]


async def all_releases(database: Database) -> AsyncIterator[bytes]:
    """The JSON of every release there is now, in feed order. Read page by page, so that a slow reader holds no connection;
    as releases never change and none appears behind a position, the pages fit together."""
    last = await database.pool.fetchval("select coalesce(max(position), 0) from transparency.releases")
    position = 0
    while position < last:
        rows = await database.pool.fetch(
            f"{_FEED} where position > $1 and position <= $2 order by position limit {PAGE}", position, last
        )
        for row in rows:
            yield row["body"].encode()
        position = rows[-1]["position"] if rows else last


async def feed_state(tx: Transaction) -> FeedState:
    row = await (await tx.raw()).fetchrow(
        "select count(*) as releases, count(distinct ocid) as processes, coalesce(max(position), 0) as position,"
        " max(released_at) as released_at from transparency.releases"
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


def _published(row: asyncpg.Record) -> Published:
    return Published(row["position"], row["released_at"], msgspec.Raw(row["body"].encode()))
