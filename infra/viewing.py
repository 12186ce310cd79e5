"""Passes the messages of a stream into its view, in the order of each partition. A partition that must wait does not
delay the others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

from aiokafka import TopicPartition

from infra import resuming
from infra.away import PAUSE
from infra.health import HEALTH, PartState
from infra.held import ConsumerStopped, HeldPartition, remedies
from infra.inbox import Inbox
from infra.turns import Turn

if TYPE_CHECKING:
    import faust
    from faust.types import ConsumerMessage

    from infra.streams import Offsets

log = logging.getLogger(__name__)


class ViewReader:
    """Gives messages to the inbox, and tells Faust which were taken in.

    A partition is not read further if its event cannot be handled (it is of a newer release, or too many events failed), until
    a rebalance or a new start reads it again from the committed offset. If an event needs a locked row, its partition
    is tried again every second.
    """

    def __init__(
        self,
        app: faust.App,
        name: str,
        inbox: Inbox,
        turn: Turn,
        batch: int,
        most_behind: int,
        given_up: asyncio.Event | None = None,
    ) -> None:
        """With more than ``most_behind`` messages behind locked rows it takes no new ones until some are in effect.
        ``given_up`` is set when a person gave up the record that blocks a partition: the partition continues when it is
        read again from the committed offset."""
        self._app = app
        self.name = name
        self.batch = batch
        self._most_behind = most_behind
        self._inbox = inbox
        self._turn = turn
        self._given_up = given_up
        self._one_at_a_time = asyncio.Lock()
        self._standing: dict[tuple[TopicPartition, int | None], tuple[PartState, HeldPartition]] = {}
        """Blocked partitions, by partition and generation of the group."""
        self._behind: dict[TopicPartition, list[ConsumerMessage]] = {}
        """Messages of partitions that are tried again, in order."""
        self._held: dict[TopicPartition, HeldPartition] = {}
        """Why these partitions wait."""

    async def take(self, messages: Sequence[ConsumerMessage]) -> None:
        """On return each message is taken in, or kept until its partition continues."""
        async with self._one_at_a_time:
            await self._take(messages)
            self._report()
        while sum(map(len, self._behind.values())) > self._most_behind:
            await asyncio.sleep(PAUSE)

    async def try_again_for_ever(self) -> None:
        while True:
            await asyncio.sleep(PAUSE)
            async with self._one_at_a_time:
                behind, self._behind = self._behind, {}
                for messages in behind.values():
                    # messages that were read before a rebalance are read again after it
                    ours = [each for each in messages if each.generation_id == self._app.consumer_generation_id]
                    for first in range(0, len(ours), self.batch):
                        await self._take(ours[first : first + self.batch])
            if self._app.consumer_generation_id:  # it is in its group
                self._report()

    async def look_for_given_up(self) -> None:
        """Look again and again whether a person gave up a record that blocks a partition."""
        while True:
            await asyncio.sleep(resuming.EVERY)
            standing = [held for _, held in self._standing.values()]
            if self._given_up is not None and await self._inbox.given_up(standing):
                self._given_up.set()

    async def _take(self, messages: Sequence[ConsumerMessage]) -> None:
        batch = []
        for message in messages:
            if message.tp in self._behind:
                self._behind[message.tp].append(message)
            elif not self._stands(message):
                batch.append(message)
        if not batch:
            return
        held: Sequence[HeldPartition]
        try:
            async with self._turn():
                held, state = await self._inbox.handle(batch), PartState.degraded
        except ConsumerStopped as stopped:
            held, state = stopped.undone, PartState.stopped
        before = {each.partition: each for each in held}
        read_in = {message.tp: message.generation_id for message in batch}
        for tp, each in before.items():
            if each.why and each.again is None:
                self._stand(tp, read_in[tp], each, state)
        for message in batch:
            here = before.get(message.tp)
            if here is None or message.offset < here.offset:
                cast("Offsets", self._app.consumer).took(message)
            elif not self._stands(message):
                self._behind.setdefault(message.tp, []).append(message)
                self._held[message.tp] = here

    def _stands(self, message: ConsumerMessage) -> bool:
        """Whether the message comes after the record that blocks its partition."""
        found = self._standing.get((message.tp, message.generation_id))
        if found is None or message.offset < found[1].offset:
            return False
        self._pause(message.tp, message.generation_id)
        return True

    def _stand(self, partition: TopicPartition, generation: int | None, held: HeldPartition, state: PartState) -> None:
        """Block the partition. If a rebalance assigned the partitions again meanwhile, its new owner reads it."""
        log.error("%s: %s; remedy: %s", self.name, _said(partition, held.why), self._remedy(state, [held]))
        self._standing[partition, generation] = state, held
        self._pause(partition, generation)

    def _pause(self, partition: TopicPartition, generation: int | None) -> None:
        """Pause the partition, only to read less. Not during a rebalance or after it, because the pause would outlast
        the assignment."""
        if generation == self._app.consumer_generation_id and not self._app.rebalancing:
            self._app.consumer.pause_partitions({partition})

    def _report(self) -> None:
        now = self._app.consumer_generation_id
        self._standing = {(tp, at): each for (tp, at), each in self._standing.items() if at == now}
        states = {state for state, _ in self._standing.values()}
        said = [_said(tp, held.why) for (tp, _), (_, held) in sorted(self._standing.items())]
        waiting = {tp: held for tp in sorted(self._behind) if (held := self._held[tp]).why}
        said += [_said(tp, held.why) for tp, held in waiting.items()]
        if states:
            state = PartState.stopped if PartState.stopped in states else PartState.degraded
            remedy = self._remedy(state, [held for _, held in self._standing.values()])
            HEALTH.report("view", self.name, state, "; ".join(said), remedy)
        elif said:
            HEALTH.report("view", self.name, PartState.waiting, "; ".join(said), remedies(waiting.values()))
        else:
            HEALTH.report("view", self.name, PartState.running)

    def _remedy(self, state: PartState, standing: Sequence[HeldPartition]) -> str:
        return resuming.remedy(self.name) if state is PartState.stopped else remedies(standing)


def _said(partition: TopicPartition, why: str) -> str:
    return f"partition {partition.partition} of {partition.topic} waits: {why}"
