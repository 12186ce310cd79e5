"""Figures about events on their way (outboxes, Kafka, consumers). They are measured from outside, so they are right
even if the processes that do the work are dead."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Set
from contextlib import suppress
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import TopicPartition

import infra.mended_aiokafka  # noqa: F401 - wherever aiokafka is used
from events.topics import TOPICS
from infra.broker import access
from infra.clock import system_clock
from infra.database import LOST
from infra.deadletters import Follower, Unsettled
from infra.deadline import Deadline
from infra.operations import processes
from infra.operations.processes import RunningProcess
from infra.roles import Connections

T = TypeVar("T")
FRESH = 1.0
"""Seconds for which one observation answers all requests."""
PATIENCE = 3.0
"""Seconds after which a server that does not answer is away."""
NO_ANSWER = f"no answer within {PATIENCE:.0f} s: it is frozen or overloaded, or the network to it is cut"
LATE, LATE_IN_BULK = timedelta(minutes=1), timedelta(hours=1)
"""How long a message may wait for its consumer; it is longer for a bulk topic, which an import fills and live events
overtake."""
BULK = {row.name for row in TOPICS if row.bulk}
COUNTED = 10_000
"""Waiting rows are counted up to this number."""


class Outbox(msgspec.Struct, frozen=True, kw_only=True):
    """Events of a service that are not on Kafka yet. ``oldest`` is how long the first one has waited; ``waiting`` is at
    most COUNTED."""

    service: str
    waiting: int
    oldest: timedelta
    set_aside: int


class ConsumerGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A consumer group. ``lag``: messages that it has not taken in; ``late``: those of them that have waited too long,
    in the topics ``late_in``."""

    group: str
    lag: int
    late: int
    late_in: list[str] = []


class ServerFigures(msgspec.Struct, frozen=True, kw_only=True):
    """``database`` and ``kafka`` say why a server did not answer; "" means that it did. Figures that could not be read
    are empty.

    ``clock_ahead``: by how much this machine's clock is ahead of the database's.
    """

    at: datetime
    database: str
    kafka: str
    clock_ahead: timedelta = timedelta()
    outboxes: list[Outbox] = []
    processes: list[RunningProcess] = []
    groups: list[ConsumerGroup] = []
    dead_letters: int = 0
    """Messages in the topic of dead letters, including notes."""
    unsettled: list[Unsettled] = []
    """Dead letters that nobody replayed or dismissed, oldest first."""


class Observer:
    """Observes the market when it is asked, at most once a second however many ask. Call ``close`` at the end."""

    def __init__(self, pool: Connections, bootstrap: str) -> None:
        self._pool = pool
        self._kafka = Kafka(bootstrap)
        self._looking = asyncio.Lock()
        self._seen: ServerFigures | None = None
        self._until = 0.0

    async def look(self) -> ServerFigures:
        async with self._looking:
            if self._seen is None or asyncio.get_running_loop().time() >= self._until:
                self._seen = await self._look()
                self._until = asyncio.get_running_loop().time() + FRESH
            return self._seen

    async def close(self) -> None:
        await self._kafka.close()

    async def _look(self) -> ServerFigures:
        stored, database = await _wait_for(self._stored, (*LOST, TimeoutError))
        known, outboxes, ahead = stored or ([], [], timedelta())
        groups = processes.topics_of_groups(known)
        heard, kafka = await _wait_for(lambda: self._kafka.figures(groups), (KafkaError, OSError, TimeoutError))
        if kafka:
            await self._kafka.close()
        lags, dead_letters, unsettled = heard or ([], 0, [])
        return ServerFigures(
            at=system_clock(),
            database=database,
            kafka=kafka,
            clock_ahead=ahead,
            outboxes=outboxes,
            processes=known,
            groups=lags,
            dead_letters=dead_letters,
            unsettled=unsettled,
        )

    async def _stored(self) -> tuple[list[RunningProcess], list[Outbox], timedelta]:
        async with self._pool.acquire() as connection:
            before = system_clock()
            there = await connection.fetchval("select clock_timestamp()")
            ahead = before + (system_clock() - before) / 2 - there
            rows = await connection.fetch(
                "select service, waiting, coalesce(greatest(now() - oldest, '0'), '0') as oldest, set_aside"
                " from operations.outboxes()"
            )
            return await processes.read(connection), [Outbox(**row) for row in rows], ahead


