"""Kafka records that a person gave up: events in a version that no release will ever read, for example written by a faulty program.

Each such record blocks its partition in every consumer and view that reacts to its type, because the next release is expected to read
it. A person who knows that no release will read it gives it up with `lonja dead-letters give-up`. Every blocked consumer and view sees
that within seconds, makes the record a dead letter and continues.
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
"""Timeout of one query."""


class UnreadableRecord(NamedTuple):
    """A record, identified by its place and the id of its event: after a restore another record may have that place."""

    topic: str
    partition: int
    offset: int
    event_id: str


def of(record: "ConsumerRecord") -> UnreadableRecord:
    event_id = next((value for name, value in record.headers if name == "ce_id"), None) or b""
    return UnreadableRecord(record.topic, record.partition, record.offset, event_id.decode(errors="replace"))


def remedy(record: UnreadableRecord) -> str:
    """The command for a record that no release will ever read."""
    return f"if no release ever will, `lonja dead-letters give-up {record.topic} {record.partition} {record.offset} --reason TEXT`"


async def give_up(connection: asyncpg.Connection, record: UnreadableRecord, reason: str) -> None:
    await connection.execute(
        "insert into operations.given_up (topic, partition, position, event_id, reason) values ($1, $2, $3, $4, $5)"
        " on conflict (topic, partition, position) do update set event_id = excluded.event_id, reason = excluded.reason",
        *record,
        reason,
    )


async def reasons(pool: Connections, records: Collection[UnreadableRecord]) -> dict[UnreadableRecord, str]:
    """The reason for each of these records that a person gave up. Empty if the database does not answer: the partitions then stay
    blocked."""
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
    return {UnreadableRecord(*row[:4]): row["reason"] for row in rows}
