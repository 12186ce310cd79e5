"""Faust: the streaming views of all services in one worker, and their rebuild by replay.

A message is handed out again after a rebalance or a crash unless every view took it in: so every event is claimed in the
transaction that changes the view, and only what was taken in is committed to the broker. An agent never raises: the inbox
buries what fails.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError
from aiokafka.structs import ConsumerRecord, TopicPartition
from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

import infra.odd_headers  # noqa: F401 - so that aiokafka reads them
from events.topics import by_bulk
from infra import resuming
from infra.broker import access, where
from infra.consumer import BULK_BATCH, METADATA_SECONDS, check_tasks
from infra.health import HEALTH, State
from infra.inbox import NEWER_RELEASE, ConsumerStopped, Held, Inbox
from infra.producer import Producer
from infra.service import Ground, Service, View
from infra.turns import Turn, Turns

log = logging.getLogger(__name__)
GROUP = "lonja.views"
BATCH = 200
BULK_AHEAD, FETCH_BYTES = 256, 256 * 1024
"""Packs that wait in memory until their view has time, fewer than Faust keeps of what is small; and what is fetched of one partition at
once. They are matched: a queue that is full holds up what comes live as well, so no more is fetched while it is nearly full."""
WITHIN_SECONDS = 0.2
SESSION_TIMEOUT_SECONDS = 10.0
"""How long a killed worker's partitions stand still, and the longest that one worker which does not answer a rebalance holds up all
others (Faust's default is 60 for both)."""
STUCK_SECONDS = 30.0
"""A rebalance that a worker has not come through after so long, with the broker there, it never will."""


class Stuck(Exception):
    """A worker does not get back into its group."""


class NewerEvents(Exception):
    """A view cannot be made anew by a release that does not know all its events."""

    code = "newer-events"


class Offsets(driver.Consumer):
    """Commits what all of a topic's views (``readers`` of them, by topic) took in, and nothing else.

    Faust alone would also commit the batch of an agent that was stopped in the middle of it, and what a stream passes over once a
    rebalance has begun: those messages nobody would ever see again.
    """

    def __init__(self, *args: Any, readers: Counter[str], **more: Any) -> None:
        super().__init__(*args, **more)
        self._readers = readers
        self._taken: WeakKeyDictionary[ConsumerMessage, int] = WeakKeyDictionary()

    def took(self, message: ConsumerMessage) -> None:
        """One view has the message in effect, or buried."""
        self._taken[message] = self._taken.get(message, 0) + 1

    def ack(self, message: ConsumerMessage) -> bool:
        everyone = self._taken.get(message, 0) == self._readers[message.topic]
        return everyone and message.generation_id == self.app.consumer_generation_id and super().ack(message)

    @faust.Service.task
    async def _stay_in_the_group(self) -> None:
        """Raises what keeps the worker out of its group, so that it ends and is started again.

        aiokafka keeps such an error for the next call of ``getmany`` and waits; Faust goes round that call, and the worker would be
        without partitions for ever, without a word.
        """
        stage, since = None, monotonic()
        while not self.should_stop:
            await self.sleep(1.0)
            in_touch = await self._thread.call_thread(self._in_touch)
            now = self.app.rebalancing_count if in_touch and self.app.rebalancing else None
            if now is None or now != stage:
                stage, since = now, monotonic()
            elif monotonic() - since > STUCK_SECONDS:
                raise Stuck(f"this worker has not come through a rebalance of the views in {STUCK_SECONDS:.0f} s")

    async def _in_touch(self) -> bool:
        """Whether the group's broker is there. Raises what went wrong with joining, with staying or with reading."""
        kafka = self._thread._ensure_consumer()
        check_tasks(kafka)
        coordinator = kafka._coordinator
        coordinator.check_errors()
        return coordinator.coordinator_id is not None

    async def perform_seek(self) -> None:
        """Also to the beginning of a partition of which nothing was committed yet: Faust leaves it wherever it was read to."""
        await super().perform_seek()
        fresh = [partition for partition in self.assignment() if self._committed_offset[partition] is None]
        for partition, offset in (await self.earliest_offsets(*fresh)).items():
            await self.seek(partition, offset)

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109 - as Faust calls it
        """What was fetched across a rebalance does not follow on what is read after it: it is read again, in its turn."""
        generation = self.app.consumer_generation_id
        records = await super()._getmany(active_partitions, timeout)
        if generation == self.app.consumer_generation_id:
            return records
        if self.assignment():
            with suppress(IllegalStateError):  # yet another rebalance took a partition away, and will seek by itself
                await self.perform_seek()
        return {}


def _credentials(bootstrap: str) -> SASLCredentials | SSLCredentials | None:
    """The login, in Faust's words."""
    settings = access(bootstrap)
    tls = settings.get("ssl_context")
    if "sasl_mechanism" not in settings:
        return SSLCredentials(context=tls) if tls else None
    return SASLCredentials(
        username=settings["sasl_plain_username"],
        password=settings["sasl_plain_password"],
        mechanism=settings["sasl_mechanism"],
        ssl_context=tls,
    )


async def keep(
    ground: Ground, bootstrap: str, kafka: Producer, services: Sequence[Service], stop: asyncio.Event
) -> None:
    """Keep the views until ``stop`` is set; raises what made Faust stop by itself. A view that stopped goes on when a person says so:
    then all views leave their group for a moment, and read on from what was committed."""
    while not stop.is_set():
        app = create_app(ground, bootstrap, kafka, services)
        await app.start()
        resumed = asyncio.create_task(resuming.asked(ground.database.pool, partial(resuming.stopped_here, "view")))
        ended = {asyncio.create_task(stop.wait()), asyncio.create_task(app.wait_until_stopped()), resumed}
        try:
            done, _ = await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in ended:
                task.cancel()
            await app.stop()
        if app.crash_reason is not None:
            raise app.crash_reason
        if resumed not in done:
            return
        resumed.result()
        log.warning("the views begin again: a person let one go on that had stopped")


def create_app(ground: Ground, bootstrap: str, kafka: Producer, services: Sequence[Service]) -> faust.App:
    """A Faust app with one agent for each view, and one more for what it takes from bulk topics. Start it inside a running event loop.
    ``kafka`` takes the dead letters."""
    app = faust.App(
        GROUP,
        broker="kafka://" + where(bootstrap).replace(",", ";"),
        broker_credentials=_credentials(bootstrap),
        store="memory://",
        datadir=ground.config.home / "streams",
        table_standby_replicas=0,  # there are no tables: partitions are dealt out by turns, and nothing needs to be where it was
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=SESSION_TIMEOUT_SECONDS,
        broker_rebalance_timeout=SESSION_TIMEOUT_SECONDS,
        broker_heartbeat_interval=1.0,
        consumer_max_fetch_size=FETCH_BYTES,
        consumer_metadata_max_age_ms=round(METADATA_SECONDS * 1000),
        broker_request_timeout=SESSION_TIMEOUT_SECONDS * 2,
        stream_wait_empty=False,
    )
    views = [(service, view) for service in services for view in service.views]
    transport = driver.Transport(app.conf.broker_consumer, app)
    transport.Consumer = partial(
        Offsets, readers=Counter(topic for _, view in views for topic in view.reactions.topics)
    )
    app.transport = transport
    turns = Turns()
    for service, view in views:
        inbox = Inbox(service.name, view.reactions, ground.database, kafka, view=view.name)
        for bulk, topics in by_bulk(view.reactions.topics):
            if bulk:
                _agent(app, f"{view.name}.bulk", topics, inbox, turns.bulk, BULK_BATCH, BULK_AHEAD)
            else:
                _agent(app, view.name, topics, inbox, turns.live, BATCH)
    return app


def _agent(
    app: faust.App, name: str, topics: list[str], inbox: Inbox, turn: Turn, batch: int, ahead: int | None = None
) -> None:
    topic = app.topic(
        *topics,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        maxsize=ahead,
    )
    waiting = Waiting(app, name)
    HEALTH.report("view", name, State.running)

    @app.agent(topic, name=name, concurrency=1)  # type: ignore[untyped-decorator]
    async def keep(stream: Any) -> None:
        async for events in stream.take_events(batch, within=WITHIN_SECONDS):
            messages = [event.message for event in events if not waiting.keeps(event.message)]
            try:
                async with turn():
                    held = await inbox.handle(messages)
                waiting.hold(held, State.degraded, NEWER_RELEASE)
            except ConsumerStopped as stopped:
                waiting.hold(stopped.undone, State.stopped, resuming.remedy(name))
            for message in messages:
                if not waiting.keeps(message):
                    app.consumer.took(message)


class Waiting:
    """The partitions of a view that wait, until a rebalance has them read again from what was committed. As all views share one
    reader, a partition waits for all of them."""

    def __init__(self, app: faust.App, name: str) -> None:
        self._app = app
        self._name = name
        self._held: dict[tuple[TopicPartition, int], int] = {}
        """The offset, by partition and generation of the group."""

    def keeps(self, message: ConsumerMessage) -> bool:
        """It stands behind what its partition waits for, and is not to be handled."""
        partition = TopicPartition(message.topic, message.partition)
        offset = self._held.get((partition, message.generation_id))
        if offset is None or message.offset < offset:
            return False
        self._app.consumer.pause_partitions({message.tp})
        return True

    def hold(self, held: Sequence[Held], state: State, remedy: str) -> None:
        now = self._app.consumer_generation_id
        self._held = {(partition, at): offset for (partition, at), offset in self._held.items() if at == now}
        for each in held:
            self._held[each.partition, now] = each.offset
            self._app.consumer.pause_partitions({TP(each.partition.topic, each.partition.partition)})
            if each.why:
                what = f"partition {each.partition.partition} of {each.partition.topic} waits: {each.why}"
                log.error("%s: %s; remedy: %s", self._name, what, remedy)
                HEALTH.report("view", self._name, state, what, remedy)
        if not self._held:
            HEALTH.report("view", self._name, State.running)


async def rebuild(ground: Ground, bootstrap: str, kafka: Producer, service: Service, view: View) -> int:
    """Forget the view and make it again from the whole of its topics. Returns how many messages were replayed.

    A worker may run meanwhile: whoever claims an event first applies it.
    """
    async with ground.database.transaction(service.name) as tx:
        await view.forget(tx)
        connection = await tx.raw()
        await connection.execute(f"delete from {service.name}.inbox where starts_with(event_id, $1)", f"{view.name}/")
    inbox = Inbox(service.name, view.reactions, ground.database, kafka, view=view.name)
    replayed = 0
    async for records in _replay(bootstrap, view.reactions.topics):
        if held := await inbox.handle(records):
            raise NewerEvents(f"{view.name} cannot be made again here: {held[0].why}; {NEWER_RELEASE}")
        replayed += len(records)
    return replayed


async def _replay(bootstrap: str, topics: list[str]) -> AsyncIterator[list[ConsumerRecord]]:
    """Everything in the topics up to what is there now, without a consumer group."""
    kafka = AIOKafkaConsumer(*topics, **access(bootstrap), auto_offset_reset="earliest", enable_auto_commit=False)
    try:
        await kafka.start()
        ends = await kafka.end_offsets(kafka.assignment())
        left = {partition for partition, end in ends.items() if end > 0}
        while left:
            batches = await kafka.getmany(*left, timeout_ms=1000, max_records=BATCH)
            records = [
                record for partition, batch in batches.items() for record in batch if record.offset < ends[partition]
            ]
            if records:
                yield records
            left = {partition for partition in left if await kafka.position(partition) < ends[partition]}
    finally:
        await kafka.stop()
