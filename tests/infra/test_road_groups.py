"""The events that a consumer reads, and how it joins its group, gets partitions, commits and leaves, on the real
servers."""

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError
from sqlalchemy import text
from typer.testing import CliRunner

from events.accounts import OrganisationRegistered
from infra import consumer, inbox
from infra.cli import app
from infra.health import PartState
from infra.operations import processes
from tests.road import Road, forgotten_for_a_while, until_committed, until_dead_letters, until_heard

pytestmark = pytest.mark.servers


async def test_events_without_a_reaction_are_passed_over_and_committed_however_many(road: Road) -> None:
    async with road.listening() as work:
        await road.send(*(f"unknown {number}" for number in range(240)), type_="lonja.accounts.NeverHeardOf.v1")
        await road.send("after")
        await until_heard(road, ["after"])
        await until_committed(road, 241, 0)
        assert not work.done()
    assert await road.dead() == []


async def test_a_header_whose_name_is_not_utf8_costs_at_most_its_own_event(road: Road) -> None:
    await road.send("before")
    await road.send_odd("with one more header")
    await road.send_odd("without its type", damaged="ce_type")
    await road.send("after")
    async with road.listening():
        await until_heard(road, ["before", "with one more header", "after"])
        await until_dead_letters(road, 1)
        await until_committed(road, 4, 0)


async def test_a_group_that_was_dealt_out_when_the_broker_knew_no_topic_yet_is_dealt_out_again(road: Road) -> None:
    async with road.listening():
        await road.send("one")
        await until_heard(road, ["one"])
        with forgotten_for_a_while(road.topic) as dealt_out:
            async with asyncio.timeout(60):
                while not dealt_out.is_set():
                    await asyncio.sleep(0.1)
        await road.send("two")
        await until_heard(road, ["one", "two"])


async def test_an_event_without_a_reaction_is_not_even_read(road: Road) -> None:
    headers = [("ce_type", b"lonja.accounts.OrganisationStateChanged.v1")]
    await road.kafka.working.send_and_wait(road.topic, key=b"k", value=b"\xff", headers=headers, partition=0)
    await road.send("after")
    async with road.listening():
        await until_heard(road, ["after"])
    assert await road.dead() == []


