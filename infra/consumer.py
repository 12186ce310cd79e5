"""The consumer: read, let the inbox handle, commit the offset last."""

import asyncio
import logging

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError

from infra.inbox import Inbox
from infra.turns import Turns

log = logging.getLogger(__name__)
BATCH = 500


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
        self._inbox = inbox
        self.topics = topics
        self._bootstrap = bootstrap

    async def run(self) -> None:
        """Consume until cancelled. Raises :class:`infra.inbox.ConsumerStopped`."""
        kafka = AIOKafkaConsumer(
            *self.topics,
            bootstrap_servers=self._bootstrap,
            group_id=self.group,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_poll_interval_ms=600_000,
            session_timeout_ms=10_000,
            retry_backoff_ms=500,
        )
        await self._started(kafka)
        try:
            while True:
                batches = await kafka.getmany(timeout_ms=500, max_records=BATCH)
                records = [record for batch in batches.values() for record in batch]
                if records:
                    async with self._turn():
                        await self._inbox.handle(records)
                    await self._commit(kafka)
        finally:
            await kafka.stop()

    async def _started(self, kafka: AIOKafkaConsumer) -> None:
        while True:
            try:
                await kafka.start()
                return
            except KafkaError as error:
                log.warning("%s consumer waits for Kafka: %s", self._inbox.service, error)
                await asyncio.sleep(1)

    async def _commit(self, kafka: AIOKafkaConsumer) -> None:
        try:
            await kafka.commit()
        except KafkaError as error:
            # After a rebalance the new owner reads these again; the inbox makes that harmless.
            log.warning("%s consumer: offsets not committed: %s", self._inbox.service, error)
