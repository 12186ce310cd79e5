"""The consumer: read, let the inbox handle, commit the offset last; at most once a second while records arrive without a pause."""

import asyncio
import logging
from collections.abc import Iterable
from contextlib import suppress

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError, KafkaError
from aiokafka.structs import TopicPartition

import infra.mended_aiokafka  # noqa: F401 - wherever aiokafka is used
from infra.away import in_short, there
from infra.broker import access
from infra.health import HEALTH, PartState
from infra.held import ConsumerStopped, HeldPartition, remedies
from infra.inbox import Inbox
from infra.turns import ConsumerTurns

log = logging.getLogger(__name__)
BATCH = 2000
BULK_BATCH = 8
"""Batch size for bulk topics, whose messages each hold many processes. It is small so that the services' consumers, which alternate, read
the same messages at about the same time: these are then still in the decode cache."""
START_SECONDS = 60.0
COMMIT_EVERY = 1.0
"""Seconds between commits while records arrive without a pause. A commit costs the broker as much as a record; records that are read again
after a crash have been claimed, so they are not handled twice."""
LOOK_EVERY = 2.0
"""Seconds between checks whether a person has given up the record that blocks a partition."""
COMMIT_SECONDS = 30.0
"""Timeout of a commit. After it the consumer starts again with a new client; handled events stay handled."""
STOP_SECONDS = 5.0
"""Timeout of leaving the group: the broker may be frozen."""
METADATA_SECONDS = 5.0
"""Seconds between refreshes of the metadata. A broker that has just started may not know its topics yet; partitions assigned from such
metadata lack these topics until the next refresh. The default of aiokafka is five minutes."""
BULK_BYTES = 128 * 1024
"""For a bulk topic the broker collects this many bytes before it answers, for half a second at most: a few large batches cost less than
many small ones."""


def group_of(service: str, *, bulk: bool = False) -> str:
    return f"lonja.{service}.bulk" if bulk else f"lonja.{service}"


