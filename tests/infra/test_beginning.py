"""A consumer group that lost its offsets, on the real servers."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from sqlalchemy import text
from sqlmodel import SQLModel

from events.accounts import OrganisationRegistered
from events.topics import DAY_MS, DEAD_LETTERS, DEAD_LETTERS_DAYS
from infra import runtime
from infra.beginning import begin_after_forgotten, begin_where_former_stood
from infra.broker import access
from infra.clock import system_clock
from infra.consumer import group_of
from infra.database import Database, schema_of
from infra.embedded import Servers
from infra.ids import new_id
from infra.producer import Producer
from infra.service import Service
from tests.market import empty_database

pytestmark = pytest.mark.servers


class Row(SQLModel, registry=schema_of("beginning")):
    """Base of the rows of this schema."""


TOPIC = f"beginning.{new_id()}"
"""A topic that no other test reads."""


@pytest.fixture(scope="module")
async def topic(servers: Servers) -> None:
    admin = AIOKafkaAdminClient(**access(servers.kafka_bootstrap))
    await admin.start()
    try:
        await admin.create_topics([NewTopic(TOPIC, 4, 1, topic_configs={"retention.ms": "-1"})])
    finally:
        await admin.close()


@pytest.fixture
async def database(servers: Servers, topics: None, topic: None) -> AsyncIterator[Database]:
    database = await Database.connect(await empty_database(servers, "lonja_beginning"), system_clock)
    async with database.engine.begin() as connection:
        await connection.execute(text("create schema beginning"))
        await connection.run_sync(Row.metadata.create_all)
    yield database
    await database.close()


async def publish(servers: Servers, at: datetime) -> int:
    """Publish a message with that time. Return its offset in the first partition."""
    kafka = Producer(servers.kafka_bootstrap)
    await kafka.start()
    try:
        sent = await kafka.working.send_and_wait(TOPIC, b"x", partition=0, timestamp_ms=round(at.timestamp() * 1000))
    finally:
        await kafka.stop()
    return int(sent.offset)


async def committed(servers: Servers, group: str) -> int | None:
    async with AIOKafkaConsumer(**access(servers.kafka_bootstrap), group_id=group) as kafka:
        offset: int | None = await kafka.committed(TopicPartition(TOPIC, 0))
        return offset


async def commit(servers: Servers, group: str, offset: int) -> None:
    async with AIOKafkaConsumer(**access(servers.kafka_bootstrap), group_id=group) as kafka:
        kafka.assign([TopicPartition(TOPIC, 0)])
        await kafka.commit({TopicPartition(TOPIC, 0): offset})


async def forget(database: Database, before: datetime) -> None:
    await database.pool.execute("insert into beginning.forgotten (topic, before) values ($1, $2)", TOPIC, before)


async def test_it_begins_after_what_it_may_have_forgotten(database: Database, servers: Servers) -> None:
    now, group = datetime.now(UTC), f"lost-{new_id()}"
    await publish(servers, now - timedelta(days=90))
    remembered = await publish(servers, now + timedelta(seconds=2))
    await forget(database, now + timedelta(seconds=1))
    await begin_after_forgotten(database, ["beginning"], servers.kafka_bootstrap, group)
    assert await committed(servers, group) == remembered


async def test_it_begins_at_the_end_where_all_messages_are_older(database: Database, servers: Servers) -> None:
    group = f"lost-{new_id()}"
    last = await publish(servers, datetime.now(UTC))
    await forget(database, datetime.now(UTC) + timedelta(days=1))
    await begin_after_forgotten(database, ["beginning"], servers.kafka_bootstrap, group)
    assert await committed(servers, group) == last + 1


async def test_a_service_that_forgot_nothing_begins_at_the_first_message(database: Database, servers: Servers) -> None:
    group = f"new-{new_id()}"
    await publish(servers, datetime.now(UTC))
    await begin_after_forgotten(database, ["beginning"], servers.kafka_bootstrap, group)
    assert await committed(servers, group) is None


async def test_what_a_former_service_had_not_handled_is_not_left_out(database: Database, servers: Servers) -> None:
    now, group, former = datetime.now(UTC), f"new-{new_id()}", f"former-{new_id()}"
    unhandled = await publish(servers, now - timedelta(days=2))
    last = await publish(servers, now)
    await forget(database, now + timedelta(days=1))
    await commit(servers, former, unhandled)
    for reader, begins in ((group, unhandled), (f"other-{new_id()}", last + 1)):
        before = former if reader == group else f"none-{new_id()}"
        await begin_after_forgotten(database, ["beginning"], servers.kafka_bootstrap, reader, former=before)
        assert await committed(servers, reader) == begins


async def test_a_group_that_is_at_work_begins_where_its_members_do(database: Database, servers: Servers) -> None:
    """It has not committed yet what nothing was in."""
    group = f"at-work-{new_id()}"
    await publish(servers, datetime.now(UTC))
    await forget(database, datetime.now(UTC) + timedelta(days=1))
    async with AIOKafkaConsumer(
        TOPIC, **access(servers.kafka_bootstrap), group_id=group, enable_auto_commit=False
    ) as kafka:
        await kafka.getmany(timeout_ms=500)
        await asyncio.wait_for(begin_after_forgotten(database, ["beginning"], servers.kafka_bootstrap, group), 20)
    assert await committed(servers, group) is None


async def test_a_view_that_is_at_work_stays_where_its_members_are(servers: Servers, topic: None) -> None:
    group, former = f"at-work-{new_id()}", f"former-{new_id()}"
    await publish(servers, datetime.now(UTC))
    await commit(servers, former, 0)
    async with AIOKafkaConsumer(
        TOPIC, **access(servers.kafka_bootstrap), group_id=group, enable_auto_commit=False
    ) as kafka:
        await kafka.getmany(timeout_ms=500)
        await asyncio.wait_for(begin_where_former_stood(servers.kafka_bootstrap, group, former, [TOPIC]), 20)
    assert await committed(servers, group) is None


async def test_a_successor_whose_tables_are_locked_begins_where_the_former_stood(
    servers: Servers, topic: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Each successor has its own limit. No message is left to neither of them."""
    older, locked, free = (f"{name}{new_id()[-8:]}" for name in ("older", "locked", "free"))
    now = datetime.now(UTC)
    stood = await publish(servers, now - timedelta(days=2))
    last = await publish(servers, now)
    await commit(servers, group_of(older), stood)

    class Pool:
        async def fetch(self, statement: str) -> list[dict[str, Any]]:
            if locked in statement:
                await asyncio.Event().wait()
            return [{"topic": TOPIC, "before": now + timedelta(hours=1)}]

    async def run() -> None:
        await commit(servers, group_of(older), last + 1)

    monkeypatch.setattr(runtime, "FORMER", {locked: older, free: older})
    monkeypatch.setattr(runtime, "SUCCESSOR_WAIT", 1)
    monkeypatch.setattr(runtime, "read_by", lambda name: [TOPIC])
    resources: Any = SimpleNamespace(database=SimpleNamespace(pool=Pool()))
    consumer: Any = SimpleNamespace(group=group_of(older), topics=None, run=run)
    await runtime._consume(resources, servers.kafka_bootstrap, Service(name=older), consumer)
    assert [await committed(servers, group_of(name)) for name in (locked, free)] == [stood, stood]
    assert f"the tables of {locked} did not answer" in caplog.text
    assert f"the tables of {free} did not answer" not in caplog.text


