"""The order in which a view takes in messages if some must wait, with a made-up inbox and Kafka reader."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from infra import viewing
from infra.health import HEALTH, Condition, PartState
from infra.held import ConsumerStopped, HeldPartition
from infra.tasks import background
from infra.turns import ConsumerTurns
from infra.viewing import ViewReader


@dataclass(frozen=True)
class Read:
    offset: int
    partition: int = 0
    generation_id: int = 1

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition("topic", self.partition)


def before(partition: int, offset: int, why: str = "", again: float | None = None) -> HeldPartition:
    return HeldPartition(TopicPartition("topic", partition), offset, why, again)


@dataclass
class Scene:
    """A test setting. ``locked`` and ``unknown`` are places of messages; at ``fails`` the view stops."""

    locked: set[tuple[int, int]] = field(default_factory=set)
    unknown: set[tuple[int, int]] = field(default_factory=set)
    fails: tuple[int, int] | None = None
    done: list[tuple[int, int]] = field(default_factory=list)
    taken: list[tuple[int, int]] = field(default_factory=list)
    paused: set[TopicPartition] = field(default_factory=set)
    generation: int = 1
    rebalanced_into: int | None = None
    """The generation of the group after a rebalance while messages are handled."""

    def __post_init__(self) -> None:
        consumer = SimpleNamespace(
            took=lambda message: self.taken.append((message.partition, message.offset)),
            pause_partitions=self.paused.update,
        )
        self.app: Any = SimpleNamespace(consumer=consumer, consumer_generation_id=self.generation, rebalancing=False)
        self.reader = ViewReader(self.app, "made up", self, ConsumerTurns().live, 2, 5)  # type: ignore[arg-type]

    async def handle(self, messages: Sequence[Read]) -> list[HeldPartition]:
        held: dict[int, HeldPartition] = {}
        for number, message in enumerate(messages):
            place = (message.partition, message.offset)
            if message.partition in held:
                continue
            if place in self.locked:
                held[message.partition] = before(*place, "somebody keeps it locked", 1.0)
            elif place in self.unknown:
                held[message.partition] = before(*place, "a newer version")
            elif place == self.fails:
                held[message.partition] = before(message.partition, message.offset + 1, "20 in a row")
                for later in messages[number + 1 :]:
                    held.setdefault(later.partition, before(later.partition, later.offset))
                raise ConsumerStopped("20 in a row", list(held.values()))
            else:
                self.done.append(place)
        if self.rebalanced_into is not None:
            self.app.consumer_generation_id = self.rebalanced_into
        return list(held.values())

    @asynccontextmanager
    async def trying_again(self) -> AsyncIterator[None]:
        async with background(self.reader.try_again_for_ever(), name="again"), asyncio.timeout(10):
            yield


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewing, "PAUSE", 0.001)


def said() -> Condition:
    return next(each for each in HEALTH if (each.kind, each.name) == ("view", "made up"))


async def test_behind_a_locked_row_a_partition_waits_in_order_and_the_others_go_on() -> None:
    scene = Scene(locked={(0, 2)})
    await scene.reader.take([Read(1), Read(2), Read(3), Read(1, partition=1)])  # type: ignore[list-item]
    assert scene.done == scene.taken == [(0, 1), (1, 1)]
    assert said().state is PartState.waiting and "partition 0 of topic waits: somebody" in said().detail
    async with scene.trying_again():
        await scene.reader.take([Read(4), Read(2, partition=1)])  # type: ignore[list-item]
        assert scene.done == scene.taken == [(0, 1), (1, 1), (1, 2)]
        scene.locked.clear()
        while len(scene.done) < 6:
            await asyncio.sleep(0.001)
        while said().state is not PartState.running:
            await asyncio.sleep(0.001)
    assert scene.done == scene.taken == [(0, 1), (1, 1), (1, 2), (0, 2), (0, 3), (0, 4)]
    assert not scene.paused


async def test_what_is_unknown_here_is_not_taken_in_nor_what_follows_it() -> None:
    scene = Scene(unknown={(0, 2)})
    await scene.reader.take([Read(1), Read(2), Read(3), Read(1, partition=1)])  # type: ignore[list-item]
    await scene.reader.take([Read(4), Read(2, partition=1)])  # type: ignore[list-item]
    assert scene.done == scene.taken == [(0, 1), (1, 1), (1, 2)]
    assert scene.paused == {TopicPartition("topic", 0)} and said().state is PartState.degraded
    scene.app.consumer_generation_id = 2  # assigned again, and read from the committed offset
    scene.unknown.clear()
    await scene.reader.take([Read(2, generation_id=2), Read(3, generation_id=2)])  # type: ignore[list-item]
    assert scene.taken[3:] == [(0, 2), (0, 3)] and said().state is PartState.running


async def test_what_a_rebalance_deals_out_again_meanwhile_does_not_stand_in_the_new_generation() -> None:
    scene = Scene(unknown={(0, 1)}, rebalanced_into=2)
    await scene.reader.take([Read(1), Read(2)])  # type: ignore[list-item]
    assert not scene.paused and said().state is PartState.running
    scene.unknown.clear()
    await scene.reader.take([Read(1, generation_id=2), Read(2, generation_id=2)])  # type: ignore[list-item]
    assert scene.taken == [(0, 1), (0, 2)]


async def test_where_a_view_stops_its_partition_stands_and_the_rest_of_the_batch_is_done_after_all() -> None:
    scene = Scene(fails=(0, 2))
    await scene.reader.take([Read(1), Read(2), Read(1, partition=1), Read(3), Read(2, partition=1)])  # type: ignore[list-item]
    assert scene.taken == [(0, 1), (0, 2)]  # the second one is a dead letter
    assert said().state is PartState.stopped and "consumers resume 'made up'" in said().remedy
    async with scene.trying_again():
        while len(scene.taken) < 4:
            await asyncio.sleep(0.001)
    assert scene.taken[2:] == [(1, 1), (1, 2)] and said().state is PartState.stopped


async def test_what_was_read_before_a_rebalance_is_forgotten_as_it_is_read_again() -> None:
    scene = Scene(locked={(0, 1)})
    await scene.reader.take([Read(1), Read(2)])  # type: ignore[list-item]
    scene.app.consumer_generation_id = 2
    scene.locked.clear()
    async with scene.trying_again():
        while said().state is not PartState.running:
            await asyncio.sleep(0.001)
    assert scene.done == scene.taken == []


async def test_with_very_many_behind_a_locked_row_the_view_reads_no_more() -> None:
    scene = Scene(locked={(0, 0)})
    async with scene.trying_again():
        taking = asyncio.create_task(scene.reader.take([Read(offset) for offset in range(9)]))  # type: ignore[misc]
        for _ in range(20):
            await asyncio.sleep(0.001)
        assert not taking.done()
        scene.locked.clear()
        await taking
        while len(scene.taken) < 9:
            await asyncio.sleep(0.001)
    assert scene.taken == [(0, offset) for offset in range(9)]
