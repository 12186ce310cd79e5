"""Where a consumer begins whose group has lost its offsets: not at the first message, but after those whose claims were forgotten.

Claims in the inbox make repeats harmless, and they are kept for a time only (:mod:`infra.pruning`). What is older than the oldest of them
must not come again. Where nothing was forgotten the consumer begins at the first message, as a new one does.

A service that took over work of another one has forgotten, so to say, what that one handled. It begins where that one stands, if that is
earlier.
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


async def after_the_forgotten(
    database: Database,
    services: Sequence[str],
    bootstrap: str,
    group: str,
    topics: Container[str] | None = None,
    former: str = "",
) -> None:
    """Before the group is joined, which reads these topics (all where none are named). ``former`` is the group of the service that did
    this work in the former release. Waits for whatever is away."""
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


async def where_the_former_stood(bootstrap: str, group: str, former: str, topics: Sequence[str]) -> None:
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
    """By topic the instant before which claims may be gone."""
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
        log.info("%s begins where its members do: the group is at work", group)
        return False
    return True


async def _committed(bootstrap: str, group: str, partitions: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
    """Where the group stands, if it has read something of the partition."""
    async with AIOKafkaConsumer(**access(bootstrap), group_id=group, enable_auto_commit=False) as kafka:
        return {each: offset for each in partitions if (offset := await kafka.committed(each)) is not None}


async def _partitions(bootstrap: str, topics: Sequence[str]) -> list[TopicPartition]:
    """Those that the broker has."""
    admin = AIOKafkaAdminClient(**access(bootstrap))
    try:
        await admin.start()
        described = await admin.describe_topics(list(topics))
    finally:
        await admin.close()
    return [TopicPartition(row["topic"], each["partition"]) for row in described for each in row["partitions"]]
