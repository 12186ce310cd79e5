"""The Kafka producer: durable, in order, and replaced by a new one if it cannot continue."""

import asyncio
import logging
from contextlib import suppress

from aiokafka import AIOKafkaProducer
from aiokafka.errors import BrokerNotAvailableError, KafkaError
from aiokafka.structs import RecordMetadata

import infra.mended_aiokafka  # noqa: F401 - wherever aiokafka is used
from events.envelope import Received
from events.topics import LARGEST_MESSAGE
from infra.away import there
from infra.broker import access

log = logging.getLogger(__name__)
LAST_WORDS_SECONDS = 5.0
"""Seconds for which stopping waits for unacknowledged messages; their outbox rows stay unpublished."""


class Producer:
    """Shared by the parts of one process.

    After the broker refused a message for good, an idempotent producer of aiokafka cannot be used for that partition
    any more: each further message would be out of sequence. The caller whose message was refused must call
    :meth:`renew`.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._kafka: AIOKafkaProducer | None = None
        self._renewing = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def working(self) -> AIOKafkaProducer:
        """The current producer. All messages of a batch whose order matters must be sent by the same one."""
        assert self._kafka is not None, "start it first"
        return self._kafka

    @property
    def started(self) -> bool:
        return self._kafka is not None

    async def wait_until_started(self) -> None:
        """Start it unless it was started before. Waits for the broker."""
        async with self._renewing:
            if not self.started:
                await there("Kafka", self.start)

    async def start(self) -> None:
        """Raise KafkaError while the broker is away; it may then be called again."""
        kafka = AIOKafkaProducer(
            **access(self.bootstrap),
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=5,
            max_batch_size=262_144,
            max_request_size=LARGEST_MESSAGE,
            request_timeout_ms=15_000,
        )
        try:
            await kafka.start()
        except BaseException:
            await _stop(kafka)
            raise
        self._kafka = kafka

    async def stop(self) -> None:
        if self._kafka is not None:
            await _stop(self._kafka)
        await asyncio.gather(*self._leaving)

    async def renew(self, broken: AIOKafkaProducer) -> None:
        """Replace ``broken`` by a new producer, unless that was done already. Raise KafkaError while the broker is
        away."""
        async with self._renewing:
            if self._kafka is not broken:
                return
            await self.start()
            leaving = asyncio.create_task(_stop(broken), name="a producer leaves")
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def topics(self) -> set[str]:
        """The topics that the broker shows to this login. Raise KafkaError while it is away or shows none: topics and
        rights are made after the broker has started."""
        found: set[str] = (await self.working.client.fetch_all_metadata()).topics()
        if not found:
            raise BrokerNotAvailableError(
                "Kafka shows no topic: they are not made yet, or this login may not use them yet"
            )
        return found

    async def send_and_wait(
        self, topic: str, value: bytes | None = None, key: bytes | None = None, headers: Received | None = None
    ) -> RecordMetadata:
        """Send the message. Return its place when the broker has it. Raise KafkaError."""
        kafka = self.working
        try:
            return await kafka.send_and_wait(topic, value=value, key=key, headers=headers)
        except KafkaError:
            await self.renew(kafka)
            raise


async def _stop(kafka: AIOKafkaProducer) -> None:
    with suppress(TimeoutError, KafkaError):
        async with asyncio.timeout(LAST_WORDS_SECONDS):
            await kafka.stop()