class Consumer:
    """Feeds an inbox from topics. Consumer group ``lonja.<service>``: partitions are shared with other processes.

    With ``bulk`` it has a group of its own, and each batch waits until the live batches of this process are handled.
    """

    def __init__(
        self, inbox: Inbox, topics: list[str], bootstrap: str, *, turns: ConsumerTurns | None = None, bulk: bool = False
    ) -> None:
        turns = turns or ConsumerTurns()
        self._turn = turns.bulk if bulk else turns.live
        self.group = group_of(inbox.service, bulk=bulk)
        self.name = f"{inbox.name} bulk" if bulk else inbox.name
        self._inbox = inbox
        self._fetch_bytes, self._batch = (BULK_BYTES, BULK_BATCH) if bulk else (1, BATCH)
        self.topics = topics
        self._bootstrap = bootstrap
        self._waiting: dict[TopicPartition, HeldPartition] = {}
        """Blocked partitions, until their next event is handled. A partition that a rebalance takes away is no longer paused here; its new
        owner meets the same record."""
        self._again: dict[TopicPartition, float] = {}
        """The event loop's time at which a paused partition is read again without a person."""

    async def run(self) -> None:
        """Consume until cancelled. Raise :class:`infra.held.ConsumerStopped`."""
        self._waiting.clear()
        self._again.clear()
        kafka = await there(f"Kafka, for the consumer of {self.name}", self._join)
        now = asyncio.get_running_loop().time
        look_at = now()
        commit_at: float | None = None
        """Time of the next commit; None if the offsets of all handled records are committed."""
        try:
            while True:
                if self._waiting and look_at <= now():
                    look_at = now() + LOOK_EVERY
                    await self._look_for_given_up()
                self._go_on(kafka)
                batches = await kafka.getmany(timeout_ms=500, max_records=self._batch)
                check_tasks(kafka)
                self._report(kafka)
                records = [record for batch in batches.values() for record in batch]
                if records:
                    dead_letters = self._inbox.dead_letters
                    try:
                        async with self._turn():
                            held = await self._inbox.handle(records)
                    except ConsumerStopped as stopped:
                        self._stand_before(kafka, stopped.undone)
                        await self._commit(kafka)
                        raise
                    for partition in batches:
                        self._waiting.pop(TopicPartition(partition.topic, partition.partition), None)
                    self._wait(self._stand_before(kafka, held))
                    commit_at = commit_at or now() + COMMIT_EVERY
                    if self._inbox.dead_letters > dead_letters:
                        # malformed bytes have no claim: if they were read again, they would be a second dead letter
                        commit_at = now()
                if commit_at is not None and (not records or commit_at <= now()):
                    await self._commit(kafka)
                    commit_at = None
        finally:
            await leave(kafka)

    async def _join(self) -> AIOKafkaConsumer:
        """Start a new member of the group. If the start fails or is cancelled, the member leaves: it would keep partitions and read
        nothing."""
        kafka = AIOKafkaConsumer(
            *self.topics,
            **access(self._bootstrap),
            group_id=self.group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_poll_interval_ms=600_000,
            session_timeout_ms=10_000,
            retry_backoff_ms=500,
            metadata_max_age_ms=round(METADATA_SECONDS * 1000),
            fetch_min_bytes=self._fetch_bytes,
        )
        try:
            async with asyncio.timeout(START_SECONDS):
                await kafka.start()
        except BaseException:
            await leave(kafka)
            raise
        return kafka

    def _stand_before(self, kafka: AIOKafkaConsumer, held: Iterable[HeldPartition]) -> list[HeldPartition]:
        """Pause these partitions at their offsets, so that nothing after them is read or committed. Return those that this member still
        has."""
        ours = []
        for each in held:
            with suppress(IllegalStateError):  # a rebalance gave it to another member
                kafka.seek(each.partition, each.offset)
                kafka.pause(each.partition)
                ours.append(each)
        return ours

    def _wait(self, held: Iterable[HeldPartition]) -> None:
        for each in held:
            self._waiting[each.partition] = each
            if each.again is None:
                log.error("%s waits: %s; remedy: %s", self._name_of(each.partition), each.why, each.remedy)
            else:
                log.warning("%s waits: %s", self._name_of(each.partition), each.why)
                self._again[each.partition] = asyncio.get_running_loop().time() + each.again

    async def _look_for_given_up(self) -> None:
        """If a person gave up the record that blocks a partition, resume the partition: the record then becomes a dead letter."""
        for partition in await self._inbox.given_up(self._waiting.values()):
            self._again[partition] = asyncio.get_running_loop().time()

    def _go_on(self, kafka: AIOKafkaConsumer) -> None:
        """Resume the partitions whose pause is over."""
        now = asyncio.get_running_loop().time()
        for partition in [each for each, at in self._again.items() if at <= now]:
            del self._again[partition]
            with suppress(IllegalStateError):  # a rebalance gave it to another member
                kafka.resume(partition)

    def _report(self, kafka: AIOKafkaConsumer) -> None:
        if self._waiting:
            ours = kafka.assignment()
            self._waiting = {partition: held for partition, held in self._waiting.items() if partition in ours}
        if not self._waiting:
            HEALTH.report("consumer", self.name, PartState.running)
            return
        why = "; ".join(f"{self._name_of(each)} waits: {held.why}" for each, held in sorted(self._waiting.items()))
        stands = any(held.again is None for held in self._waiting.values())
        HEALTH.report(
            "consumer",
            self.name,
            PartState.degraded if stands else PartState.waiting,
            why,
            remedies(self._waiting.values()),
        )

    def _name_of(self, partition: TopicPartition) -> str:
        return f"partition {partition.partition} of {partition.topic} for {self.name}"

    async def _commit(self, kafka: AIOKafkaConsumer) -> None:
        """Commit the offsets that were read. If Kafka refuses, this is only logged. Raise TimeoutError if Kafka does
        not answer."""
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await kafka.commit()
        except KafkaError as error:
            # After a rebalance the new owner reads these again; the inbox makes that harmless.
            log.warning("%s consumer: offsets not committed: %s", self.name, error)


def check_tasks(kafka: AIOKafkaConsumer) -> None:
    """Re-raise the error that ended one of aiokafka's tasks (the fetcher, or the refresh of metadata): without that task ``getmany`` would
    return nothing for ever, without an error."""
    for task in (kafka._fetcher.error_future, kafka._client._sync_task):
        if task.done():
            task.result()


async def leave(kafka: AIOKafkaConsumer) -> None:
    """Leave the group and close the connection, within STOP_SECONDS. It runs in its own task, because aiokafka may propagate the
    CancelledError of a task that it cancels."""
    stopping = asyncio.create_task(kafka.stop(), name="a consumer leaves")
    await asyncio.wait({stopping}, timeout=STOP_SECONDS)
    if stopping.done() and not stopping.cancelled() and stopping.exception() is None:
        return
    # close the connection without leaving the group in order: an open connection would keep the member in its group
    closing = asyncio.create_task(kafka._client.close(), name="a consumer hangs up")
    stopping.cancel()
    await asyncio.wait({stopping, closing}, timeout=STOP_SECONDS)
    closing.cancel()
    for task in (stopping, closing):
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a consumer left its group without telling the broker: %s", in_short(error))
