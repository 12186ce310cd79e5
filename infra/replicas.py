"""Copies of what other services announced, kept alike by every service that needs them: a table of the service's own schema,
the handlers that feed it, and what can be asked of it.

A store makes them once, ``organisations = Organisations(Row.metadata)``, and the service merges their ``handlers`` into its own.
``body`` is the event as it came. Imports bring tens of thousands of them, so each is one statement, harmless when repeated.
"""

from collections.abc import Iterable, Mapping
from functools import cached_property

import asyncpg
import msgspec
from sqlalchemy import Boolean, Column, Integer, MetaData, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from catalogue.calendar import RegionCalendar
from events.accounts import OrganisationRegistered, OrganisationStateChanged
from events.catalogue import SkuArchived, SkuPublished
from events.codec import Event, Message
from events.observatory import ReferencePricePublished, ReferencePriceWithdrawn
from infra.database import Transaction
from infra.service import Handler


class Organisations:
    """Every organisation as it was last told of, with the state last said of it."""

    def __init__(self, metadata: MetaData) -> None:
        self._table = Table(
            "organisations",
            metadata,
            Column("organisation_id", Text, primary_key=True),
            Column("state", Text, nullable=False),
            Column("body", JSONB, nullable=False),
        ).fullname

    @cached_property
    def handlers(self) -> Mapping[type[Event], Handler]:
        return {OrganisationRegistered: self._on_registered, OrganisationStateChanged: self._on_state_changed}

    async def _on_registered(self, tx: Transaction, message: Message) -> None:
        assert isinstance(message.event, OrganisationRegistered)
        await self.put(await tx.raw(), message.event)

    async def _on_state_changed(self, tx: Transaction, message: Message) -> None:
        assert isinstance(message.event, OrganisationStateChanged)
        await self.set_state(await tx.raw(), message.event)

    async def put(self, db: asyncpg.Connection, event: OrganisationRegistered) -> None:
        """Seen again with other particulars, the later holds; its state stays what was last said of it."""
        await db.execute(
            f"insert into {self._table} (organisation_id, state, body) values ($1, $2, $3::text::jsonb)"
            " on conflict (organisation_id) do update set body = excluded.body",
            event.organisation_id,
            event.state,
            _json(event),
        )

    async def set_state(self, db: asyncpg.Connection, event: OrganisationStateChanged) -> None:
        await db.execute(
            f"update {self._table} set state = $2 where organisation_id = $1", event.organisation_id, event.state
        )

    async def get(
        self, db: asyncpg.Connection, organisation_id: str, *, lock: bool = False
    ) -> OrganisationRegistered | None:
        """With ``lock`` its state stays as it is until this transaction ends."""
        row = await db.fetchrow(
            f"select state, body::text as body from {self._table} where organisation_id = $1"
            + (" for share" if lock else ""),
            organisation_id,
        )
        if row is None:
            return None
        known = msgspec.json.decode(row["body"], type=OrganisationRegistered)
        return msgspec.structs.replace(known, state=row["state"])

    async def states(self, db: asyncpg.Connection, organisation_ids: Iterable[str]) -> dict[str, str]:
        """By organisation id; whoever accounts has not told of yet is absent."""
        rows = await db.fetch(
            f"select organisation_id, state from {self._table} where organisation_id = any($1::text[])",
            list(organisation_ids),
        )
        return {row["organisation_id"]: row["state"] for row in rows}

    async def names(self, db: asyncpg.Connection, organisation_ids: Iterable[str]) -> dict[str, str]:
        """By organisation id, in the order given; of whom accounts has not told yet the id."""
        wanted = list(organisation_ids)
        rows = await db.fetch(
            f"select organisation_id, body->>'name' as name from {self._table} where organisation_id = any($1::text[])",
            wanted,
        )
        known = {row["organisation_id"]: row["name"] for row in rows}
        return {each: known.get(each, each) for each in wanted}


