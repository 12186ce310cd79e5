"""Kafka, simulated: partitions in order, consumer groups that share them, offsets, and everything that may go wrong in
between.

A message may be lost (its sender gets an error), stored although its sender gets an error, stored twice, or late.
Messages have an order only within a partition. As with an idempotent producer, no later message of a send follows in a
partition after a lost one.

These differ from Kafka: a group divides its partitions again at once when a member joins; a dead member is noticed
after a random time; bytes are kept as they are sent.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, NamedTuple
from zlib import crc32

from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaConnectionError, RequestTimedOutError
from aiokafka.structs import TopicPartition

from events.topics import TOPICS, topic
from tests.simulation.faults import Address, Process, SeededChoices

Headers = Sequence[tuple[str, bytes]]


class Partition(NamedTuple):
    topic: str
    partition: int


class Record(NamedTuple):
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    there_at: float
    """Consumers see the record from this time on."""


@dataclass
class Group:
    """``topics`` are all topics that members ever asked for."""

    committed: dict[Partition, int] = field(default_factory=lambda: defaultdict(int))
    members: list["PlayedConsumer"] = field(default_factory=list)
    topics: dict[str, None] = field(default_factory=dict)


class Kafka:
    """``watch`` is called with every record when it is appended."""

    def __init__(self, seeded: SeededChoices) -> None:
        self.seeded = seeded
        self.partitions: dict[Partition, list[Record]] = {}
        self.groups: dict[str, Group] = defaultdict(Group)
        self.watch: Callable[[Record], None] = lambda record: None
        self.news = asyncio.Event()

    def of(self, name: str) -> list[Partition]:
        """Return the partitions of a topic. Raise KeyError for a topic that is not in the table."""
        found = [Partition(name, number) for number in range(topic(name).partitions)]
        for each in found:
            self.partitions.setdefault(each, [])
        return found

    def append(self, where: Partition, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        log = self.partitions[where]
        now = asyncio.get_running_loop().time()
        there_at = max(
            now + self.seeded.rng.random() * self.seeded.faults.latency_seconds * 10, log[-1].there_at if log else 0
        )
        record = Record(*where, len(log), key, value, headers, there_at)
        log.append(record)
        self.seeded.counts["messages"] += 1
        self.watch(record)
        self.stir(there_at - now)

    def stir(self, after: float = 0) -> None:
        """Make everything that waits for messages look again."""
        asyncio.get_running_loop().call_later(after, self._stirred)

    def _stirred(self) -> None:
        self.news.set()
        self.news.clear()

    def share(self, group: Group) -> None:
        """Divide the partitions among the members again. Each begins after the committed offset."""
        for member in group.members:
            member.positions, member._paused = {}, set()
        for number, where in enumerate(each for name in group.topics for each in self.of(name)):
            takers = [member for member in group.members if where.topic in member.topics]
            if takers:
                takers[number % len(takers)].positions[where] = group.committed[where]
        self.stir()

    def behind(self) -> int:
        """Return how many records some group has not committed yet."""
        return sum(
            len(self.partitions[where]) - group.committed[where]
            for group in self.groups.values()
            for name in group.topics
            for where in self.of(name)
        )


class PlayedProducer:
    """The part of :class:`infra.producer.Producer`, and of the producer in it, that relay and dead letters use."""

    def __init__(self, kafka: Kafka, process: Process) -> None:
        self._kafka = kafka
        self._process = process
        self._sending: dict[Partition, list[tuple[asyncio.Future[None], Any]]] = defaultdict(list)
        process.ends.append(self)

    async def send(
        self, topic: str, value: bytes | None = None, key: bytes | None = None, headers: Headers = ()
    ) -> "asyncio.Future[None]":
        self._process.check()
        partitions = self._kafka.of(topic)
        where = partitions[crc32(key or b"") % len(partitions)]
        sent: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if not self._sending[where]:
            delay = self._kafka.seeded.rng.random() * self._kafka.seeded.faults.latency_seconds
            asyncio.get_running_loop().call_later(delay, self._flush, where)
        self._sending[where].append((sent, (key, value, headers)))
        return sent

    async def send_and_wait(self, topic: str, **message: Any) -> None:
        await (await self.send(topic, **message))

    @property
    def working(self) -> "PlayedProducer":
        return self

    async def renew(self, broken: "PlayedProducer") -> None:
        pass

    async def topics(self) -> set[str]:
        return {row.name for row in TOPICS}

    def cut(self) -> None:
        """Drop everything that was not flushed."""
        for waiting in self._sending.values():
            for sent, _ in waiting:
                sent.cancel()
            waiting.clear()

    def _flush(self, where: Partition) -> None:
        batch, self._sending[where] = self._sending[where], []
        seeded = self._kafka.seeded
        failure: Exception | None = None
        for sent, message in batch:
            if failure is None and seeded.chance("message_lost"):
                failure = KafkaConnectionError("the message was lost")
                seeded.say(f"{self._process.name}'s message is lost on the way to {where.topic}")
            if failure is None:
                self._kafka.append(where, *message)
                if seeded.chance("message_doubled"):
                    self._kafka.append(where, *message)
                if seeded.chance("message_unsure"):
                    failure = RequestTimedOutError("nobody knows whether the message is there")
            if sent.done():
                continue
            if failure is None:
                sent.set_result(None)
            else:
                sent.set_exception(failure)
                sent.exception()  # retrieved even if the sender stopped at the first that failed


class PlayedConsumer:
    """The part of AIOKafkaConsumer that :mod:`infra.consumer` uses. ``positions`` are those of its partitions."""

    def __init__(self, kafka: Kafka, process: Process, topics: Sequence[str], group_id: str) -> None:
        self._kafka = kafka
        self._process = process
        self._group = kafka.groups[group_id]
        self.topics = topics
        self.positions: dict[Partition, int] = {}
        self._paused: set[Partition] = set()
        self._fetcher = SimpleNamespace(error_future=asyncio.get_running_loop().create_future())
        self._client = SimpleNamespace(_sync_task=asyncio.get_running_loop().create_future())
        """The tasks that would read from the broker and keep the list of brokers. The simulation does not let them
        fail."""

    async def start(self) -> None:
        await self._kafka.seeded.step(self._process, "joins a group")
        self._process.ends.append(self)
        self._group.members.append(self)
        self._group.topics |= dict.fromkeys(self.topics)
        self._kafka.share(self._group)

    async def stop(self) -> None:
        self._leave()

    def cut(self) -> None:
        """Disconnect. The group notices it after a while."""
        asyncio.get_running_loop().call_later(self._kafka.seeded.rng.random() * 4, self._leave)

    async def getmany(self, timeout_ms: int, max_records: int) -> dict[Partition, list[Record]]:
        try:
            async with asyncio.timeout(timeout_ms / 1000 * 8):
                while not (found := self._next(max_records)):
                    await self._kafka.news.wait()
        except TimeoutError:
            return {}
        await self._kafka.seeded.step(self._process, f"reads {sum(map(len, found.values()))} messages")
        return found

    def seek(self, partition: TopicPartition, offset: int) -> None:
        if Partition(*partition) not in self.positions:
            raise IllegalStateError(f"{partition} is not assigned")
        self.positions[Partition(*partition)] = offset

    def pause(self, partition: TopicPartition) -> None:
        self._paused.add(Partition(*partition))

    def resume(self, partition: TopicPartition) -> None:
        if Partition(*partition) not in self.positions:
            raise IllegalStateError(f"{partition} is not assigned")
        self._paused.discard(Partition(*partition))

    def assignment(self) -> set[TopicPartition]:
        return {TopicPartition(*each) for each in self.positions}

    async def commit(self) -> None:
        positions = dict(self.positions)
        await self._kafka.seeded.step(self._process, "commits its offsets")
        if self not in self._group.members or not positions.keys() <= self.positions.keys():
            raise CommitFailedError("the partitions are another member's now")
        self._group.committed |= positions
        self._kafka.seeded.say(f"{self._process.name} has committed its offsets")

    def _next(self, most: int) -> dict[Partition, list[Record]]:
        seeded, now = self._kafka.seeded, asyncio.get_running_loop().time()
        if self.positions and seeded.chance("redelivery"):
            self.positions = {where: self._group.committed[where] for where in self.positions}
        found: dict[Partition, list[Record]] = {}
        for where in sorted(
            (each for each in self.positions if each not in self._paused), key=lambda _: seeded.rng.random()
        ):
            log, position = self._kafka.partitions[where], self.positions[where]
            ready = [record for record in log[position : position + most] if record.there_at <= now]
            if ready:
                found[where] = ready[: seeded.rng.randint(1, len(ready))]
                self.positions[where] = position + len(found[where])
        return found

    def _leave(self) -> None:
        if self in self._group.members:
            self._group.members.remove(self)
            self._kafka.share(self._group)


def consumer_at(kafka: Kafka) -> Callable[..., PlayedConsumer]:
    """Return what replaces the class AIOKafkaConsumer."""

    def made(*topics: str, bootstrap_servers: Address, group_id: str, **_: Any) -> PlayedConsumer:
        return PlayedConsumer(kafka, bootstrap_servers.process, topics, group_id)

    return made
