"""Sets where a consumer begins if its group has lost its offsets: after the messages whose claims were deleted, not at
the first message.

Claims in the inbox make repeats harmless, but they are kept only for a time (:mod:`infra.pruning`). Messages older than
the oldest claim must not be handled again. If no claims were deleted, the consumer begins at the first message, as a
new one does.

A service that took over the work of another one did not handle the events that the other one handled. It begins at the
offsets of the other one if they are earlier.
"""

import asyncio
import logging
from collections.abc import Container, Mapping, Sequence
from datetime import datetime

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError, KafkaError

from infra.broker import access
from infra.database import COMMAND_SECONDS, LOST, Database
from infra.deadline import Deadline
from infra.tasks import stop_if_cancelled

log = logging.getLogger(__name__)


async def begin_after_forgotten(
    database: Database,
    services: Sequence[str],
    bootstrap: str,
    group: str,
    topics: Container[str] | None = None,
    former: str = "",
) -> None:
    """Set the offsets that the group has lost in these topics (all if none is named): after the messages whose claims were
    deleted. Call it before the group is joined. ``former`` is the group of the service that did this work in the former
    release. It waits for servers that are away."""
    while True:
        try:
            async with Deadline(COMMAND_SECONDS):
                forgotten = await _forgotten(database, services)
            if before := {name: at for name, at in forgotten.items() if topics is None or name in topics}:
                await _commit_missing(bootstrap, group, before, former)
            return
        except (*LOST, KafkaError) as error:
            stop_if_cancelled()
            log.warning("%s waits to see where it begins: %s", group, error)
            await asyncio.sleep(1)


async def begin_where_former_stood(bootstrap: str, group: str, former: str, topics: Sequence[str]) -> None:
    """Start the group at the offsets of the group ``former``, which did the same work in a former release. Call it
    before the group is joined for the first time: one that is at work stays where its members are. Raise KafkaError."""
    partitions = await _partitions(bootstrap, topics)
    async with AIOKafkaConsumer(**access(bootstrap), group_id=group, enable_auto_commit=False) as kafka:
        kafka.assign(partitions)
        new = [each for each in partitions if await kafka.committed(each) is None]
        stood = await _committed(bootstrap, former, new)
        if stood and await _commit_at_rest(kafka, group, stood):
            log.warning("%s begins at the offsets of %s, in %d partitions", group, former, len(stood))


async def _forgotten(database: Database, services: Sequence[str]) -> dict[str, datetime]:
    """The instant before which claims may have been deleted, by topic."""
    found: dict[str, datetime] = {}
    for service in services:
        for row in await database.pool.fetch(f"select topic, before from {service}.forgotten"):
            found[row["topic"]] = max(row["before"], found.get(row["topic"], row["before"]))
    return found


async def _commit_missing(bootstrap: str, group: str, before: Mapping[str, datetime], former: str) -> None:
    partitions = await _partitions(bootstrap, list(before))
    async with AIOKafkaConsumer(**access(bootstrap), group_id=group, enable_auto_commit=False) as kafka:
        kafka.assign(partitions)
        lost = [each for each in partitions if await kafka.committed(each) is None]
        if not lost:
            return
        ends = await kafka.end_offsets(lost)
        later = await kafka.offsets_for_times({each: round(before[each.topic].timestamp() * 1000) for each in lost})
        offsets = {each: found.offset if (found := later.get(each)) else ends[each] for each in lost}
        if former:
            stood = await _committed(bootstrap, former, lost)
            offsets = {each: min(offset, stood.get(each, offset)) for each, offset in offsets.items()}
        if not await _commit_at_rest(kafka, group, offsets):
            return
    for each, offset in offsets.items():
        log.warning(
            "%s has lost its offset of %s/%d; it begins at %d, because messages from before %s may have been handled",
            group,
            each.topic,
            each.partition,
            offset,
            before[each.topic].isoformat(),
        )


async def _commit_at_rest(kafka: AIOKafkaConsumer, group: str, offsets: Mapping[TopicPartition, int]) -> bool:
    """Commit the offsets, unless the group is at work: only its members may commit then. Return whether this was done."""
    try:
        await kafka.commit(dict(offsets))
    except CommitFailedError:
        log.info("%s continues from its own offsets, because other members of the group are at work", group)
        return False
    return True


async def _committed(bootstrap: str, group: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """The committed offset of each partition of which the group has read something."""
    async with AIOKafkaConsumer(**access(bootstrap), group_id=group, enable_auto_commit=False) as kafka:
        return {each: offset for each in partitions if (offset := await kafka.committed(each)) is not None}


async def _partitions(bootstrap: str, topics: Sequence[str]) -> list[TopicPartition]:
    """The partitions of these topics that the broker has."""
    admin = AIOKafkaAdminClient(**access(bootstrap))
    try:
        await admin.start()
        described = await admin.describe_topics(list(topics))
    finally:
        await admin.close()
    return [TopicPartition(row["topic"], each["partition"]) for row in described for each in row["partitions"]]
