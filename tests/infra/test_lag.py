"""The lag of consumer groups in the health figures, on the real broker with real groups."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.structs import TopicPartition

from infra.broker import access
from infra.clock import system_clock
from infra.embedded import Servers
from infra.ids import new_id
from infra.operations.figures import ConsumerGroup, Kafka
from infra.producer import Producer

pytestmark = pytest.mark.servers

LATE = timedelta(minutes=2)


@dataclass
class Topics:
    """Two topics, each with three old messages and a new one in two partitions."""

    bootstrap: str
    one: str
    other: str
    observed: Kafka

    async def behind(self, group: str, topics: set[str] | None) -> ConsumerGroup:
        (found,), *_ = await self.observed.figures({group: topics})
        return found

    async def commit(self, group: str, offsets: dict[TopicPartition, int]) -> None:
        async with AIOKafkaConsumer(**access(self.bootstrap), group_id=group, enable_auto_commit=False) as kafka:
            kafka.assign(list(offsets))
            await kafka.commit(offsets)


@pytest.fixture
async def topics(servers: Servers, topics: None) -> AsyncIterator[Topics]:
    one, other = f"lag.{new_id()}", f"lag.{new_id()}"
    admin = AIOKafkaAdminClient(**access(servers.kafka_bootstrap))
    await admin.start()
    await admin.create_topics([NewTopic(one, 2, 1), NewTopic(other, 2, 1)])
    await admin.close()
    kafka = Producer(servers.kafka_bootstrap)
    await kafka.start()
    old, young = (int((system_clock() - age).timestamp() * 1000) for age in (LATE, timedelta()))
    for topic in (one, other):
        for partition, written_at in ((0, old), (1, old), (1, old), (0, young)):
            await kafka.working.send_and_wait(topic, value=b"{}", partition=partition, timestamp_ms=written_at)
    await kafka.stop()
    observed = Kafka(servers.kafka_bootstrap)
    found = Topics(servers.kafka_bootstrap, one, other, observed)
    # with the first commit the broker makes its topic of offsets
    await found.commit("another", {TopicPartition(one, 0): 0})
    yield found
    await observed.close()


async def test_a_group_that_never_committed_has_the_whole_log_before_it(topics: Topics) -> None:
    group = new_id()
    assert await topics.behind(group, {topics.one}) == ConsumerGroup(group=group, lag=4, late=3, late_in=[topics.one])
    assert (await topics.behind(group, {topics.one, topics.other})).lag == 8


async def test_the_lag_counts_all_messages_of_a_partition_without_a_commit_and_later_ones_of_the_others(
    topics: Topics,
) -> None:
    group = new_id()
    await topics.commit(group, {TopicPartition(topics.one, 1): 1})
    assert await topics.behind(group, {topics.one}) == ConsumerGroup(group=group, lag=3, late=2, late_in=[topics.one])
    await topics.commit(group, {TopicPartition(topics.one, 1): 2, TopicPartition(topics.one, 0): 1})
    assert await topics.behind(group, {topics.one}) == ConsumerGroup(group=group, lag=1, late=0)


async def test_a_topic_that_the_group_reads_no_more_is_not_waited_for(topics: Topics) -> None:
    group = new_id()
    await topics.commit(group, {TopicPartition(topics.other, 0): 1})
    assert (await topics.behind(group, {topics.one})).late_in == [topics.one]


async def test_the_lag_of_a_group_with_unknown_topics_counts_the_topics_that_it_committed(topics: Topics) -> None:
    group = new_id()
    assert (await topics.behind(group, None)).lag == 0
    await topics.commit(group, {TopicPartition(topics.one, 1): 1})
    assert await topics.behind(group, None) == ConsumerGroup(group=group, lag=1, late=1, late_in=[topics.one])


async def test_a_topic_that_the_broker_does_not_have_holds_nothing(topics: Topics) -> None:
    assert await topics.behind("lag", {f"lag.{new_id()}"}) == ConsumerGroup(group="lag", lag=0, late=0)
