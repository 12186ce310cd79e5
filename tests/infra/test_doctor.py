"""`lonja doctor` on a market that is in order, and then with each kind of fault really present."""

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from click.testing import Result
from typer.testing import CliRunner

from events import Envelope, Event, Message, encode
from events.accounts import OrganisationRegistered
from infra import deadletters, inbox
from infra.backup import _publish_again
from infra.cli import app
from infra.cli.consumers import NoSuchConsumer, NotStopped
from infra.clock import system_clock
from infra.config import Config
from infra.database import Database, Transaction
from infra.embedded import Servers
from infra.health import HEALTH, PartState
from infra.ids import new_id
from infra.operations import figures, processes
from infra.operations.readiness import judge
from infra.producer import Producer
from infra.reactions import Reaction
from infra.runtime import prepare, run_worker
from services.pools import handlers as pools
from services.pools.store import StoredPool
from services.pools.timers import TIMERS
from tests.faults.door import Door
from tests.faults.living import frozen
from tests.market import Markets, empty_database, skip_to_now

SERVICES = ("pools", "quotes")


@dataclass
class Patient:
    """A market of two services, whose worker the tests start and stop."""

    config: Config
    database: Database

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator[None]:
        """With a worker, and with streams that report that they run."""
        work = asyncio.create_task(run_worker(self.config, SERVICES))
        try:
            async with processes.reporting(self.database, "streams", 1):
                yield
        finally:
            work.cancel()
            with suppress(asyncio.CancelledError):
                await work

    async def findings(self, *, well: bool | None = None) -> dict[str, dict[str, Any]]:
        """The findings by subject. With ``well``: when the doctor says that all is in order, else those of the last
        try."""
        for _ in range(40):
            result = await asyncio.to_thread(CliRunner().invoke, app, ["doctor", "--json"])
            assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
            found = {each["what"]: each for each in json.loads(result.stdout)}
            assert result.exit_code == (0 if all(each["ok"] for each in found.values()) else 1)
            if well is None or well == (result.exit_code == 0):
                break
            await asyncio.sleep(0.5)
        return found

    async def wrong(self) -> dict[str, dict[str, Any]]:
        found = await self.findings()
        return {what.partition(" (")[0]: each for what, each in found.items() if not each["ok"]}

    async def command(self, *words: str) -> Result:
        return await asyncio.to_thread(CliRunner().invoke, app, list(words))

    async def tell(self, times: int = 1, type_: str = OrganisationRegistered.TYPE) -> None:
        """Publish events of that type, all with one key."""
        kafka = Producer(self.config.kafka_bootstrap or "")
        await kafka.start()
        for _ in range(times):
            event = OrganisationRegistered(organisation_id="somebody", roles=("buyer",), name="A school")
            key, value, headers = encode(msgspec.structs.replace(an_envelope(event), type=type_), event)
            await kafka.send_and_wait(event.TOPIC, key=key, value=value, headers=headers)
        await kafka.stop()

    async def heard(self, service: str) -> int:
        found: int = await self.database.pool.fetchval(f"select count(*) from {service}.inbox")
        return found

    async def until_heard(self, service: str, events: int) -> None:
        async with asyncio.timeout(60):
            while await self.heard(service) < events:
                await asyncio.sleep(0.1)

    async def emit(self, hours_ago: float = 0) -> None:
        event = OrganisationRegistered(organisation_id=new_id(), roles=("buyer",), name="A school")
        then = Database(
            self.database.engine,
            self.database.pool,
            self.database.url,
            lambda: system_clock() - timedelta(hours=hours_ago),
        )
        async with then.transaction("pools") as tx:
            tx.emit(event)


