"""The embedded servers on real processes: side by side, killed, and started again."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from infra.broker import access
from infra.embedded import HomeInUse, Servers, kafka, postgres
from infra.embedded.ports import remembered_port
from infra.embedded.process import Child

pytestmark = pytest.mark.servers


PARTS = ("postgres", "kafka", "kafka-controller")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("second")


@pytest.fixture(scope="module")
def strangers(home: Path) -> Iterator[set[int]]:
    """The remembered ports of the second home, which other programs have taken while it did not run."""
    ports = {remembered_port(home, part) for part in PARTS}
    with ExitStack() as stack:
        for port in ports:
            stack.enter_context(socket.create_server(("127.0.0.1", port)))
        yield ports


@pytest.fixture(scope="module")
def second(servers: Servers, home: Path, strangers: set[int]) -> Iterator[Servers]:
    """A second home beside the one of the whole run: here servers can be killed without affecting other tests."""
    running = Servers.start(home)
    yield running
    running.stop()


async def test_a_port_that_somebody_else_has_taken_is_replaced_and_nobody_is_sent_there(
    second: Servers, strangers: set[int]
) -> None:
    assert not strangers & {remembered_port(second.home, part) for part in PARTS}
    told = {urlsplit(url).port for url in (second.database_url, second.admin_url, second.kafka_bootstrap)}
    assert told == {remembered_port(second.home, part) for part in ("postgres", "kafka")}
    await (await asyncpg.connect(second.database_url, timeout=10)).close()


async def test_servers_of_another_home_on_its_ports_do_not_make_a_home_ready(servers: Servers, tmp_path: Path) -> None:
    (tmp_path / "ports.json").write_text(json.dumps({part: remembered_port(servers.home, part) for part in PARTS}))
    for home, there in ((servers.home, True), (tmp_path, False)):
        for part in (postgres.part(home), kafka.part(home, "kafka.jar")):
            assert await Child(part, home).is_ready() is there, part.name


async def test_two_homes_run_side_by_side(servers: Servers, second: Servers) -> None:
    first_db = await asyncpg.connect(servers.database_url)
    second_db = await asyncpg.connect(second.database_url)
    await second_db.execute("create table only_here (n int)")
    assert await first_db.fetchval("select to_regclass('only_here')") is None
    assert servers.kafka_bootstrap != second.kafka_bootstrap
    await first_db.close()
    await second_db.close()


async def test_postgres_is_durable_and_asks_for_the_password(second: Servers) -> None:
    db = await asyncpg.connect(second.database_url)
    assert await db.fetchval("show fsync") == "on"
    await db.close()
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(second.database_url.replace("@", "not@", 1))


async def test_committed_rows_survive_kill_9_of_postgres(second: Servers) -> None:
    db = await asyncpg.connect(second.database_url)
    await db.execute("create table kept (n int); insert into kept values (42)")
    os.kill(second.children["postgres"].pid, signal.SIGKILL)
    second.restart("postgres")
    again = await asyncpg.connect(second.database_url)
    assert await again.fetchval("select n from kept") == 42
    await again.close()
    db.terminate()


async def test_acknowledged_messages_survive_kill_9_of_kafka(second: Servers) -> None:
    address = second.kafka_bootstrap
    admin = AIOKafkaAdminClient(**access(address))
    await admin.start()
    await admin.create_topics([NewTopic("kept", 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(**access(address), acks="all") as producer:
        await producer.send_and_wait("kept", b"acknowledged")
    os.kill(second.children["kafka"].pid, signal.SIGKILL)
    second.restart("kafka")
    async with AIOKafkaConsumer("kept", **access(address), auto_offset_reset="earliest") as consumer:
        assert (await consumer.getone()).value == b"acknowledged"


def test_a_home_that_is_owned_is_refused_to_a_second_owner(second: Servers) -> None:
    with pytest.raises(HomeInUse, match=str(os.getpid())):
        Servers.start(second.home)


def test_only_the_owner_may_read_the_password(second: Servers) -> None:
    assert Path(second.home, "secrets", "postgres").stat().st_mode & 0o077 == 0


def test_only_its_owner_may_read_a_home(second: Servers) -> None:
    for name in ("secrets", "logs", "mail", "kafka", "run", "postgres"):
        assert (second.home / name).stat().st_mode & 0o077 == 0, name
    assert second.home.stat().st_mode & 0o066 == 0


async def test_no_value_of_a_row_gets_into_the_log(servers: Servers) -> None:
    db = await asyncpg.connect(servers.database_url)
    await db.execute("create temp table bids (bidder text primary key)")
    await db.execute("insert into bids values ($1)", "a-bidders-id")
    with pytest.raises(asyncpg.UniqueViolationError):
        await db.execute("insert into bids values ($1)", "a-bidders-id")
    await db.close()
    log = (servers.home / "logs" / "postgres.log").read_text()
    assert "duplicate key value violates unique constraint" in log and "a-bidders-id" not in log
