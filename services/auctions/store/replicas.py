"""What other services told: kept as small as auctions needs it."""

from collections.abc import Sequence

import asyncpg
import msgspec

from events.accounts import OrganisationRegistered
from events.catalogue import SkuPublished
from events.observatory import ReferencePricePublished
from events.values import Place


class Organisation(msgspec.Struct, frozen=True, kw_only=True):
    organisation_id: str
    name: str
    state: str
    place: Place
    time_zone: str


async def put_organisation(db: asyncpg.Connection, event: OrganisationRegistered) -> None:
    await db.execute(
        "insert into auctions.organisations (organisation_id, name, roles, state, place, time_zone)"
        " values ($1, $2, $3, $4, $5::text::jsonb, $6)"
        " on conflict (organisation_id) do update set name = excluded.name, roles = excluded.roles,"
        " state = excluded.state, place = excluded.place, time_zone = excluded.time_zone",
        event.organisation_id,
        event.name,
        list(event.roles),
        event.state,
        msgspec.json.encode(event.place).decode(),
        event.time_zone,
    )


async def set_state(db: asyncpg.Connection, organisation_id: str, state: str) -> None:
    await db.execute("update auctions.organisations set state = $2 where organisation_id = $1", organisation_id, state)


async def organisation(db: asyncpg.Connection, organisation_id: str) -> Organisation | None:
    row = await db.fetchrow(
        "select organisation_id, name, state, place::text as place, time_zone from auctions.organisations"
        " where organisation_id = $1",
        organisation_id,
    )
    if row is None:
        return None
    return Organisation(**{**dict(row), "place": msgspec.json.decode(row["place"], type=Place)})


async def standings(db: asyncpg.Connection, supplier_ids: Sequence[str]) -> dict[str, str]:
    """States by organisation id; whoever accounts has not told of yet is absent."""
    rows = await db.fetch(
        "select organisation_id, state from auctions.organisations where organisation_id = any($1::text[])",
        list(supplier_ids),
    )
    return {row["organisation_id"]: row["state"] for row in rows}


async def put_sku(db: asyncpg.Connection, event: SkuPublished) -> None:
    await db.execute(
        "insert into auctions.skus (sku_id, version, archived, published) values ($1, $2, false, $3::text::jsonb)"
        " on conflict (sku_id) do update set version = excluded.version, archived = false, published = excluded.published"
        " where skus.version <= excluded.version",
        event.sku_id,
        event.version,
        msgspec.json.encode(event).decode(),
    )


async def archive_sku(db: asyncpg.Connection, sku_id: str) -> None:
    await db.execute("update auctions.skus set archived = true where sku_id = $1", sku_id)


async def skus(db: asyncpg.Connection, sku_ids: Sequence[str]) -> dict[str, SkuPublished]:
    """Published SKUs by id; archived and unknown ones are absent."""
    rows = await db.fetch(
        "select sku_id, published::text as published from auctions.skus"
        " where sku_id = any($1::text[]) and not archived",
        list(sku_ids),
    )
    return {row["sku_id"]: msgspec.json.decode(row["published"], type=SkuPublished) for row in rows}


async def put_reference(db: asyncpg.Connection, event: ReferencePricePublished) -> None:
    await db.execute(
        "insert into auctions.reference_prices (item_key, level, place_code, reference_id, version, sku_id, published)"
        " values ($1, $2, $3, $4, $5, $6, $7::text::jsonb)"
        " on conflict (item_key, level, place_code) do update set reference_id = excluded.reference_id,"
        " version = excluded.version, sku_id = excluded.sku_id, published = excluded.published"
        " where reference_prices.version <= excluded.version",
        event.item_key,
        event.level,
        event.place_code,
        event.reference_id,
        event.version,
        event.sku_id,
        msgspec.json.encode(event).decode(),
    )


async def drop_reference(db: asyncpg.Connection, reference_id: str) -> None:
    await db.execute("delete from auctions.reference_prices where reference_id = $1", reference_id)


async def references(db: asyncpg.Connection, sku_ids: Sequence[str]) -> dict[str, list[ReferencePricePublished]]:
    """All snapshots in force, by SKU."""
    rows = await db.fetch(
        "select published::text as published from auctions.reference_prices where sku_id = any($1::text[])",
        list(sku_ids),
    )
    found: dict[str, list[ReferencePricePublished]] = {}
    for row in rows:
        snapshot = msgspec.json.decode(row["published"], type=ReferencePricePublished)
        found.setdefault(snapshot.sku_id or "", []).append(snapshot)
    return found
