"""What puts messages on Kafka: durable, in order, and replaced by a fresh one where it cannot go on."""

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
"""How long the end waits for messages that were not acknowledged yet; their outbox rows stay unpublished."""


class Producer:
    """Shared by the parts of one process.

    After a message that the broker refused for good, an idempotent producer of aiokafka is of no use for that partition: each
    further message there would come out of sequence. So who sees a message refused calls :meth:`renew`.
    """

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._kafka: AIOKafkaProducer | None = None
        self._renewing = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()

    @property
    def working(self) -> AIOKafkaProducer:
        """The one that works now. A batch whose order matters goes through one and the same."""
        assert self._kafka is not None, "start it first"
        return self._kafka

    @property
    def started(self) -> bool:
        return self._kafka is not None

    async def wait_until_started(self) -> None:
        """Start it unless somebody did so before. Waits for the broker."""
        async with self._renewing:
            if not self.started:
                await there("Kafka", self.start)

    async def start(self) -> None:
        """Raises KafkaError while the broker is away; it may be called again then."""
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
        """Go on with a fresh producer, unless somebody saw to that already. Raises KafkaError while the broker is away."""
        async with self._renewing:
            if self._kafka is not broken:
                return
            await self.start()
            leaving = asyncio.create_task(_stop(broken), name="a producer leaves")
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def topics(self) -> set[str]:
        """Those that the broker shows to this login. Raises KafkaError while it is away, or shows none: the topics and the rights on
        them come after the broker itself."""
        found: set[str] = (await self.working.client.fetch_all_metadata()).topics()
        if not found:
            raise BrokerNotAvailableError(
                "Kafka shows no topic: they are not made yet, or this login may not use them yet"
            )
        return found

    async def send_and_wait(
        self, topic: str, value: bytes | None = None, key: bytes | None = None, headers: Received | None = None
    ) -> RecordMetadata:
        """Returns when the broker has the message, and where. Raises KafkaError."""
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
