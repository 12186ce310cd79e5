"""Faust: the streaming views of all services, each with its own reader, and their rebuild by replay.

Each view has its own Faust app and consumer group, so a view that fails, waits or stops does not delay others. After a
rebalance or a crash a message is delivered again unless the view took it in: every event is claimed in the transaction
that changes the view, and only the offsets of messages that were taken in are committed to the broker.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from time import monotonic
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import IllegalStateError
from aiokafka.structs import ConsumerRecord, TopicPartition
from faust.app.base import BootStrategy
from faust.auth import SASLCredentials, SSLCredentials
from faust.transport.drivers import aiokafka as driver
from faust.types import ConsumerMessage

import infra.mended_aiokafka  # noqa: F401 - wherever aiokafka is used
from events.topics import by_bulk
from infra import resuming
from infra.away import PAUSE
from infra.beginning import begin_after_forgotten, begin_where_former_stood
from infra.broker import access, where
from infra.consumer import BULK_BATCH, METADATA_SECONDS, check_tasks
from infra.inbox import Inbox
from infra.one_loop import InOneLoop
from infra.parts import supervise
from infra.producer import Producer
from infra.service import Resources, Service, View
from infra.turns import ConsumerTurns
from infra.viewing import ViewReader

log = logging.getLogger(__name__)
BATCH = 200
MOST_BEHIND = 2000
"""The most small messages that are kept in memory behind locked rows. With more, the stream takes no new ones until
some are in effect."""
GROUPS = "lonja.views"
"""The names of groups of views begin with this; it is also the name of the group that all views of former releases
shared."""
BULK_AHEAD, FETCH_BYTES = 256, 256 * 1024
"""The most bundles that wait in memory for their view (fewer than Faust keeps of small messages), and the bytes that are
fetched from one partition at once. The two fit together: a full queue would also delay live messages, so nothing more
is fetched while it is nearly full."""
WITHIN_SECONDS = 0.2
SESSION_TIMEOUT_SECONDS = 10.0
"""For this many seconds nobody reads the partitions of a killed worker, and at most for this long a worker that does not
answer a rebalance delays all others (Faust's default is 60 for both)."""
STUCK_SECONDS = 20.0
"""If a reader has not completed a rebalance after this many seconds while the broker is available, it never will."""
SEEK_SECONDS = 15.0
"""Timeout for asking for the committed offsets; less than Faust's own limit, after which it would silently read
nothing."""
COMMIT_SECONDS = 5.0
STOP_SECONDS = 30.0


class Stuck(Exception):
    """A reader cannot join its group again."""


class DoesNotEnd(SystemExit):
    """A reader that failed does not leave its group. It would keep partitions and read nothing, so the process ends,
    and its supervisor starts it again."""


class NewerEvents(Exception):
    """A view cannot be rebuilt by a release that does not know all its events."""

    code = "newer-events"


def group_of(view: View) -> str:
    return f"{GROUPS}.{view.name}"


class Offsets(driver.Consumer):
    """Commits only the offsets of messages that the view took in.

    Faust by itself would also commit the batch of an agent that was stopped in the middle of it, and messages that a
    stream skips after a rebalance has begun: those messages would be lost.
    """

    def took(self, message: ConsumerMessage) -> None:
        """The view applied the message, or made it a dead letter."""
        if message.generation_id == self.app.consumer_generation_id:
            super().ack(message)

    def ack(self, message: ConsumerMessage) -> bool:  # type: ignore[override]
        """Do nothing: that the stream delivered the message does not mean that the view took it in."""
        return False

    def _new_consumer_thread(self) -> InOneLoop:
        return InOneLoop(self, loop=self.loop, beacon=self.beacon)

    async def on_task_error(self, exc: BaseException) -> None:
        """An agent failed: end its view. It starts again with the messages that it was given, so that none is
        missing."""
        await self.app.crash(exc)

    @faust.Service.task
    async def _stay_in_the_group(self) -> None:
        """Raise the error that keeps the reader out of its group, so that it ends and is started again.

        aiokafka stores such an error for the next call of ``getmany``; Faust does not call it, so the reader would
        silently stay without partitions for ever.
        """
        stage, since = None, monotonic()
        while not self.should_stop:
            await self.sleep(1.0)
            now = self.app.rebalancing_count if self._in_touch() and self.app.rebalancing else None
            if now is None or now != stage:
                stage, since = now, monotonic()
            elif monotonic() - since > STUCK_SECONDS:
                raise Stuck(f"this reader has not come through a rebalance of its view in {STUCK_SECONDS:.0f} s")

    def _in_touch(self) -> bool:
        """Whether the broker of the group is available. Raise the error of joining, of staying in the group, or of
        reading."""
        kafka = self._thread._ensure_consumer()
        check_tasks(kafka)
        coordinator = kafka._coordinator
        coordinator.check_errors()
        return coordinator.coordinator_id is not None

    async def perform_seek(self) -> None:
        """Seek, also to the beginning of a partition without committed offset: Faust would leave such a partition at
        its last position."""
        async with asyncio.timeout(SEEK_SECONDS):
            await super().perform_seek()
            fresh = [partition for partition in self.assignment() if self._committed_offset[partition] is None]
            for partition, offset in (await self.earliest_offsets(*fresh)).items():
                await self.seek(partition, offset)

    async def _commit(self, offsets: Any) -> bool:
        """Commit, and wait while the broker is away. A reader that ends does not wait for this: messages that were not
        committed are read again."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(COMMIT_SECONDS):
                    return bool(await super()._commit(offsets))
            if self.should_stop:
                return False

    async def _getmany(self, active_partitions: Any, timeout: float) -> Any:  # noqa: ASYNC109 - as Faust calls it
        """Drop messages that were fetched across a rebalance, because they would be out of order: they are read again
        later."""
        generation = self.app.consumer_generation_id
        records = await super()._getmany(active_partitions, timeout)
        if generation == self.app.consumer_generation_id:
            return records
        if self.assignment():
            with suppress(IllegalStateError):  # another rebalance took a partition away, and will seek by itself
                await self.perform_seek()
        return {}


def _credentials(bootstrap: str) -> SASLCredentials | SSLCredentials | None:
    """The login as Faust's credentials."""
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


async def keep(resources: Resources, bootstrap: str, kafka: Producer, services: Sequence[Service]) -> None:
    """Run the views until cancelled, each separately. ``kafka`` is the producer for dead letters."""
    turns = ConsumerTurns()
    async with asyncio.TaskGroup() as tasks:
        for service in services:
            for view in service.views:
                run = partial(_keep, resources, bootstrap, kafka, service, view, turns)
                tasks.create_task(supervise("view", view.name, run, partial(_resumed, resources, view)), name=view.name)


async def _keep(
    resources: Resources,
    bootstrap: str,
    kafka: Producer,
    service: Service,
    view: View,
    turns: ConsumerTurns | None = None,
) -> None:
    """Run one view until cancelled. Raise the error that made Faust stop by itself. A stopped partition continues when
    a person says so; one that waits for a newer release continues when a person gave up the record that blocks it: then
    the view leaves its group for a moment and reads on from the committed offsets."""
    group, topics = group_of(view), view.reactions.topics
    await begin_where_former_stood(bootstrap, group, GROUPS, topics)
    await begin_after_forgotten(resources.database, [service.name], bootstrap, group, topics)
    while True:
        given_up = asyncio.Event()
        app = create_app(resources, bootstrap, kafka, service, view, turns=turns, given_up=given_up)
        resumed = asyncio.create_task(_resumed(resources, view))
        passed = asyncio.create_task(given_up.wait())
        ended = asyncio.create_task(app.wait_until_stopped())
        try:
            await app.start()
            await asyncio.wait((resumed, passed, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (resumed, passed, ended):
                task.cancel()
            await _end(app)
        if app.crash_reason is not None:
            raise app.crash_reason
        if not given_up.is_set():
            resumed.result()
        log.warning("%s starts again: a person let it continue", view.name)


async def _end(app: faust.App) -> None:
    """The limit is set outside the app, because an app continues with its next part after a part was cancelled."""
    stopping = asyncio.create_task(app.stop())
    done, _ = await asyncio.wait((stopping,), timeout=STOP_SECONDS)
    if not done:
        raise DoesNotEnd(f"{app.conf.id} does not leave its group")
    stopping.result()


async def _resumed(resources: Resources, view: View) -> None:
    """Return when a person says that the view may continue."""
    names = {f"view {view.name}", f"view {_bulk(view)}"}
    await resuming.asked(
        resources.database.pool, lambda: [each for each in resuming.stopped_here("view") if each in names]
    )


def _bulk(view: View) -> str:
    return f"{view.name}.bulk"


class Boot(BootStrategy):
    enable_kafka_producer = False


class ReadingApp(faust.App):
    """A Faust app that sends nothing."""

    BootStrategy = Boot


def create_app(
    resources: Resources,
    bootstrap: str,
    kafka: Producer,
    service: Service,
    view: View,
    *,
    turns: ConsumerTurns | None = None,
    given_up: asyncio.Event | None = None,
) -> faust.App:
    """A Faust app with one agent for the view, and one more for what it takes from bulk topics. Start it inside a
    running event loop. ``kafka`` is the producer for dead letters; ``turns`` are shared by all views of the process;
    :class:`ViewReader` sets ``given_up``."""
    app = ReadingApp(
        group_of(view),
        broker="kafka://" + where(bootstrap).replace(",", ";"),
        broker_credentials=_credentials(bootstrap),
        store="memory://",
        datadir=resources.config.home / "streams",
        # there are no tables: partitions are assigned in turn, and none needs to stay where it was
        table_standby_replicas=0,
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
    transport = driver.Transport(app.conf.broker_consumer, app)
    transport.Consumer = Offsets  # type: ignore[misc]
    app.transport = transport
    turns = turns or ConsumerTurns()
    inbox = Inbox(service.name, view.reactions, resources.database, kafka, view=view.name)
    for bulk, topics in by_bulk(view.reactions.topics):
        if bulk:
            reader = ViewReader(app, _bulk(view), inbox, turns.bulk, BULK_BATCH, BULK_AHEAD, given_up)
            _agent(app, topics, reader, BULK_AHEAD)
        else:
            _agent(app, topics, ViewReader(app, view.name, inbox, turns.live, BATCH, MOST_BEHIND, given_up))
    return app


def _agent(app: faust.App, topics: list[str], reader: ViewReader, ahead: int | None = None) -> None:
    topic = app.topic(
        *topics,
        key_type=bytes,
        value_type=bytes,
        key_serializer="raw",
        value_serializer="raw",
        maxsize=ahead,
    )

    @app.agent(topic, name=reader.name, concurrency=1)
    async def keep(stream: Any) -> None:
        async for events in stream.take_events(reader.batch, within=WITHIN_SECONDS):
            await reader.take([event.message for event in events])

    app.task(reader.try_again_for_ever)
    app.task(reader.look_for_given_up)


async def rebuild(resources: Resources, bootstrap: str, kafka: Producer, service: Service, view: View) -> int:
    """Delete the view and rebuild it from all messages of its topics. Return how many messages were replayed.

    A worker may run meanwhile: the process that claims an event first applies it.
    """
    async with resources.database.transaction(service.name) as tx:
        await view.forget(tx)
        connection = await tx.raw()
        await connection.execute(f"delete from {service.name}.inbox where starts_with(event_id, $1)", f"{view.name}/")
    inbox = Inbox(service.name, view.reactions, resources.database, kafka, view=view.name)
    replayed = 0
    async for records in _replay(bootstrap, view.reactions.topics):
        left = records
        while left:
            held = {each.partition: each for each in await inbox.handle(left)}
            if newer := [each for each in held.values() if each.again is None]:
                raise NewerEvents(f"{view.name} cannot be made again here: {newer[0].why}; {newer[0].remedy}")
            left = [
                each
                for each in left
                if (here := held.get(TopicPartition(each.topic, each.partition))) and each.offset >= here.offset
            ]
            if left:  # behind a locked row
                await asyncio.sleep(PAUSE)
        replayed += len(records)
    return replayed


async def _replay(bootstrap: str, topics: list[str]) -> AsyncIterator[list[ConsumerRecord]]:
    """All messages that are in the topics now, read without a consumer group."""
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
