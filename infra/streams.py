"""Faust: the streaming views of all services in one worker, and their rebuild by replay.

Faust acknowledges a message whose agent raised, and a rebalance can hand it out twice: so an agent here never raises (the inbox
buries what fails) and every event is claimed in the transaction that changes the view.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import faust
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from infra.inbox import Inbox
from infra.service import Ground, Service, View

BATCH = 200
WITHIN_SECONDS = 0.2
SESSION_TIMEOUT_SECONDS = 10.0
"""How long a killed worker's partitions stand still (Faust's default is 60)."""


def create_app(ground: Ground, bootstrap: str, kafka: AIOKafkaProducer, services: Sequence[Service]) -> faust.App:
    """A Faust app with one agent for each view; start it inside a running event loop. ``kafka`` takes the dead letters."""
    app = faust.App(
        "lonja.views",
        broker="kafka://" + bootstrap.replace(",", ";"),
        store="memory://",
        web_enabled=False,
        topic_disable_leader=True,
        consumer_auto_offset_reset="earliest",
        broker_session_timeout=SESSION_TIMEOUT_SECONDS,
        broker_heartbeat_interval=1.0,
        broker_request_timeout=SESSION_TIMEOUT_SECONDS * 2,
        stream_wait_empty=False,
    )
    for service in services:
        for view in service.views:
            _agent(app, view, Inbox(service.name, view.handlers, ground.database, kafka, view=view.name))
    return app


def _agent(app: faust.App, view: View, inbox: Inbox) -> None:
    topic = app.topic(*view.topics, key_type=bytes, value_type=bytes, key_serializer="raw", value_serializer="raw")

    @app.agent(topic, name=view.name, concurrency=1)  # type: ignore[untyped-decorator]
    async def keep(stream: Any) -> None:
        async for events in stream.take_events(BATCH, within=WITHIN_SECONDS):
            await inbox.handle([event.message for event in events])


async def rebuild(ground: Ground, bootstrap: str, kafka: AIOKafkaProducer, service: Service, view: View) -> int:
    """Forget the view and make it again from the whole of its topics. Returns how many messages were replayed.

    A worker may run meanwhile: whoever claims an event first applies it.
    """
    async with ground.database.transaction(service.name) as tx:
        await view.forget(tx)
        connection = await tx.raw()
        await connection.execute(f"delete from {service.name}.inbox where starts_with(event_id, $1)", f"{view.name}/")
    inbox = Inbox(service.name, view.handlers, ground.database, kafka, view=view.name)
    replayed = 0
    async for records in _replay(bootstrap, view.topics):
        await inbox.handle(records)
        replayed += len(records)
    return replayed


async def _replay(bootstrap: str, topics: list[str]) -> AsyncIterator[list[ConsumerRecord]]:
    """Everything in the topics up to what is there now, without a consumer group."""
    kafka = AIOKafkaConsumer(
        *topics, bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await kafka.start()
    try:
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
