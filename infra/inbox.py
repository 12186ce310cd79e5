"""The inbox: incoming events take effect once, or become dead letters. Nothing is swallowed.

A batch is handled in one transaction; if any of it fails the batch is undone and done again one by one, so that one bad
event costs only itself. Bad bytes go to the dead letter topic at once, a failing handler after bounded retries, and too
many failures in a row stop the consumer loudly: then it is the ground that is broken, not an event.
"""

import asyncio
import logging
from collections.abc import Iterable, Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.structs import ConsumerRecord

from events.codec import Event, Message, decode
from events.envelope import MalformedEvent
from infra import metrics, telemetry
from infra.causality import caused_by, current_cause
from infra.database import Database, Transaction, database_is_away
from infra.deadletters import bury
from infra.reactions import Reaction, Reactions

log = logging.getLogger(__name__)
RETRIES = (0.05, 0.5, 2.0)
"""Seconds to wait before each further try of one event."""
STOP_AFTER = 20
"""Dead letters in a row after which the consumer stops."""


class ConsumerStopped(RuntimeError):
    """Too many events in a row failed; somebody must look before more are set aside."""


class Inbox:
    """The reactions of one service behind its inbox. ``view`` keeps the claims of a rebuildable view apart from the service's own."""

    def __init__(
        self,
        service: str,
        reactions: Reactions,
        database: Database,
        dead_letters: AIOKafkaProducer,
        *,
        view: str = "",
    ) -> None:
        self.service = service
        self._reactions = reactions
        self._database = database
        self._dead_letters = dead_letters
        self._prefix = f"{view}/" if view else ""
        self._failed_in_a_row = 0

    async def handle(self, records: Sequence[ConsumerRecord]) -> None:
        """Handle records in order; on return each is in effect once, or a dead letter."""
        good: list[tuple[ConsumerRecord, Message]] = []
        for record in records:
            try:
                good.append((record, decode(record.value, record.headers)))
            except MalformedEvent as error:
                await self._bury(record, error)
        wanted = [(record, message) for record, message in good if type(message.event) in self._reactions]
        if not wanted:
            return
        try:
            await self._in_one_transaction([message for _, message in wanted])
            self._failed_in_a_row = 0
        except Exception as error:  # noqa: BLE001 - whatever it is, each event is tried alone, then buried with it
            log.info("%s: a batch of %d failed (%s); one by one", self.service, len(wanted), error)
            for record, message in wanted:
                await self._alone(record, message)

    async def _in_one_transaction(self, messages: list[Message]) -> None:
        async with self._database.transaction(self.service) as tx:
            fresh = await tx.claim([self._prefix + message.envelope.id for message in messages])
            new = []
            for message in messages:
                claim = self._prefix + message.envelope.id
                if claim in fresh:
                    fresh.discard(claim)
                    new.append(message)
            for call in calls(self._reactions, new):
                await react(self._reactions[type(call[0].event)], tx, call)
        metrics.EVENTS_HANDLED.labels(self._prefix + self.service).inc(len(new))

    async def _alone(self, record: ConsumerRecord, message: Message) -> None:
        tries = 0
        while True:
            try:
                await self._in_one_transaction([message])
                self._failed_in_a_row = 0
                return
            except Exception as error:
                if database_is_away(error):
                    log.warning("%s waits for the database: %s", self.service, error)
                    await asyncio.sleep(1)
                    continue
                if tries == len(RETRIES):
                    log.exception("%s could not handle %s %s", self.service, message.envelope.type, message.envelope.id)
                    await self._bury(record, error)
                    return
                await asyncio.sleep(RETRIES[tries])
                tries += 1

    async def _bury(self, record: ConsumerRecord, error: Exception) -> None:
        await bury(self._dead_letters, self.service, record, error)
        self._failed_in_a_row += 1
        if self._failed_in_a_row >= STOP_AFTER:
            raise ConsumerStopped(f"{self.service}: {STOP_AFTER} events in a row failed, the last with: {error}")


def calls(reactions: Reactions, messages: Iterable[Message]) -> list[list[Message]]:
    """The messages as their reactions take them: each list is one call, of one type.

    Messages of one topic and subject (that is one Kafka key) stay in their order, across types too.
    """
    made: list[list[Message]] = []
    newest: dict[type[Event], int] = {}
    """The last call of each type."""
    last: dict[tuple[str, str], int] = {}
    """The last call with a message of each key."""
    for message in messages:
        kind, key = type(message.event), (message.event.TOPIC, message.envelope.subject)
        place = newest.get(kind, -1)
        if place < last.get(key, 0) or len(made[place]) >= reactions[kind].most:
            place = newest[kind] = len(made)
            made.append([])
        made[place].append(message)
        last[key] = place
    return made


async def react(reaction: Reaction, tx: Transaction, messages: Sequence[Message]) -> None:
    """One call. Events that it emits name the (first) message as their cause."""
    envelope = messages[0].envelope
    with (
        telemetry.span("consumer", f"{tx.service} reacts to {envelope.type}", envelope.traceparent) as span,
        caused_by(envelope.correlationid, envelope.id, span.traceparent or envelope.traceparent),
    ):
        previous, tx.cause = tx.cause, current_cause()
        try:
            await reaction.run(tx, messages)
        finally:
            tx.cause = previous