async def test_a_version_of_a_newer_release_holds_its_partition_alone_until_that_release_runs(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = OrganisationRegistered.TYPE.replace(".v1", ".v2")
    await road.send("one")
    await road.send("two", type_=newer)
    await road.send("three")
    async with road.listening():
        await until_heard(road, ["one"])
        await road.send("other partition", partition=1)
        await until_heard(road, ["one", "other partition"])
        await until_committed(road, 1, 1)
        said = road.health("consumer")
        assert said.state is PartState.degraded and "newer release" in said.remedy
        assert "partition 0" in said.detail and "version 2" in said.detail
        async with road.listening():  # after a rebalance the new owner of the partition waits at the same place
            await road.send("still there", partition=1)
            await until_heard(road, ["one", "other partition", "still there"])
            await until_committed(road, 1, 2)
    assert await road.dead() == []
    monkeypatch.setitem(inbox.decode.__globals__["_registry"], newer, OrganisationRegistered)
    async with road.listening():
        await until_heard(road, ["one", "other partition", "still there", "two", "three"])
        await until_committed(road, 3, 2)
        assert road.health("consumer").state is PartState.running


async def test_a_version_that_no_release_reads_is_set_aside_by_a_person_and_its_partition_goes_on(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = OrganisationRegistered.TYPE.replace(".v1", ".v99")
    async with road.database.engine.begin() as connection:
        await connection.execute(text("create schema operations"))
        await connection.run_sync(processes.METADATA.create_all)
    monkeypatch.setenv("LONJA_DATABASE_URL", road.url)
    monkeypatch.setenv("LONJA_KAFKA_BOOTSTRAP", road.bootstrap)
    await road.send("one")
    await road.send("two", type_=never)
    await road.send("three")
    await road.send("four", type_=never)
    async with road.listening():
        await until_heard(road, ["one"])
        await until_committed(road, 1, 0)
        said = road.health("consumer")
        assert f"`lonja dead-letters give-up {road.topic} 0 1 --reason" in said.remedy
        await road.send_bytes(b"{", partition=1)
        await until_dead_letters(road, 1)
        for place, expected in (
            (("0", "0"), "this release reads message 0 in partition 0"),
            (("1", "0"), "is not an event and becomes a dead letter by itself"),
            (("0", "9"), "there is no message 9 in partition 0"),
            (("7", "0"), "there is no message 0 in partition 7"),
        ):
            assert expected in await set_aside(road, *place)
        assert not await set_aside(road, "0", "1")
        await until_heard(road, ["one", "three"])
        await until_dead_letters(road, 2)
        await until_committed(road, 3, 1)
        assert "give-up" in road.health("consumer").remedy, "the next one waits for a person of its own"
    error = next(each for each in await road.dead() if "version 99" in each)
    assert "a faulty program wrote it" in error


async def set_aside(road: Road, *place: str) -> str:
    """The refusal of the command."""
    command = ["dead-letters", "give-up", road.topic, *place, "--reason", "a faulty program wrote it"]
    result = await asyncio.to_thread(CliRunner().invoke, app, command)
    return str(result.exception or "")


async def test_a_consumer_that_is_ended_while_it_joins_leaves_nothing_behind_in_its_group(road: Road) -> None:
    """A member without a reader would keep its partitions for ever."""
    async with road.listening():
        await road.send("one")
        await until_heard(road, ["one"])
        async with road.listening():
            await asyncio.sleep(0.5)  # a group accepts a member at the next heartbeat of the others, after up to 3 s
        await road.send("two", partition=0)
        await until_heard(road, ["one", "two"])
        await road.send("three", partition=1)
        await until_heard(road, ["one", "two", "three"])


async def test_a_consumer_whose_first_try_to_join_failed_leaves_nothing_behind_in_its_group(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = AIOKafkaConsumer.start
    tries = iter([True, False])

    async def joins_and_fails(kafka: AIOKafkaConsumer) -> None:
        await start(kafka)
        if next(tries):
            raise KafkaConnectionError("the broker went away")

    monkeypatch.setattr(AIOKafkaConsumer, "start", joins_and_fails)
    async with road.listening():
        await road.send("one", partition=0)
        await until_heard(road, ["one"])
        await road.send("two", partition=1)
        await until_heard(road, ["one", "two"])


async def _fail() -> None:
    raise RuntimeError("the handler is closed")


async def test_a_consumer_whose_list_of_brokers_is_kept_no_more_ends_and_says_why(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With such a client a later wait for a new list would never end. The supervisor starts the consumer again."""
    start = AIOKafkaConsumer.start

    async def starts_and_loses_it(kafka: AIOKafkaConsumer) -> None:
        await start(kafka)
        kept, kafka._client._sync_task = kafka._client._sync_task, asyncio.create_task(_fail())
        kept.cancel()

    with monkeypatch.context() as broken:
        broken.setattr(AIOKafkaConsumer, "start", starts_and_loses_it)
        with pytest.raises(RuntimeError, match="the handler is closed"):
            await road.consumer().run()
    async with road.listening():
        await road.send("one")
        await until_heard(road, ["one"])


async def test_a_commit_without_an_answer_ends_and_what_is_in_effect_stays_so(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(kafka: AIOKafkaConsumer) -> None:
        await asyncio.Event().wait()

    stop = AIOKafkaConsumer.stop

    async def stops_with_a_stray_cancellation(kafka: AIOKafkaConsumer) -> None:
        await stop(kafka)
        raise asyncio.CancelledError

    with monkeypatch.context() as frozen:
        frozen.setattr(consumer, "COMMIT_SECONDS", 0.5)
        frozen.setattr(AIOKafkaConsumer, "commit", never)
        frozen.setattr(AIOKafkaConsumer, "stop", stops_with_a_stray_cancellation)
        await road.send("one")
        with pytest.raises(TimeoutError):
            await road.consumer().run()
    async with road.listening():
        await road.send("two")
        await until_heard(road, ["one", "two"])
