"""Records of Kafka that a person gave up: events in a version that no release will ever read, as a faulty program may have written.

Each holds its partition before it, in every consumer and view that reacts to its type: the next release is expected to read it. A person
who knows that none will says so with `lonja dead-letters set-aside`; who waits before the record sees that within seconds, makes a dead
letter of it and goes on.
"""

import logging
from collections.abc import Collection
from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from infra.away import in_short
from infra.deadline import Deadline
from infra.roles import Connections

if TYPE_CHECKING:
    from aiokafka.structs import ConsumerRecord

log = logging.getLogger(__name__)
PATIENCE = 5.0
"""Seconds for one look into the database."""


class Unreadable(NamedTuple):
    """A record, by its place and the id of its event: after a restore another may stand in that place."""

    topic: str
    partition: int
    offset: int
    event_id: str


def of(record: "ConsumerRecord") -> Unreadable:
    event_id = next((value for name, value in record.headers if name == "ce_id"), None) or b""
    return Unreadable(record.topic, record.partition, record.offset, event_id.decode(errors="replace"))


def remedy(record: Unreadable) -> str:
    """What a person does about a record that nobody will ever read."""
    return f"if no release ever will, `lonja dead-letters set-aside {record.topic} {record.partition} {record.offset} --reason TEXT`"


async def give_up(connection: asyncpg.Connection, record: Unreadable, reason: str) -> None:
    await connection.execute(
        "insert into operations.given_up (topic, partition, position, event_id, reason) values ($1, $2, $3, $4, $5)"
        " on conflict (topic, partition, position) do update set event_id = excluded.event_id, reason = excluded.reason",
        *record,
        reason,
    )


async def reasons(pool: Connections, records: Collection[Unreadable]) -> dict[Unreadable, str]:
    """Why a person gave these up, of those that somebody did. None while the database does not say: then they are waited before."""
    try:
        async with Deadline(PATIENCE):
            rows = await pool.fetch(
                "select topic, partition, position, event_id, reason from operations.given_up join"
                " unnest($1::text[], $2::int[], $3::bigint[], $4::text[]) as asked (topic, partition, position, event_id)"
                " using (topic, partition, position, event_id)",
                *map(list, zip(*records, strict=True)),
            )
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        log.debug("whether a person gave %s up is not known: %s", records, in_short(error))
        return {}
    return {Unreadable(*row[:4]): row["reason"] for row in rows}
