"""The consumer: read, let the inbox handle, commit the offset last, once a second where records come all the time."""

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
from infra.health import HEALTH, State
from infra.held import ConsumerStopped, Held, remedies
from infra.inbox import Inbox
from infra.turns import Turns

log = logging.getLogger(__name__)
BATCH = 2000
BULK_BATCH = 8
"""Of bulk topics, whose messages are packs. The services' consumers take turns: with few in each they read the same ones at about the
same time."""
START_SECONDS = 60.0
COMMIT_EVERY = 1.0
"""Seconds between commits of the offsets while records come without a rest: a commit costs the broker as much as a record, and what is
read again after a crash has been claimed."""
LOOK_EVERY = 2.0
"""Seconds between two looks whether a person gave up what a partition waits before."""
COMMIT_SECONDS = 30.0
"""After so long a start or a commit is given up, and a new client begins: what is in effect stays so."""
STOP_SECONDS = 5.0
"""For the good-bye to a broker that may be frozen."""
METADATA_SECONDS = 5.0
"""A broker that has just started may not know its topics yet, and a group that is dealt out by what it says then lacks them until it is
asked again: by itself aiokafka asks after five minutes."""
BULK_BYTES = 128 * 1024
"""Of a bulk topic the broker gathers so much before it answers, for half a second at most: few large batches cost less than many small."""


def group_of(service: str, *, bulk: bool = False) -> str:
    return f"lonja.{service}.bulk" if bulk else f"lonja.{service}"


class Consumer:
    """Feeds an inbox from topics. Consumer group ``lonja.<service>``: partitions are shared with other processes.

    With ``bulk`` the group is one of its own, and each batch waits its turn behind the live ones of this process.
    """

    def __init__(
        self, inbox: Inbox, topics: list[str], bootstrap: str, *, turns: Turns | None = None, bulk: bool = False
    ) -> None:
        turns = turns or Turns()
        self._turn = turns.bulk if bulk else turns.live
        self.group = group_of(inbox.service, bulk=bulk)
        self.name = f"{inbox.name} bulk" if bulk else inbox.name
        self._inbox = inbox
        self._fetch_bytes, self._batch = (BULK_BYTES, BULK_BATCH) if bulk else (1, BATCH)
        self.topics = topics
        self._bootstrap = bootstrap
        self._waiting: dict[TopicPartition, Held] = {}
        """Until more of it is in effect. What a rebalance takes away is not paused any more; its owner finds the same record."""
        self._again: dict[TopicPartition, float] = {}
        """When a paused partition goes on by itself, by the event loop's clock."""

    async def run(self) -> None:
        """Consume until cancelled. Raises :class:`infra.inbox.ConsumerStopped`."""
        self._waiting.clear()
        self._again.clear()
        kafka = await there(f"Kafka, for the consumer of {self.name}", self._join)
        now = asyncio.get_running_loop().time
        look_at = now()
        commit_at: float | None = None
        """Until then what was handled needs no commit; None where all of it has one."""
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
                    buried = self._inbox.buried
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
                    if self._inbox.buried > buried:  # bad bytes have no claim, and would be buried again
                        commit_at = now()
                if commit_at is not None and (not records or commit_at <= now()):
                    await self._commit(kafka)
                    commit_at = None
        finally:
            await leave(kafka)

    async def _join(self) -> AIOKafkaConsumer:
        """A new member of the group. One whose start fails or is cancelled leaves: it would keep partitions and read nothing."""
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

    def _stand_before(self, kafka: AIOKafkaConsumer, held: Iterable[Held]) -> list[Held]:
        """Read no further in these partitions, and commit nothing beyond. Returns those that are still this member's."""
        ours = []
        for each in held:
            with suppress(IllegalStateError):  # a rebalance gave it to another member
                kafka.seek(each.partition, each.offset)
                kafka.pause(each.partition)
                ours.append(each)
        return ours

    def _wait(self, held: Iterable[Held]) -> None:
        for each in held:
            self._waiting[each.partition] = each
            if each.again is None:
                log.error("%s waits: %s; remedy: %s", self._name_of(each.partition), each.why, each.remedy)
            else:
                log.warning("%s waits: %s", self._name_of(each.partition), each.why)
                self._again[each.partition] = asyncio.get_running_loop().time() + each.again

    async def _look_for_given_up(self) -> None:
        """A partition before a record that a person gave up reads it again: then it becomes a dead letter."""
        for partition in await self._inbox.given_up(self._waiting.values()):
            self._again[partition] = asyncio.get_running_loop().time()

    def _go_on(self, kafka: AIOKafkaConsumer) -> None:
        """Read those partitions again whose pause is over."""
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
            HEALTH.report("consumer", self.name, State.running)
            return
        why = "; ".join(f"{self._name_of(each)} waits: {held.why}" for each, held in sorted(self._waiting.items()))
        stands = any(held.again is None for held in self._waiting.values())
        HEALTH.report(
            "consumer", self.name, State.degraded if stands else State.waiting, why, remedies(self._waiting.values())
        )

    def _name_of(self, partition: TopicPartition) -> str:
        return f"partition {partition.partition} of {partition.topic} for {self.name}"

    async def _commit(self, kafka: AIOKafkaConsumer) -> None:
        """Raises TimeoutError."""
        try:
            async with asyncio.timeout(COMMIT_SECONDS):
                await kafka.commit()
        except KafkaError as error:
            # After a rebalance the new owner reads these again; the inbox makes that harmless.
            log.warning("%s consumer: offsets not committed: %s", self.name, error)


def check_tasks(kafka: AIOKafkaConsumer) -> None:
    """Raises what ended a task of aiokafka that reads records or keeps the list of brokers: without it ``getmany`` returns nothing from
    then on, without an error."""
    for task in (kafka._fetcher.error_future, kafka._client._sync_task):
        if task.done():
            task.result()


async def leave(kafka: AIOKafkaConsumer) -> None:
    """Its group, and the broker; within a time. In a task of its own: aiokafka may let out the cancellation of a task that it ends."""
    stopping = asyncio.create_task(kafka.stop(), name="a consumer leaves")
    await asyncio.wait({stopping}, timeout=STOP_SECONDS)
    if stopping.done() and not stopping.cancelled() and stopping.exception() is None:
        return
    # it leaves without a good-bye: a connection that is still there would keep it in its group
    closing = asyncio.create_task(kafka._client.close(), name="a consumer hangs up")
    stopping.cancel()
    await asyncio.wait({stopping, closing}, timeout=STOP_SECONDS)
    closing.cancel()
    for task in (stopping, closing):
        if task.done() and not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a consumer left without a good-bye: %s", in_short(error))
