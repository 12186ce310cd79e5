"""Adds releases to the feed, and reads what new releases need from earlier ones. Each function is one statement for
many. SQL is written by hand here for arrays."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

import msgspec

from infra.database import Transaction, columns
from services.transparency.ocds.history import AskedContract
from services.transparency.store.published import decoded
from services.transparency.store.rows import CONTRACT, MILESTONE

_json = msgspec.json.Encoder(decimal_format="number")


class New(msgspec.Struct, frozen=True):
    """A release that is to be added to the feed."""

    process_id: str
    release: dict[str, Any]
    released_at: datetime


async def lock_feed(tx: Transaction) -> None:
    """Lock the feed until the commit. A sequence gives numbers in the order of requests, but transactions commit in
    another order: a reader that has seen 8 could miss 7 for ever. So each publisher holds this lock from before it gets
    a number until its commit. Then positions become visible in their order, and reading "since the last position"
    misses nothing. A rolled-back transaction leaves a gap, in which nothing is lost."""
    await tx.lock_name("transparency/feed")


async def publish(tx: Transaction, new: Sequence[New]) -> set[str]:
    """Add releases (at least one) to the feed, which must be locked, in their order. Return the ids of those that are new."""
    rows = await (await tx.raw()).fetch(
        "insert into transparency.releases (release_id, ocid, process_id, tags, released_at, body)"
        " select release_id, ocid, process_id, array(select jsonb_array_elements_text(body->'tag')), released_at, body"
        " from (select release_id, ocid, process_id, released_at, body::jsonb as body, number from"
        " unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::text[])"
        " with ordinality as told (release_id, ocid, process_id, released_at, body, number)) as new"
        " order by number on conflict do nothing returning release_id",
        *columns(
            (
                each.release["id"],
                each.release["ocid"],
                each.process_id,
                each.released_at,
                _json.encode(each.release).decode(),
            )
            for each in new
        ),
    )
    return {row["release_id"] for row in rows}


async def in_feed(tx: Transaction, release_ids: Collection[str]) -> set[str]:
    """The ids among these that are in the feed."""
    rows = await (await tx.raw()).fetch(
        "select release_id from transparency.releases where release_id = any($1::text[])", list(release_ids)
    )
    return {row["release_id"] for row in rows}


async def last_dates(tx: Transaction, ocids: Collection[str]) -> dict[str, str]:
    """The date of the last release of each process that has one. While the feed is locked they stay the last ones."""
    rows = await (await tx.raw()).fetch(
        "select asked.ocid, last.date from unnest($1::text[]) as asked (ocid) cross join lateral (select body->>'date' as date"
        " from transparency.releases where ocid = asked.ocid order by - position limit 1) as last",
        list(ocids),
    )
    return {row["ocid"]: row["date"] for row in rows}


_BARE = "jsonb_build_object('contracts', jsonb_build_array((body->'contracts'->0) - 'items'))::text as body"
_OF_CONTRACT = (
    f"from transparency.releases where body ? 'contracts' and ocid = asked.ocid and {CONTRACT} = asked.contract_id"
)


async def earlier_releases(
    tx: Transaction, asked: Collection[AskedContract]
) -> dict[AskedContract, list[dict[str, Any]]]:
    """Return the earlier releases about these contracts and milestones, as
    :class:`~services.transparency.ocds.history.ReleaseHistory` takes them."""
    contracts = {each.contract for each in asked}
    milestones = {each for each in asked if each.milestone}
    return await _of_contracts(tx, contracts) | await _of_milestones(tx, milestones)


async def _of_contracts(tx: Transaction, asked: Collection[AskedContract]) -> dict[AskedContract, list[dict[str, Any]]]:
    """All releases about the contract itself (drafted, signed, ended), and one release about its carrying out."""
    if not asked:
        return {}
    rows = await (await tx.raw()).fetch(
        f"select asked.ocid, asked.contract_id, {_BARE} from unnest($1::text[], $2::text[]) as asked (ocid, contract_id)"
        f" cross join lateral (select position, body {_OF_CONTRACT} and {MILESTONE} is null"
        f" union all (select position, body {_OF_CONTRACT} and {MILESTONE} is not null limit 1)) as said order by position",
        [each.ocid for each in asked],
        [each.contract_id for each in asked],
    )
    said: dict[AskedContract, list[dict[str, Any]]] = {}
    for row, body in zip(rows, decoded([row["body"] for row in rows]), strict=True):
        said.setdefault(AskedContract(row["ocid"], row["contract_id"]), []).append(body)
    return said


async def _of_milestones(
    tx: Transaction, asked: Collection[AskedContract]
) -> dict[AskedContract, list[dict[str, Any]]]:
    """The last release about each milestone. They are sorted by an expression without an index: else the database would
    search through the whole process."""
    if not asked:
        return {}
    rows = await (await tx.raw()).fetch(
        f"select asked.ocid, asked.contract_id, asked.milestone, {_BARE}"
        " from unnest($1::text[], $2::text[], $3::text[]) as asked (ocid, contract_id, milestone) cross join lateral"
        f" (select body {_OF_CONTRACT} and {MILESTONE} = asked.milestone order by position + 0 desc limit 1) as last",
        *columns(asked),
    )
    bodies = decoded([row["body"] for row in rows])
    return {
        AskedContract(row["ocid"], row["contract_id"], row["milestone"]): [body]
        for row, body in zip(rows, bodies, strict=True)
    }


async def roles_before(tx: Transaction, parties: Collection[tuple[str, str]]) -> dict[tuple[str, str], list[str]]:
    """All roles that the releases of a process gave a party so far, by (ocid, party)."""
    if not parties:
        return {}
    rows = await (await tx.raw()).fetch(
        "select ocid, organisation_id, roles from unnest($1::text[], $2::text[]) as asked (ocid, organisation_id)"
        " join transparency.process_parties using (ocid, organisation_id)",
        *columns(parties),
    )
    return {(row["ocid"], row["organisation_id"]): row["roles"] for row in rows}
