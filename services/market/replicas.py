"""Copies of what other services announced. Every service that needs one uses the same code: a table in the service's
own schema, the reactions that fill it, and the queries on it.

A store creates each replica once, ``organisations = OrganisationReplicas(Row.metadata)``, and the service starts its own
reactions with the replica's ``reactions``. ``body`` is the event as it arrived. Events that arrive together are written
in one statement, and repeating it changes nothing.

SQL is written by hand here for arrays, upserts and JSON.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import date, datetime
from functools import cached_property
from operator import itemgetter
from typing import Protocol, TypeVar

import asyncpg
import msgspec
from sqlalchemy import Boolean, Column, Index, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from catalogue.calendar import RegionCalendar
from events.accounts import OrganisationRegistered, OrganisationStateChanged
from events.catalogue import SkuArchived, SkuPublished
from events.codec import Event
from events.observatory import ReferencePricePublished, ReferencePriceWithdrawn
from infra.database import Transaction, columns
from infra.listing import COUNTED, OF_WORDS, as_query
from infra.reactions import Reactions
from infra.reading import listed, read_one

WORDS_OF_NAME = "to_tsvector('simple', body->>'name')"


class OrganisationReplicas:
    """Every organisation as it was last announced, with its last announced state."""

    def __init__(self, metadata: MetaData) -> None:
        self._table = Table(
            "organisations",
            metadata,
            Column("organisation_id", Text, primary_key=True),
            Column("state", Text, nullable=False),
            Column("body", JSONB, nullable=False),
        ).fullname

    @cached_property
    def reactions(self) -> Reactions:
        reactions = Reactions()
        reactions.many(OrganisationRegistered, self.put_all)
        reactions.many(OrganisationStateChanged, self.set_states)
        return reactions

    async def put_all(self, tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
        """Write the organisations. If one is known already, the later particulars replace the earlier ones, and its
        state stays as it was last announced.

        Organisations of other markets are left out, because they do not act in this market.
        """
        ours = [event for event in events if event.source is None]
        first = {event.organisation_id: event for event in reversed(ours)}
        last = {event.organisation_id: event for event in ours}
        if not last:
            return
        await (await tx.raw()).execute(
            f"insert into {self._table} (organisation_id, state, body)"
            " select id, state, body::jsonb from unnest($1::text[], $2::text[], $3::text[]) as told (id, state, body)"
            " on conflict (organisation_id) do update set body = excluded.body",
            list(last),
            [first[organisation_id].state for organisation_id in last],
            _json(last.values()),
        )

    async def set_states(self, tx: Transaction, events: Sequence[OrganisationStateChanged]) -> None:
        last = {event.organisation_id: event.state for event in events}
        await (await tx.raw()).execute(
            f"update {self._table} set state = told.state from unnest($1::text[], $2::text[]) as told (id, state)"
            " where organisation_id = told.id",
            list(last),
            list(last.values()),
        )

    async def get(
        self, db: asyncpg.Connection, organisation_id: str, *, lock: bool = False
    ) -> OrganisationRegistered | None:
        """Return the organisation, or None. With ``lock`` its state cannot change until this transaction ends. Raise
        UnreadableRow."""
        row = await db.fetchrow(
            f"select organisation_id, state, body::text as body from {self._table} where organisation_id = $1"
            + (" for share" if lock else ""),
            organisation_id,
        )
        return self._read(row) if row else None

    async def get_all(
        self, db: asyncpg.Connection, organisation_ids: Iterable[str]
    ) -> dict[str, OrganisationRegistered]:
        """Return the organisations by id. An organisation that accounts has not announced yet is absent. Raise
        UnreadableRow."""
        rows = await db.fetch(
            f"select organisation_id, state, body::text as body from {self._table} where organisation_id = any($1::text[])",
            list(organisation_ids),
        )
        return {row["organisation_id"]: self._read(row) for row in rows}

    async def states(self, db: asyncpg.Connection, organisation_ids: Iterable[str]) -> dict[str, str]:
        """Return the states by organisation id. An organisation that accounts has not announced yet is absent."""
        rows = await db.fetch(
            f"select organisation_id, state from {self._table} where organisation_id = any($1::text[])",
            list(organisation_ids),
        )
        return {row["organisation_id"]: row["state"] for row in rows}

    async def names(self, db: asyncpg.Connection, organisation_ids: Iterable[str]) -> dict[str, str]:
        """Return the names by organisation id, in the given order. If accounts has not announced the organisation yet,
        its name is its id."""
        wanted = list(organisation_ids)
        rows = await db.fetch(
            f"select organisation_id, body->>'name' as name from {self._table} where organisation_id = any($1::text[])",
            wanted,
        )
        known = {row["organisation_id"]: row["name"] for row in rows}
        return {each: known.get(each) or each for each in wanted}

    def _read(self, row: asyncpg.Record) -> OrganisationRegistered:
        return read_one(self._table, row["organisation_id"], _organisation, row)


def _organisation(row: asyncpg.Record) -> OrganisationRegistered:
    known = msgspec.json.decode(row["body"], type=OrganisationRegistered)
    return msgspec.structs.replace(known, state=row["state"])


class Skus:
    """The newest published version of every SKU. With ``searched``, an index of words makes SKUs findable by name."""

    def __init__(self, metadata: MetaData, *, searched: bool = False) -> None:
        words = [Index("ix_skus_words", text(WORDS_OF_NAME), postgresql_where=text("not archived"), **OF_WORDS)]
        self._table = Table(
            "skus",
            metadata,
            Column("sku_id", Text, primary_key=True),
            Column("version", Integer, nullable=False),
            Column("archived", Boolean, nullable=False, server_default=text("false")),
            Column("body", JSONB, nullable=False),
            *(words if searched else []),
        ).fullname

    @cached_property
    def reactions(self) -> Reactions:
        reactions = Reactions()
        reactions.many(SkuPublished, self.put_all)
        reactions.many(SkuArchived, self.archive_all)
        return reactions

    async def put_all(self, tx: Transaction, events: Sequence[SkuPublished]) -> None:
        """Write the newest version of each SKU. A version that arrives late changes nothing; a new version of an
        archived SKU brings it back."""
        newest = newest_by(events, lambda event: event.sku_id)
        await (await tx.raw()).execute(
            f"insert into {self._table} as old (sku_id, version, body)"
            " select id, version, body::jsonb from unnest($1::text[], $2::int[], $3::text[]) as told (id, version, body)"
            " on conflict (sku_id) do update set version = excluded.version, archived = false, body = excluded.body"
            " where old.version < excluded.version",
            list(newest),
            [event.version for event in newest.values()],
            _json(newest.values()),
        )

    async def archive_all(self, tx: Transaction, events: Sequence[SkuArchived]) -> None:
        await (await tx.raw()).execute(
            f"update {self._table} set archived = true where sku_id = any($1::text[])",
            [event.sku_id for event in events],
        )

    async def get(self, db: asyncpg.Connection, sku_ids: Iterable[str]) -> dict[str, SkuPublished]:
        """Return the SKUs that may be bought, by id. Archived and unknown SKUs are absent. Raise UnreadableRow, because
        a SKU that this release cannot read must not count as absent."""
        rows = await db.fetch(
            f"select sku_id, body::text as body from {self._table} where sku_id = any($1::text[]) and not archived",
            list(sku_ids),
        )
        return {row["sku_id"]: read_one(self._table, row["sku_id"], _sku, row) for row in rows}

    async def named(self, db: asyncpg.Connection, words: str, limit: int = 8) -> list[SkuPublished]:
        """Return the SKUs whose names contain all the words, or longer words that begin with them, in upper or lower
        case. The shortest names come first, as long as no more than COUNTED names match."""
        rows = await db.fetch(
            f"select sku_id, body::text as body from (select sku_id, body, body->>'name' as name from {self._table} where not archived"
            f" and {WORDS_OF_NAME} @@ to_tsquery('simple', $1) limit {COUNTED}) found order by length(name), name limit $2",
            as_query(words),
            limit,
        )
        return listed(self._table, rows, itemgetter("sku_id"), _sku)


def _sku(row: asyncpg.Record) -> SkuPublished:
    return msgspec.json.decode(row["body"], type=SkuPublished)


class ReferencePrices:
    """The newest reference price of every SKU for each place and currency. Items without a SKU are left out."""

    def __init__(self, metadata: MetaData) -> None:
        self._table = Table(
            "reference_prices",
            metadata,
            Column("sku_id", Text, primary_key=True),
            Column("currency", Text, primary_key=True),
            Column("level", Text, primary_key=True),
            Column("place_code", Text, primary_key=True),
            Column("reference_id", Text, nullable=False, index=True),
            Column("version", Integer, nullable=False),
            Column("body", JSONB, nullable=False),
        ).fullname

    @cached_property
    def reactions(self) -> Reactions:
        reactions = Reactions()
        reactions.many(ReferencePricePublished, self.put_all)
        reactions.many(ReferencePriceWithdrawn, self.withdraw_all)
        return reactions

    async def put_all(self, tx: Transaction, events: Sequence[ReferencePricePublished]) -> None:
        newest = newest_by(
            (event for event in events if event.sku_id),
            lambda event: (event.sku_id, event.currency, event.level, event.place_code),
        )
        if not newest:
            return
        await (await tx.raw()).execute(
            f"insert into {self._table} as old (sku_id, currency, level, place_code, reference_id, version, body)"
            " select sku_id, currency, level, place_code, reference_id, version, body::jsonb"
            " from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::int[], $7::text[])"
            " as told (sku_id, currency, level, place_code, reference_id, version, body)"
            " on conflict (sku_id, currency, level, place_code) do update"
            " set reference_id = excluded.reference_id, version = excluded.version, body = excluded.body"
            " where old.version < excluded.version",
            *columns(newest),
            [event.reference_id for event in newest.values()],
            [event.version for event in newest.values()],
            _json(newest.values()),
        )

    async def withdraw_all(self, tx: Transaction, events: Sequence[ReferencePriceWithdrawn]) -> None:
        """Delete the references that end: by their ids, and by their places up to the version that is named. The id of
        the event may be of a later version than the published one, if its figures were the same."""
        db = await tx.raw()
        await db.execute(
            f"delete from {self._table} where reference_id = any($1::text[])", [event.reference_id for event in events]
        )
        ended = newest_by(
            (event for event in events if event.place_code),
            lambda event: (event.item_key, event.currency, event.level, event.place_code),
        )
        if ended:
            await db.execute(
                f"delete from {self._table} r using unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int[])"
                " as told (sku_id, currency, level, place_code, version)"
                " where (r.sku_id, r.currency, r.level, r.place_code)"
                " = (told.sku_id, told.currency, told.level, told.place_code) and r.version <= told.version",
                *columns(ended),
                [event.version for event in ended.values()],
            )

    async def get(self, db: asyncpg.Connection, sku_ids: Iterable[str]) -> dict[str, list[ReferencePricePublished]]:
        """Return by SKU all reference prices in force, in every currency. Raise UnreadableRow, because a reference
        price may bind."""
        wanted = list(sku_ids)
        rows = await self._rows(db, wanted)
        return _by_sku(wanted, (read_one(self._table, _key(row), _reference, row) for row in rows))

    async def shown(self, db: asyncpg.Connection, sku_ids: Iterable[str]) -> dict[str, list[ReferencePricePublished]]:
        """Like :meth:`get`, for lists that people read."""
        wanted = list(sku_ids)
        return _by_sku(wanted, listed(self._table, await self._rows(db, wanted), _key, _reference))

    async def _rows(self, db: asyncpg.Connection, sku_ids: list[str]) -> list[asyncpg.Record]:
        rows: list[asyncpg.Record] = await db.fetch(
            "select sku_id, currency, level, place_code, body::text as body"
            f" from {self._table} where sku_id = any($1::text[])",
            sku_ids,
        )
        return rows


def _key(row: asyncpg.Record) -> str:
    return "/".join((row["sku_id"], row["currency"], row["level"], row["place_code"]))


def _reference(row: asyncpg.Record) -> ReferencePricePublished:
    return msgspec.json.decode(row["body"], type=ReferencePricePublished)


def _by_sku(
    sku_ids: Iterable[str], references: Iterable[ReferencePricePublished]
) -> dict[str, list[ReferencePricePublished]]:
    found: dict[str, list[ReferencePricePublished]] = {sku_id: [] for sku_id in sku_ids}
    for each in references:
        found[each.sku_id or ""].append(each)
    return found


def calendar_of(organisation: OrganisationRegistered) -> RegionCalendar:
    """Return the calendar of working days at the organisation's seat."""
    place = organisation.place
    return RegionCalendar.of_place(organisation.time_zone, place.region or place.country)


def local_date(organisation: OrganisationRegistered | None, now: datetime) -> date:
    """Return today's date at the organisation's seat. For a visitor, or if accounts has not announced the organisation
    yet, it is the date in UTC."""
    return calendar_of(organisation).local(now).date() if organisation else now.date()


class Versioned(Protocol):
    @property
    def version(self) -> int: ...


V = TypeVar("V", bound=Versioned)
K = TypeVar("K", bound=Hashable)


def newest_by(events: Iterable[V], key: Callable[[V], K]) -> dict[K, V]:
    """Return the event with the highest version for each key, because one statement cannot write a row twice."""
    newest: dict[K, V] = {}
    for event in events:
        known = newest.get(key(event))
        if known is None or known.version < event.version:
            newest[key(event)] = event
    return newest


def _json(events: Iterable[Event]) -> list[str]:
    return [msgspec.json.encode(event).decode() for event in events]
