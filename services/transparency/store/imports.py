"""Imported data: the originals, and what was published of them. SQL is written by hand here for arrays and lists."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec

from infra.database import Transaction
from services.transparency.ocds.candidates import Original


class ImportedSource(msgspec.Struct, frozen=True, kw_only=True):
    source: str
    publisher: str
    licence: str
    records: int
    imported_at: datetime


async def lock_imports(tx: Transaction) -> None:
    """Lock imports until the commit, so that two imports of the same file agree on what is new."""
    await tx.lock_name("transparency/import")


async def known_originals(tx: Transaction, digests: Sequence[str]) -> set[str]:
    rows = await (await tx.raw()).fetch(
        "select digest from transparency.originals where digest = any($1::text[])", digests
    )
    return {row["digest"] for row in rows}


async def known_processes(tx: Transaction, ocids: Collection[str]) -> set[str]:
    """The ocids among these of which a record is stored."""
    rows = await (await tx.raw()).fetch(
        "select distinct ocid from transparency.originals where ocid = any($1::text[])", list(ocids)
    )
    return {row["ocid"] for row in rows}


async def originals_of(tx: Transaction, ocids: Sequence[str]) -> dict[str, list[Original]]:
    """The stored records of these processes of other markets."""
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
    """Store originals, and count them under their source."""
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


class Imported(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of the imports: the number of ``records`` and ``sources``, and the sources with most records."""

    sources: int
    records: int
    largest: list[ImportedSource]


async def imported(tx: Transaction, most: int) -> Imported:
    """The totals. The records of each source were counted when they came."""
    connection = await tx.raw()
    row = await connection.fetchrow(
        "select count(*) as sources, coalesce(sum(records), 0)::bigint as records from transparency.sources"
    )
    largest = await connection.fetch(
        "select * from transparency.sources order by records desc, source, publisher limit $1", most
    )
    return Imported(**dict(row), largest=[ImportedSource(**dict(each)) for each in largest])