class Kafka:
    """The connections to Kafka: a consumer without a group, which follows the dead letters, and an administration
    client. They are kept while the broker answers."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer: AIOKafkaConsumer | None = None
        self._admin: AIOKafkaAdminClient | None = None
        self._letters: Follower | None = None

    async def figures(self, groups: Mapping[str, Set[str] | None]) -> tuple[list[ConsumerGroup], int, list[Unsettled]]:
        """The figures of these groups, given with the topics that each reads (None: those for which it committed an
        offset); the number of messages in the topic of dead letters; and the letters that nobody settled."""
        if self._consumer is None or self._admin is None or self._letters is None:
            await self._connect()
        assert self._consumer is not None and self._admin is not None and self._letters is not None
        names = sorted(groups)
        there = await self._partitions(self._admin, {topic for topics in groups.values() for topic in topics or ()})
        committed = await asyncio.gather(*(self._admin.list_consumer_group_offsets(name) for name in names))
        reads: dict[str, list[TopicPartition]] = {}
        for name, offsets in zip(names, committed, strict=True):
            topics = groups[name]
            reads[name] = list(offsets) if topics is None else [each for topic in topics for each in there[topic]]
        letters = Follower.PARTITION
        partitions = sorted({letters}.union(*reads.values()))
        now = system_clock()
        too_old = {
            each: int((now - (LATE_IN_BULK if each.topic in BULK else LATE)).timestamp() * 1000) for each in partitions
        }
        ends, firsts, then = await asyncio.gather(
            self._consumer.end_offsets(partitions),
            self._consumer.beginning_offsets(partitions),
            self._consumer.offsets_for_times(too_old),
        )
        # The first message that came after that instant; if there is none, all messages are older.
        old = {each: found.offset if (found := then[each]) else ends[each] for each in partitions}
        lags = []
        for name, offsets in zip(names, committed, strict=True):
            # If the group committed nothing yet, the whole log waits for it.
            read = {each: max(offsets[each].offset if each in offsets else 0, firsts[each]) for each in reads[name]}
            late = {each: max(0, old[each] - offset) for each, offset in read.items()}
            lags.append(
                ConsumerGroup(
                    group=name,
                    lag=sum(max(0, ends[each] - offset) for each, offset in read.items()),
                    late=sum(late.values()),
                    late_in=sorted({each.topic for each, count in late.items() if count}),
                )
            )
        unsettled = await self._letters.unsettled(firsts[letters], ends[letters])
        return lags, ends[letters] - firsts[letters], unsettled

    async def _partitions(self, admin: AIOKafkaAdminClient, topics: Set[str]) -> dict[str, list[TopicPartition]]:
        """The partitions of each topic; none for a topic that the broker does not have."""
        described = await admin.describe_topics(sorted(topics)) if topics else []
        there = {
            row["topic"]: [TopicPartition(row["topic"], each["partition"]) for each in row["partitions"]]
            for row in described
        }
        return {topic: there.get(topic, []) for topic in topics}

    async def close(self) -> None:
        consumer, self._consumer = self._consumer, None
        admin, self._admin = self._admin, None
        with suppress(KafkaError, OSError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                if consumer is not None:
                    await consumer.stop()
                if admin is not None:
                    await admin.close()

    async def _connect(self) -> None:
        self._admin = AIOKafkaAdminClient(**access(self._bootstrap))
        self._consumer = AIOKafkaConsumer(
            **access(self._bootstrap), enable_auto_commit=False, auto_offset_reset="earliest"
        )
        await self._admin.start()
        await self._consumer.start()
        self._consumer.assign([Follower.PARTITION])
        self._letters = Follower(self._consumer)


async def _wait_for(
    ask: Callable[[], Awaitable[T]], away: tuple[type[BaseException], ...]
) -> tuple[T, str] | tuple[None, str]:
    """Wait for the answer for a limited time. Return (answer, "") or (None, why there is none)."""
    try:
        async with Deadline(PATIENCE) as deadline:
            return await ask(), ""
    except away as error:
        return None, NO_ANSWER if deadline.is_over else f"{type(error).__name__}: {error}"
