"""The relay: committed events go from a service's outbox to Kafka, in order of position, at least once."""

import asyncio
import logging
from contextlib import suppress

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from events.envelope import Envelope
from infra import metrics, telemetry
from infra.database import LOST

log = logging.getLogger(__name__)
BATCH = 2000
IDLE_SECONDS = 1.0
"""How long a lost NOTIFY can delay an event."""
REST = 0.02
"""Seconds between two batches: what a busy service writes meanwhile goes in one. The first event after a quiet time never waits."""


def producer(bootstrap: str) -> AIOKafkaProducer:
    """The one configuration of producers: durable, in order, compressed (aiokafka's defaults are none of it)."""
    return AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        compression_type="lz4",
        linger_ms=5,
        max_batch_size=262_144,
        request_timeout_ms=15_000,
    )


class Relay:
    """One a service, whichever process holds the advisory lock; others wait for it and take over when it goes.

    Rows are found by ``published_at is null``, never by "position > last": sequences commit out of order.
    """

    def __init__(self, service: str, url: str, kafka: AIOKafkaProducer) -> None:
        self.service = service
        self._url = url
        self._kafka = kafka

    async def run(self) -> None:
        """Relay until cancelled; a lost database or broker is waited for, nothing is dropped."""
        while True:
            try:
                connection = await asyncpg.connect(self._url)
                try:
                    await self._relay(connection)
                finally:
                    connection.terminate()  # the server may be gone: nothing to say good-bye to
            except (*LOST, KafkaError) as error:
                log.warning("%s relay: %s: %s; trying again", self.service, type(error).__name__, error)
                await asyncio.sleep(IDLE_SECONDS)

    async def _relay(self, connection: asyncpg.Connection) -> None:
        woken = asyncio.Event()
        while not await connection.fetchval(
            "select pg_try_advisory_lock(hashtextextended($1, 0))", f"relay/{self.service}"
        ):
            await asyncio.sleep(IDLE_SECONDS)
        await connection.add_listener(f"{self.service}_outbox", lambda *_: woken.set())
        while True:
            woken.clear()
            if await self.publish_batch(connection):
                await asyncio.sleep(REST)
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(woken.wait(), IDLE_SECONDS)

    async def publish_batch(self, connection: asyncpg.Connection) -> int:
        """Publish up to ``BATCH`` rows, wait for the broker's acknowledgement of all, then mark them. Returns how many."""
        rows = await connection.fetch(
            f"select position, topic, envelope, data from {self.service}.outbox"
            f" where published_at is null order by position limit {BATCH}"
        )
        if not rows:
            return 0
        sent = []
        for row in rows:
            envelope = msgspec.json.decode(row["envelope"], type=Envelope)
            with telemetry.span("producer", f"{self.service} sends {envelope.type}", envelope.traceparent) as span:
                if span.traceparent:
                    envelope = msgspec.structs.replace(envelope, traceparent=span.traceparent)
                sent.append(
                    await self._kafka.send(
                        row["topic"], value=row["data"], key=envelope.subject.encode(), headers=envelope.headers()
                    )
                )
        await asyncio.gather(*sent)
        await connection.execute(
            f"update {self.service}.outbox set published_at = now() where position = any($1::bigint[])",
            [row["position"] for row in rows],
        )
        metrics.EVENTS_SENT.labels(self.service).inc(len(rows))
        return len(rows)
