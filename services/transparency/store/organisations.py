"""Two tables of the same form: the organisations of this market, and those in imports. SQL is written by hand here for
arrays."""

from collections.abc import Iterable, Sequence

import msgspec

from events.accounts import OrganisationRegistered
from infra.database import Transaction
from infra.reading import read_json


async def parties(tx: Transaction, ids: Iterable[str]) -> dict[str, OrganisationRegistered]:
    return await _organisations(tx, "parties", list(ids))


async def keep_parties(tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
    """Store organisations of this market. Later data replace earlier data."""
    await _keep_organisations(tx, "parties", list({event.organisation_id: event for event in events}.values()))


async def imported_organisations(tx: Transaction, ids: Sequence[str]) -> dict[str, OrganisationRegistered]:
    return await _organisations(tx, "imported_organisations", ids)


async def keep_imported_organisations(tx: Transaction, events: Sequence[OrganisationRegistered]) -> None:
    await _keep_organisations(tx, "imported_organisations", events)


async def _organisations(tx: Transaction, table: str, ids: Sequence[str]) -> dict[str, OrganisationRegistered]:
    rows = await (await tx.raw()).fetch(
        f"select organisation_id, event from transparency.{table} where organisation_id = any($1::text[])", ids
    )
    return {
        row["organisation_id"]: read_json(
            f"transparency.{table}", row["organisation_id"], row["event"], OrganisationRegistered
        )
        for row in rows
    }


async def _keep_organisations(tx: Transaction, table: str, events: Sequence[OrganisationRegistered]) -> None:
    await (await tx.raw()).execute(
        f"insert into transparency.{table} (organisation_id, event) select * from unnest($1::text[], $2::bytea[])"
        " on conflict (organisation_id) do update set event = excluded.event",
        [event.organisation_id for event in events],
        [msgspec.json.encode(event) for event in events],
    )