@pytest.fixture
async def patient(
    servers: Servers, topics: None, markets: Markets, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Patient]:
    await markets.stop()  # its consumers are in the same groups
    url = await empty_database(servers, "lonja_patient")
    config = Config.load({**os.environ, "LONJA_HOME": str(servers.home), "LONJA_POLICY": "demo"})
    config = replace(config, database_url=url, kafka_bootstrap=servers.kafka_bootstrap)
    await prepare(config)
    await skip_to_now(servers.kafka_bootstrap, SERVICES)
    kafka = Producer(servers.kafka_bootstrap)
    await kafka.start()
    async for letter in deadletters.read(servers.kafka_bootstrap):  # of other tests
        if not letter.settled:
            await deadletters.dismiss(kafka, letter)
    await kafka.stop()
    for each in HEALTH:  # states that parts of earlier markets reported in this process
        HEALTH.report(each.kind, each.name, PartState.running)
    for name, value in config.environment().items():
        monkeypatch.setenv(name, value)
    database = await Database.connect(url, system_clock, size=2)
    yield Patient(config, database)
    await database.close()


async def test_a_market_in_order(patient: Patient) -> None:
    async with patient.at_work():
        found = await patient.findings(well=True)
        assert [each for each in found.values() if not each["ok"]] == []
        assert "in order" in found["parts of the market"]["found"]
        assert found["database roles"]["found"] == "one for each service"


async def test_events_that_nobody_sends_and_nobody_takes_in(patient: Patient) -> None:
    async with patient.at_work():
        await patient.findings(well=True)
    await patient.emit(hours_ago=1)
    wrong = await patient.wrong()
    assert "no worker" in wrong["process worker"]["found"]
    assert re.fullmatch(r"1 events wait, the oldest for 36\d\d s", wrong["outbox pools"]["found"])
    assert "relay" in wrong["outbox pools"]["remedy"]