class Skus:
    """The newest published version of every SKU."""

    def __init__(self, metadata: MetaData) -> None:
        self._table = Table(
            "skus",
            metadata,
            Column("sku_id", Text, primary_key=True),
            Column("version", Integer, nullable=False),
            Column("archived", Boolean, nullable=False, server_default=text("false")),
            Column("body", JSONB, nullable=False),
        ).fullname

    @cached_property
    def handlers(self) -> Mapping[type[Event], Handler]:
        return {SkuPublished: self._on_published, SkuArchived: self._on_archived}

    async def _on_published(self, tx: Transaction, message: Message) -> None:
        """A version that comes late changes nothing; a new one of an archived SKU brings it back."""
        event = message.event
        assert isinstance(event, SkuPublished)
        await (await tx.raw()).execute(
            f"insert into {self._table} as old (sku_id, version, body) values ($1, $2, $3::text::jsonb)"
            " on conflict (sku_id) do update set version = excluded.version, archived = false, body = excluded.body"
            " where old.version < excluded.version",
            event.sku_id,
            event.version,
            _json(event),
        )

    async def _on_archived(self, tx: Transaction, message: Message) -> None:
        assert isinstance(message.event, SkuArchived)
        await (await tx.raw()).execute(
            f"update {self._table} set archived = true where sku_id = $1", message.event.sku_id
        )

    async def get(self, db: asyncpg.Connection, sku_ids: Iterable[str]) -> dict[str, SkuPublished]:
        """Those that may be bought, by id; archived and unknown ones are absent."""
        rows = await db.fetch(
            f"select body::text as body from {self._table} where sku_id = any($1::text[]) and not archived",
            list(sku_ids),
        )
        found = (msgspec.json.decode(row["body"], type=SkuPublished) for row in rows)
        return {sku.sku_id: sku for sku in found}

    async def named(self, db: asyncpg.Connection, words: str, limit: int = 8) -> list[SkuPublished]:
        """Those whose names contain all the words, in whatever case; the shortest first."""
        rows = await db.fetch(
            f"select body::text as body from {self._table}, lower(body->>'name') as name where not archived"
            " and not exists (select from unnest($1::text[]) as word where strpos(name, lower(word)) = 0)"
            " order by length(name), name limit $2",
            words.split(),
            limit,
        )
        return [msgspec.json.decode(row["body"], type=SkuPublished) for row in rows]


class ReferencePrices:
    """The newest snapshot of every SKU for a place and a currency; items without a SKU are left out."""

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
    def handlers(self) -> Mapping[type[Event], Handler]:
        return {ReferencePricePublished: self._on_published, ReferencePriceWithdrawn: self._on_withdrawn}

    async def _on_published(self, tx: Transaction, message: Message) -> None:
        event = message.event
        assert isinstance(event, ReferencePricePublished)
        if event.sku_id is None:
            return
        await (await tx.raw()).execute(
            f"insert into {self._table} as old (sku_id, currency, level, place_code, reference_id, version, body)"
            " values ($1, $2, $3, $4, $5, $6, $7::text::jsonb) on conflict (sku_id, currency, level, place_code) do update"
            " set reference_id = excluded.reference_id, version = excluded.version, body = excluded.body"
            " where old.version < excluded.version",
            event.sku_id,
            event.currency,
            event.level,
            event.place_code,
            event.reference_id,
            event.version,
            _json(event),
        )

    async def _on_withdrawn(self, tx: Transaction, message: Message) -> None:
        assert isinstance(message.event, ReferencePriceWithdrawn)
        await (await tx.raw()).execute(f"delete from {self._table} where reference_id = $1", message.event.reference_id)

    async def get(self, db: asyncpg.Connection, sku_ids: Iterable[str]) -> dict[str, list[ReferencePricePublished]]:
        """All snapshots in force of each of these SKUs, in whatever currency."""
        found: dict[str, list[ReferencePricePublished]] = {sku_id: [] for sku_id in sku_ids}
        rows = await db.fetch(
            f"select sku_id, body::text as body from {self._table} where sku_id = any($1::text[])", list(found)
        )
        for row in rows:
            found[row["sku_id"]].append(msgspec.json.decode(row["body"], type=ReferencePricePublished))
        return found


def calendar_of(organisation: OrganisationRegistered) -> RegionCalendar:
    """Working days where it sits."""
    place = organisation.place
    return RegionCalendar.of_place(organisation.time_zone, place.region or place.country)


def _json(event: Event) -> str:
    return msgspec.json.encode(event).decode()
