"""Rights in Kafka: none without a login, and for each kind of process those that it needs."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaClient, AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import (
    AuthenticationFailedError,
    ClusterAuthorizationFailedError,
    GroupAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
)

from events import Envelope, encode
from events.accounts import OrganisationStateChanged
from events.topics import DEAD_LETTERS
from infra.broker import access, where
from infra.clock import system_clock
from infra.config import Config
from infra.embedded import Servers, jars, kafka
from infra.embedded.ports import free_port, remembered_port
from infra.embedded.process import Child
from infra.ids import new_id
from infra.producer import Producer
from infra.secrets import close
from infra.topics import create_topics

pytestmark = [pytest.mark.servers, pytest.mark.usefixtures("topics")]
FACTS = OrganisationStateChanged.TOPIC


def of(servers: Servers, user: str) -> dict[str, Any]:
    return access(kafka.bootstrap(servers.home, user))


async def forge(settings: dict[str, Any]) -> None:
    """Forge an event of accounts about a suspension."""
    now = system_clock()
    event = OrganisationStateChanged(
        organisation_id=new_id(), state="suspended", reason="forged", until=now + timedelta(days=90)
    )
    number = new_id()
    envelope = Envelope(
        id=number,
        type=event.TYPE,
        source="/accounts",
        subject=event.subject,
        time=now,
        correlationid=number,
        causationid=number,
    )
    key, value, headers = encode(envelope, event)
    async with AIOKafkaProducer(**settings, request_timeout_ms=5000) as producer:
        await producer.send_and_wait(FACTS, key=key, value=value, headers=headers)


async def test_a_local_program_without_a_login_forges_no_suspension(servers: Servers) -> None:
    address = where(servers.kafka_bootstrap)
    with pytest.raises(KafkaConnectionError):
        await forge({"bootstrap_servers": address})
    wrong = access(f"sasl+plaintext://worker:guessed@{address}")
    with pytest.raises((AuthenticationFailedError, KafkaConnectionError)):
        await forge(wrong)


@pytest.mark.parametrize("user", ["web", "streams"])
async def test_a_process_that_states_no_facts_forges_none_either(servers: Servers, user: str) -> None:
    with pytest.raises(TopicAuthorizationFailedError):
        await forge(of(servers, user))


async def test_a_worker_writes_and_reads(servers: Servers) -> None:
    await forge(of(servers, "worker"))
    async with AIOKafkaConsumer(
        FACTS, **of(servers, "worker"), group_id=f"lonja.{new_id()}", auto_offset_reset="earliest"
    ) as consumer:
        assert (await consumer.getone()).topic == FACTS
        await consumer.commit()


async def test_views_write_dead_letters_and_read_in_their_own_group(servers: Servers) -> None:
    async with AIOKafkaProducer(**of(servers, "streams")) as producer:
        await producer.send_and_wait(DEAD_LETTERS, b"x", headers=[("consumer", b"test")])
    consumer = AIOKafkaConsumer(FACTS, **of(servers, "streams"), group_id="lonja.accounts")
    with pytest.raises(GroupAuthorizationFailedError):
        try:
            await consumer.start()
            await consumer.getone()
        finally:
            await consumer.stop()


@pytest.mark.parametrize("user", ["web", "worker", "streams"])
async def test_nobody_but_the_owner_changes_topics(servers: Servers, user: str) -> None:
    admin = AIOKafkaAdminClient(**of(servers, user))
    await admin.start()
    try:
        made = await admin.create_topics([NewTopic("lonja.more", 1, 1)])
        assert [row[1] for row in made.topic_errors] == [TopicAuthorizationFailedError.errno]
    finally:
        await admin.close()


async def test_the_controllers_port_lets_nobody_in_without_a_login_either(servers: Servers) -> None:
    client = AIOKafkaClient(
        bootstrap_servers=f"127.0.0.1:{remembered_port(servers.home, 'kafka-controller')}", request_timeout_ms=3000
    )
    with pytest.raises(KafkaError):
        try:
            await client.bootstrap()
        finally:
            await client.close()


BEFORE = {
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "inter.broker.listener.name": "PLAINTEXT",
}


@pytest.fixture
async def old_home(servers: Servers) -> AsyncIterator[tuple[Path, str]]:
    """A home with a message, open to everybody, as made by releases before logins."""
    home = servers.home / "old-kafka"
    shutil.rmtree(home, ignore_errors=True)
    close(home)
    free_port(home, "kafka")
    free_port(home, "kafka-controller")
    class_path = jars.class_path(jars.fetch(Config.load().cache, print))
    kafka.prepare(home, class_path)
    settings = home / "kafka" / "server.properties"
    kept = [
        line
        for line in settings.read_text().splitlines()
        if not any(word in line for word in ("sasl", "authorizer", "super.users", "allow.everyone", *BEFORE))
    ]
    kept += [f"{name}={value}" for name, value in BEFORE.items()]
    settings.write_text("\n".join(kept).replace("CLIENTS://", "PLAINTEXT://"))
    address = where(kafka.bootstrap(home))
    server = Child(kafka.part(home, class_path), home)
    server.start()
    try:
        async with AIOKafkaProducer(**await open_to_all(address)) as producer:
            await producer.send_and_wait("kept", b"from before")
    finally:
        server.stop()
    yield home, class_path


async def open_to_all(address: str) -> dict[str, Any]:
    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    while True:
        try:
            await admin.start()
            break
        except KafkaError:
            continue
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    return {"bootstrap_servers": address}


async def test_a_home_of_the_release_before_is_closed_at_the_next_start(old_home: tuple[Path, str]) -> None:
    home, class_path = old_home
    kafka.prepare(home, class_path)
    server = Child(kafka.part(home, class_path), home)
    server.start()
    try:
        await server.wait_ready()
        async with AIOKafkaConsumer("kept", **access(kafka.bootstrap(home)), auto_offset_reset="earliest") as consumer:
            assert (await consumer.getone()).value == b"from before"
        with pytest.raises(KafkaError):
            await open_to_all_now(where(kafka.bootstrap(home)))
        worker = Producer(kafka.bootstrap(home, "worker"))
        with pytest.raises(ClusterAuthorizationFailedError):
            await worker.start()
        await create_topics(kafka.bootstrap(home))
        async with asyncio.timeout(30):  # rights take effect a moment after they are granted
            while True:
                try:
                    await worker.start()
                    break
                except ClusterAuthorizationFailedError:
                    await asyncio.sleep(0.1)
        await worker.send_and_wait(FACTS, b"from the worker")
        await worker.stop()
    finally:
        server.stop()


async def open_to_all_now(address: str) -> None:
    client = AIOKafkaClient(bootstrap_servers=address, request_timeout_ms=3000)
    try:
        await client.bootstrap()
    finally:
        await client.close()
