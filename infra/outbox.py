"""The relay: committed events go from a service's outbox to Kafka, in order of position, at least once."""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

import asyncpg
import msgspec
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, UnknownTopicOrPartitionError

from events.envelope import Envelope
from infra import metrics, refusals, telemetry
from infra.away import FREE_THE_LOCK, in_short
from infra.database import LOST, connect_alone
from infra.health import HEALTH, PartState
from infra.producer import Producer
from infra.refusals import REFUSED
from infra.set_aside import SETTLE

log = logging.getLogger(__name__)
BATCH = 2000
HEAVIEST = 8_000_000
"""Bytes of data that one batch of several rows has at most."""
SLICE = 100
"""Send at most this many rows before yielding to the event loop."""
IDLE_SECONDS = 1.0
"""How long a lost NOTIFY can delay an event."""
REST = 0.02
"""Seconds of pause after a batch that was not full: rows that a busy service writes meanwhile go in the next batch. The first event after a
quiet time never waits."""
PATIENCE_SECONDS = 5.0
"""After this many seconds without the broker's acknowledgement health shows that the relay waits."""


class Relay:
    """One relay per service runs: in the process that holds the advisory lock. The other processes wait for the lock.

    Rows are found by ``published_at is null``, never by "position > last": sequences commit out of order. If
    the broker will never accept a row, the row is set aside with the reason; all other rows are sent, also later events of the same key. A
    row that someone else has locked is sent like all others, and marked as published when it is free; if another process takes over before
    that, it sends the row again.
    """

    def __init__(self, service: str, url: str, kafka: Producer) -> None:
        self.service = service
        self._url = url
        self._kafka = kafka
        self._aside = 0
        self._topics: set[str] = set()
        self._unmarked: list[int] = []
        """Positions of rows that were sent and could not be marked."""

    async def run(self) -> None:
        """Relay until cancelled. If the database or the broker is lost, wait for it; no event is dropped."""
        while True:
            try:
                connection = await connect_alone(self._url)
                try:
                    await self._relay(connection)
                finally:
                    connection.terminate()  # the server may be gone: do not wait for an orderly end
            except (*LOST, KafkaError) as error:
                log.warning("%s relay: %s: %s; trying again", self.service, type(error).__name__, error)
                HEALTH.report("relay", self.service, PartState.waiting, in_short(error))
                await asyncio.sleep(IDLE_SECONDS)

    async def _relay(self, connection: asyncpg.Connection) -> None:
        woken = asyncio.Event()
        while not await connection.fetchval(
            "select pg_try_advisory_lock(hashtextextended($1, 0))", f"relay/{self.service}"
        ):
            HEALTH.report("relay", self.service, PartState.running, "another process relays")
            await asyncio.sleep(IDLE_SECONDS)
        await connection.add_listener(f"{self.service}_outbox", lambda *_: woken.set())
        await self._count(connection)
        while True:
            woken.clear()
            if done := await self.publish_batch(connection):
                await asyncio.sleep(REST if done < BATCH else 0)
            else:
                with suppress(TimeoutError):
                    async with asyncio.timeout(IDLE_SECONDS):
                        await woken.wait()

    async def publish_batch(self, connection: asyncpg.Connection) -> int:
        """Publish up to ``BATCH`` rows, not heavier than ``HEAVIEST``, wait for the broker's acknowledgement of all, then mark them.
        Return how many rows were published or set aside. Raise the broker's error, after the acknowledged rows are marked."""
        if self._unmarked:
            await self._mark_unlocked(connection)
        rows = await connection.fetch(
            "select position, topic, envelope, data from"
            " (select *, sum(octet_length(data)) over (order by position) - octet_length(data) as before from"
            f" (select position, topic, envelope, data from {self.service}.outbox where published_at is null"
            f" and set_aside_at is null and position <> all($1::bigint[]) order by position limit {BATCH}) as next) as weighed"
            f" where before = 0 or before + octet_length(data) <= {HEAVIEST} order by position",
            self._unmarked,
        )
        if not rows:
            if self._aside:
                await self._count(connection)
            return 0
        kafka = self._kafka.working
        try:
            sent = await self._send_all(kafka, rows)
        except KafkaError:
            # The producer may have stopped for good, for instance because it was given its rights only after its start.
            await self._kafka.renew(kafka)
            raise
        results = await self._acknowledged(sent)
        failures = {row["position"]: result for row, result in zip(rows, results, strict=True) if result is not None}
        if not failures:
            await self._mark(connection, [row["position"] for row in rows])
            self._report()
            return len(rows)
        await self._kafka.renew(kafka)
        return await self._send_one_by_one(connection, rows, failures)

    async def _send_one_by_one(
        self, connection: asyncpg.Connection, rows: Sequence[asyncpg.Record], failures: dict[int, BaseException]
    ) -> int:
        """Send each row of a batch that was not acknowledged by itself, so that its error is its own. Later rows with the same key are sent
        again after it, to keep their order."""
        again: set[tuple[str, str]] = set()
        refused: dict[int, str] = {}
        done: list[int] = []
        try:
            for row in rows:
                key = (row["topic"], _subject(row))
                if row["position"] not in failures and key not in again:
                    done.append(row["position"])
                    continue
                again.add(key)
                kafka = self._kafka.working
                error = (await self._acknowledged([await self._send(kafka, row)]))[0]
                if error is None:
                    done.append(row["position"])
                    continue
                if not isinstance(error, REFUSED):
                    raise error
                refused[row["position"]] = refusals.in_words(error, row["topic"], len(row["data"]))
                await self._kafka.renew(kafka)
        finally:
            await self._mark(connection, done)
            await self._set_aside(connection, refused)
        return len(rows)

    async def _send_all(
        self, kafka: AIOKafkaProducer, rows: Sequence[asyncpg.Record]
    ) -> "list[asyncio.Future[object]]":
        sent = []
        for number, row in enumerate(rows, 1):
            sent.append(await self._send(kafka, row))
            if number % SLICE == 0:
                await asyncio.sleep(0)
        return sent

    async def _send(self, kafka: AIOKafkaProducer, row: asyncpg.Record) -> "asyncio.Future[object]":
        """Return the broker's answer as a future; an error found before sending is returned in the same way."""
        topic = row["topic"]
        try:
            envelope = _envelope(row)
        except msgspec.DecodeError as error:
            return _failed(error)
        if topic not in self._topics:
            self._topics = await self._kafka.topics()
            if topic not in self._topics:
                return _failed(refusals.NoSuchTopic())
        try:
            with telemetry.span("producer", f"{self.service} sends {envelope.type}", envelope.traceparent) as span:
                if span.traceparent:
                    envelope = msgspec.structs.replace(envelope, traceparent=span.traceparent)
                return await kafka.send(  # type: ignore[no-any-return]
                    topic, value=row["data"], key=envelope.subject.encode(), headers=envelope.headers()
                )
        except UnknownTopicOrPartitionError:
            self._topics = set()  # deleted since, or Kafka is unavailable: ask for the topics again
            raise
        except MessageSizeTooLargeError:
            return _failed(refusals.LargerThanWeSend())

    async def _acknowledged(self, sent: Sequence["asyncio.Future[object]"]) -> list[BaseException | None]:
        """The error of each, or None. While Kafka is unavailable its producer tries without an end."""
        waiting = set(sent)
        while waiting:
            _, waiting = await asyncio.wait(waiting, timeout=PATIENCE_SECONDS)
            if waiting:
                HEALTH.report("relay", self.service, PartState.waiting, "Kafka does not acknowledge")
        return [one.exception() for one in sent]

    async def _mark(self, connection: asyncpg.Connection, positions: list[int]) -> None:
        metrics.EVENTS_SENT.labels(self.service).inc(len(positions))
        try:
            await connection.execute(
                f"update {self.service}.outbox set published_at = now() where position = any($1::bigint[])", positions
            )
        except asyncpg.LockNotAvailableError:
            self._unmarked += positions
            await self._mark_unlocked(connection)

    async def _mark_unlocked(self, connection: asyncpg.Connection) -> None:
        """Mark the rows that were sent before and are not locked now. The others stay in ``_unmarked``."""
        await connection.execute(
            f"update {self.service}.outbox set published_at = now() where position in (select position from"
            f" {self.service}.outbox where position = any($1::bigint[]) for update skip locked)",
            self._unmarked,
        )
        left = await connection.fetch(
            f"select position from {self.service}.outbox where position = any($1::bigint[]) and published_at is null",
            self._unmarked,
        )
        self._unmarked = [row["position"] for row in left]
        self._report()

    async def _set_aside(self, connection: asyncpg.Connection, refused: dict[int, str]) -> None:
        """``refused``: position → reason."""
        if not refused:
            return
        await connection.execute(
            f"update {self.service}.outbox o set set_aside_at = now(), set_aside_reason = n.reason"
            " from unnest($1::bigint[], $2::text[]) as n (position, reason) where o.position = n.position",
            list(refused),
            list(refused.values()),
        )
        for position, reason in refused.items():
            log.error("%s relay: event at position %d is set aside: %s", self.service, position, reason)
        await self._count(connection)

    async def _count(self, connection: asyncpg.Connection) -> None:
        self._aside = await connection.fetchval(
            f"select count(*) from {self.service}.outbox where published_at is null and set_aside_at is not null"
        )
        self._report()

    def _report(self) -> None:
        if self._aside:
            what = f"{self._aside} events of the outbox cannot be sent and are set aside"
            HEALTH.report("relay", self.service, PartState.degraded, what, SETTLE)
        elif self._unmarked:
            what = f"{len(self._unmarked)} outbox rows whose events were sent cannot be marked: they are locked"
            HEALTH.report("relay", self.service, PartState.waiting, what, FREE_THE_LOCK)
        else:
            HEALTH.report("relay", self.service, PartState.running)


def _envelope(row: asyncpg.Record) -> Envelope:
    return msgspec.json.decode(row["envelope"], type=Envelope)


def _subject(row: asyncpg.Record) -> str:
    """ "" if the envelope cannot be read."""
    try:
        return _envelope(row).subject
    except msgspec.DecodeError:
        return ""


def _failed(error: Exception) -> "asyncio.Future[object]":
    future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future