async def test_a_service_lets_its_successors_begin_before_it_moves_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another process, which starts later, may serve the successors."""
    done: list[tuple[str, str] | str] = []

    async def begin(*_: Any, former: str, **__: Any) -> None:
        done.append((_[3], former))

    async def run() -> None:
        done.append("reads")

    monkeypatch.setattr(runtime, "begin_after_forgotten", begin)
    monkeypatch.setattr(runtime, "FORMER", {"newer": "older", "newest": "older"})
    consumer: Any = SimpleNamespace(group=group_of("older"), topics=None, run=run)
    await runtime._consume(SimpleNamespace(database=None), "", Service(name="older"), consumer)  # type: ignore[arg-type]
    stands = group_of("older")
    assert done == [(group_of("newer"), stands), (group_of("newest"), stands), (stands, ""), "reads"]


async def test_offsets_that_are_there_stay(database: Database, servers: Servers) -> None:
    group = f"known-{new_id()}"
    await publish(servers, datetime.now(UTC))
    await commit(servers, group, 0)
    await forget(database, datetime.now(UTC) + timedelta(days=1))
    await begin_after_forgotten(database, ["beginning"], servers.kafka_bootstrap, group)
    assert await committed(servers, group) == 0


async def test_the_broker_deletes_dead_letters_after_their_days_and_facts_never(servers: Servers, topics: None) -> None:
    admin = AIOKafkaAdminClient(**access(servers.kafka_bootstrap))
    await admin.start()
    try:
        found = {}
        for name in (DEAD_LETTERS, OrganisationRegistered.TOPIC):
            (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, name)])
            found[name] = {entry[0]: entry[1] for entry in answer.resources[0][4]}
    finally:
        await admin.close()
    assert found[DEAD_LETTERS]["retention.ms"] == str(DEAD_LETTERS_DAYS * DAY_MS)
    assert found[DEAD_LETTERS]["segment.ms"] == str(DAY_MS)
    assert found[OrganisationRegistered.TOPIC]["retention.ms"] == "-1"