async def test_messages_that_wait_for_their_consumer(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    async with patient.at_work():
        await patient.findings(well=True)
    kafka = Producer(patient.config.kafka_bootstrap or "")
    await kafka.start()
    for _ in range(3):
        event = OrganisationRegistered(organisation_id=new_id(), roles=("buyer",), name="A school")
        key, value, headers = encode(an_envelope(event), event)
        await kafka.send_and_wait(event.TOPIC, key=key, value=value, headers=headers)
    await kafka.stop()
    with monkeypatch.context() as patched:
        patched.setattr(figures, "LATE", timedelta())
        wrong = await patient.wrong()
    for group in ("lonja.pools", "lonja.quotes"):
        assert "3 of them for too long" in wrong[f"consumer group {group}"]["found"]
    async with patient.at_work():
        await patient.findings(well=True)


async def test_events_that_can_never_be_sent(patient: Patient) -> None:
    await patient.emit()
    await patient.database.pool.execute("update pools.outbox set set_aside_at = now(), set_aside_reason = 'too large'")
    async with patient.at_work():
        wrong = await until_wrong(patient, "outbox pools")
        assert (
            "set aside" in wrong["outbox pools"]["found"] and "lonja outbox resend" in wrong["outbox pools"]["remedy"]
        )
        [row] = json.loads((await patient.command("outbox", "list", "--json")).stdout)
        name = f"pools/{row['position']}"
        for words in (["--reason", "a try"], ["--reason", " ", name], [name], ["--reason", "a try", "--all", name]):
            assert (await patient.command("outbox", "dismiss", *words)).exit_code == 2, words
        assert (await patient.command("outbox", "dismiss", name, "--reason", "a try")).exit_code == 0
        await patient.findings(well=True)
        assert json.loads((await patient.command("outbox", "list", "--json")).stdout) == []
        await patient.database.pool.execute("update pools.outbox set published_at = now() - interval '30 days'")
        assert (await patient.findings(well=True))["pruning"]["ok"]
        [row] = json.loads((await patient.command("outbox", "list", "--all", "--json")).stdout)
        assert row["reason"] == "too large; dismissed: a try" and row["dismissed_at"]
    await _publish_again(patient.database.url, system_clock() - timedelta(days=60))
    assert json.loads((await patient.command("outbox", "list", "--json")).stdout) == [], "a restored market knows it"


async def test_a_partition_that_waits_for_a_newer_release(patient: Patient) -> None:
    async with patient.at_work():
        await patient.findings(well=True)
        await patient.tell(type_=OrganisationRegistered.TYPE.replace(".v1", ".v2"))
        wrong = await until_wrong(patient, "consumer pools")
        assert "version 2" in wrong["consumer pools"]["found"] and "lonja.accounts" in wrong["consumer pools"]["found"]
        assert "newer release" in wrong["consumer pools"]["remedy"]


async def test_a_consumer_that_stopped_goes_on_when_a_person_says_so_and_its_neighbour_never_stood(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(tx: Transaction, messages: Sequence[Message]) -> None:
        raise ValueError("no such thing")

    monkeypatch.setattr(inbox, "STOP_AFTER", 2)
    monkeypatch.setattr(inbox, "RETRIES", (0.01,))
    async with patient.at_work():
        await patient.findings(well=True)
        nothing = await patient.command("consumers", "resume", "pools")
        assert isinstance(nothing.exception, NotStopped)
        unheard = await patient.command("consumers", "resume", "nosuch")
        assert isinstance(unheard.exception, NoSuchConsumer) and "pools" in str(unheard.exception)
        with monkeypatch.context() as broken:
            broken.setitem(pools.reactions._by_kind, OrganisationRegistered, Reaction(fail, 1))
            await patient.tell(3)
            wrong = await until_wrong(patient, "consumer pools")
            assert "2 events in a row failed" in wrong["consumer pools"]["found"]
            assert "lonja consumers resume pools" in wrong["consumer pools"]["remedy"]
            assert "consumer quotes" not in wrong
            await patient.until_heard("quotes", 3)
            assert await patient.heard("pools") == 0
        assert (await patient.command("consumers", "resume", "pools")).exit_code == 0
        await patient.until_heard("pools", 1)
        assert (await patient.command("dead-letters", "dismiss", "--all")).exit_code == 0
        found = await patient.findings(well=True)
        assert [each for each in found.values() if not each["ok"]] == []


async def test_a_timer_that_fails(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(tx: Transaction, but: Sequence[str]) -> list[StoredPool]:
        raise ValueError("no such column")

    monkeypatch.setattr(TIMERS[0].action, "_claim", fail)
    async with patient.at_work():
        wrong = await until_wrong(patient, "timer pools deadlines")
        assert "no such column" in wrong["timer pools deadlines"]["found"]
        assert "log" in wrong["timer pools deadlines"]["remedy"]


async def test_a_process_that_was_killed(patient: Patient) -> None:
    async with patient.at_work():
        async with processes.reporting(patient.database, "web", 1):
            await patient.findings(well=True)
        await patient.database.pool.execute(
            "update operations.processes set ended = false, writes_since = now() - interval '1 hour',"
            " seen_at = case when kind = 'web' then now() - interval '1 minute' else seen_at end"
        )
        wrong = await patient.wrong()
        assert wrong.keys() == {"process web"}
        assert "has not reported for " in wrong["process web"]["found"]


async def test_processes_that_could_not_write_while_the_database_was_away(patient: Patient) -> None:
    async with patient.at_work():
        await patient.findings(well=True)
    await patient.database.pool.execute(
        "update operations.processes set ended = false, seen_at = now() - interval '67 seconds'"
    )
    wrong = await patient.wrong()
    assert wrong.keys() == {"processes"}
    assert "no process has reported for " in wrong["processes"]["found"] and wrong["processes"]["remedy"].startswith(
        "wait"
    )
    async with processes.reporting(patient.database, "web", 1):
        async with asyncio.timeout(20):
            while not [row for row in await processes.read(patient.database.pool) if row.kind == "web" and row.alive]:
                await asyncio.sleep(0.05)
        assert await patient.wrong() == {}


async def test_a_dead_letter_until_somebody_looks_at_it(patient: Patient) -> None:
    async with patient.at_work():
        await patient.findings(well=True)
        kafka = Producer(patient.config.kafka_bootstrap or "")
        await kafka.start()
        headers = an_envelope(OrganisationRegistered).headers()
        await kafka.send_and_wait("lonja.accounts", key=b"k", value=b"no json", headers=headers)
        await kafka.stop()
        found = (await until_wrong(patient, "dead letters"))["dead letters"]
        assert "OrganisationRegistered" in found["found"]
        observer = figures.Observer(patient.database.pool, patient.config.kafka_bootstrap or "")
        told = {each.part: each for each in judge(await observer.look())}["dead letters"]
        assert told.state is PartState.degraded and "OrganisationRegistered" in told.detail and "dismiss" in told.remedy
        letters = [each async for each in deadletters.read(patient.config.kafka_bootstrap or "") if not each.settled]
        for letter in letters:
            result = await patient.command("dead-letters", "dismiss", str(letter.position))
            assert result.exit_code == 0, result.stdout
        await asyncio.sleep(figures.FRESH)
        assert {each.part: each.state for each in judge(await observer.look())}["dead letters"] is PartState.running
        await observer.close()
        assert (await patient.findings(well=True))["dead letters"]["ok"]


async def test_a_clock_that_is_wrong(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    async with patient.at_work():
        await patient.findings(well=True)
        monkeypatch.setattr(figures, "system_clock", lambda: system_clock() + timedelta(hours=13))
        assert "46800.0 s ahead" in (await patient.wrong())["clock"]["found"]


async def test_published_events_that_nobody_deletes(patient: Patient) -> None:
    await patient.emit()
    await patient.database.pool.execute("update pools.outbox set published_at = now() - interval '30 days'")
    wrong = await patient.wrong()
    assert wrong["pruning"]["found"] == "published events stay in pools"


async def test_servers_that_do_not_answer(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LONJA_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    assert not (await patient.findings())["kafka"]["ok"]
    monkeypatch.setenv("LONJA_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert not (await patient.findings())["postgres"]["ok"]


@pytest.mark.parametrize("read_first", [True, False])
async def test_a_database_that_goes_while_the_doctor_looks_is_named(
    read_first: bool, patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    look, loop = figures.Observer.look, asyncio.get_running_loop()
    address = urlsplit(patient.config.database_url or "")
    async with Door() as door:
        door.open_to([address.port or 0])

        async def look_in_vain(observer: figures.Observer) -> figures.ServerFigures:
            seen = await look(observer) if read_first else None
            asyncio.run_coroutine_threadsafe(door.shut(), loop).result()
            return seen or await look(observer)

        monkeypatch.setattr(figures.Observer, "look", look_in_vain)
        through = address._replace(netloc=f"{address.netloc.rpartition(':')[0]}:{door.port}")
        monkeypatch.setenv("LONJA_DATABASE_URL", through.geturl())
        wrong = await patient.wrong()
    assert "LONJA_DATABASE_URL" in wrong["postgres"]["remedy"]
    assert "tables" not in wrong


async def test_a_kafka_that_is_frozen_is_named_and_all_else_is_looked_at(patient: Patient, servers: Servers) -> None:
    async with patient.at_work():
        await patient.findings(well=True)
        with frozen(servers.children["kafka"].pid):
            found = await patient.findings()
            assert "takes connections" in found["kafka"]["found"] and "stays silent" in found["kafka"]["remedy"]
            assert found["postgres"]["ok"] and "dead letters" not in found
            assert "parts of the market" in found
            for command in (["topics"], ["dead-letters", "list"]):
                said = await patient.command(*command)
                assert said.exit_code == 1 and "frozen" in str(said.exception or said.output)


async def until_wrong(patient: Patient, what: str) -> dict[str, dict[str, Any]]:
    """Wait until that is out of order and the processes, which need a moment to start, are in order."""
    wrong: dict[str, dict[str, Any]] = {}
    try:
        async with asyncio.timeout(60):
            while what not in wrong or any(each.startswith("process") for each in wrong):
                wrong = await patient.wrong()
    except TimeoutError:
        raise AssertionError(f"{what} is not among {wrong}") from None
    return wrong


def an_envelope(event: Event | type[Event]) -> Envelope:
    number = new_id()
    return Envelope(
        id=number,
        type=event.TYPE,
        source="/test",
        subject=event.subject if isinstance(event, Event) else "k",
        time=system_clock(),
        correlationid=number,
        causationid=number,
    )
