"""The inbox: incoming events take effect once, or become dead letters. Nothing is swallowed.

Events without a reaction here are skipped by their type header; their body is not read. A batch is handled in one transaction. If an
event of it fails, the transaction is rolled back and each event is handled in a transaction of its own, so one bad event affects no
other. Malformed bytes go to the dead letter topic at once. A failing event is tried again a few times, while only its partition waits.
An event in an unreadable version blocks its partition until a newer release reads it or a person gives it up (:mod:`infra.given_up`). If
an event can be divided (:meth:`events.codec.Message.pieces`), each failing piece becomes a dead letter of its own. If a server is
unavailable (:mod:`infra.away`), the event waits for it. If a row is locked by someone else, only the partition of the event that needs
the row waits. Many failures in a row in one partition stop the consumer: they suggest a fault of the infrastructure, not of one event.
Malformed bytes are not counted.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Sequence
from contextlib import aclosing, asynccontextmanager
from itertools import chain

from aiokafka.structs import ConsumerRecord, TopicPartition

from events.codec import PIECE, Message, UnknownVersion, decode, kind_of, type_in
from events.envelope import MalformedEvent
from infra import given_up, metrics
from infra.away import PAUSE, in_short, is_away, is_locked, remedy, there
from infra.database import LOCK_PATIENCE, Database, Transaction
from infra.deadletters import is_for, make_dead_letter
from infra.deadline import Deadline
from infra.held import NEWER_RELEASE, ConsumerStopped, HeldPartition
from infra.outgoing import OF_A_CONSEQUENCE
from infra.producer import Producer
from infra.reactions import Reactions, calls, react
from infra.tasks import stop_if_cancelled

log = logging.getLogger(__name__)
RETRIES = (0.05, 0.5, 2.0)
"""Seconds before the second, third and fourth try of one event."""
STOP_AFTER = 20
"""Number of failed events in a row in one partition after which the consumer stops."""
SLICE, SLICE_BYTES = 50, 64_000
"""Decode at most this many records, or stop after one larger than SLICE_BYTES, before yielding to the event loop."""
PORTION, PORTION_BYTES = 500, 1_000_000
"""One transaction handles at most this many records, or this many bytes (including the record that crosses the limit)."""
DEAD = "!"
"""Suffix of a claim: this piece became a dead letter."""
AWAY_TRIES = 5
"""After this many tries of an event that needs an unavailable server, only its partition waits, if the database itself works."""
LONGEST_TRANSACTION = 120.0
"""Seconds for one transaction. A longer one means that the server is frozen or cut off: the connection is closed, and the events are tried
again on another connection."""
TRIED_AGAIN = "read the log of this process; after four tries the event becomes a dead letter"


class _Waits(Exception):
    """The partition waits: its event failed and is tried again, or it needs a locked row or an unavailable server that the other events of
    the batch do not need."""

    def __init__(self, why: str, remedy: str, seconds: float = PAUSE) -> None:
        super().__init__(why)
        self.remedy = remedy
        self.seconds = seconds


class _Divided(Exception):
    """The event was divided before, and some of its pieces may be handled already."""


Read = list[tuple[ConsumerRecord, Message | MalformedEvent]]
"""Records with a reaction, as messages, and malformed records, as errors."""
Portion = tuple[Read, dict[TopicPartition, HeldPartition]]
"""The records read, and the blocked partitions with the offset at which each is blocked."""


class Inbox:
    """The inbox of one service and the reactions that it calls. ``view`` keeps the claims of a rebuildable view apart
    from those of the service."""

    def __init__(
        self,
        service: str,
        reactions: Reactions,
        database: Database,
        dead_letters: Producer,
        *,
        view: str = "",
    ) -> None:
        self.service = service
        self.name = view or service
        self._view = view
        self._reactions = reactions
        self._kinds = {kind_of(kind.TYPE) for kind in reactions}
        self._database = database
        self._dead_letters = dead_letters
        self._prefix = f"{view}/" if view else ""
        self._failed_in_a_row: Counter[tuple[str, int]] = Counter()
        self._waiting: set[TopicPartition] = set()
        """Partitions whose next event waits for a retry. It is tried outside the batch: inside, it could make the whole batch fail or
        wait."""
        self.dead_letters = 0
        self._tries: dict[str, int] = {}
        """How often the event that blocks a partition failed, by the claim of the event."""

    async def handle(self, records: Sequence[ConsumerRecord]) -> list[HeldPartition]:
        """Handle records in order. On return each record is handled once, is a dead letter, or comes at or after the returned offset of its
        partition.

        Raise :class:`ConsumerStopped`.
        """
        held: dict[TopicPartition, HeldPartition] = {}
        portions = _portions(records)
        async with aclosing(self._read_ahead(portions)) as portions_read:
            number = 0
            async for read, unknown in portions_read:
                number += 1
                if held:
                    read = [each for each in read if _partition(each[0]) not in held]
                    unknown = {partition: each for partition, each in unknown.items() if partition not in held}
                try:
                    held |= await self._handle(read, unknown)
                except ConsumerStopped as stopped:
                    undone = held | {each.partition: each for each in stopped.undone}
                    for record in chain.from_iterable(portions[number:]):
                        undone.setdefault(_partition(record), HeldPartition(_partition(record), record.offset))
                    raise ConsumerStopped(str(stopped), list(undone.values())) from stopped
        return list(held.values())

    async def given_up(self, held: Iterable[HeldPartition]) -> set[TopicPartition]:
        """The partitions among these that are blocked by an unreadable record which a person has given up meanwhile."""
        waiting = {each.unreadable: each.partition for each in held if each.unreadable}
        found = await given_up.reasons(self._database.pool, waiting) if waiting else {}
        return {waiting[each] for each in found}

    async def _read_ahead(self, portions: Sequence[Sequence[ConsumerRecord]]) -> AsyncGenerator[Portion]:
        """Decode the next portion while the database handles the current one."""
        reading: asyncio.Task[Portion] | None = None
        try:
            for number, portion in enumerate(portions, 1):
                read = await (reading or self._read(portion))
                reading = asyncio.create_task(self._read(portions[number])) if number < len(portions) else None
                yield read
        finally:
            if reading is not None:
                reading.cancel()

    async def _handle(
        self, read: Read, held: dict[TopicPartition, HeldPartition]
    ) -> dict[TopicPartition, HeldPartition]:
        """Handle one portion. Return ``held`` with the partitions that are blocked from now on."""
        batch = [each for each in read if _partition(each[0]) not in self._waiting] if self._waiting else read
        good = [message for _, message in batch if isinstance(message, Message)]
        try:
            if good:
                await self._in_one_transaction(good)
        except Exception as error:  # noqa: BLE001 - whatever it is, each event is then tried in its own transaction
            log.info("%s: a batch of %d failed (%s); one by one", self.name, len(good), in_short(error))
            await self._handle_one_by_one(read, held)
            return held
        for record, message in batch:
            if isinstance(message, Message):
                self._failed_in_a_row.pop((record.topic, record.partition), None)
            else:
                await self._write_dead_letter(record, message)
        if self._waiting:
            await self._handle_one_by_one([each for each in read if _partition(each[0]) in self._waiting], held)
        return held

    async def _read(self, records: Sequence[ConsumerRecord]) -> Portion:
        """Decode the records that have a reaction. Malformed records are returned as errors. In each partition, stop at a record that
        blocks it."""
        read: Read = []
        held: dict[TopicPartition, HeldPartition] = {}
        for number, record in enumerate(records, 1):
            if number % SLICE == 0 or len(record.value or b"") > SLICE_BYTES:
                await asyncio.sleep(0)
            type_ = type_in(record.headers)
            if type_ is not None and kind_of(type_) not in self._kinds:
                continue
            if not is_for(self.service, self._view, record.headers):
                continue
            if held and _partition(record) in held:
                continue
            try:
                message = decode(record.value, record.headers)
            except UnknownVersion as unknown:
                here = given_up.of(record)
                if reason := (await given_up.reasons(self._database.pool, [here])).get(here):
                    read.append((record, MalformedEvent(f"{unknown}; a person gave it up: {reason}")))
                else:
                    do = f"{NEWER_RELEASE}; {given_up.remedy(here)}"
                    held[_partition(record)] = HeldPartition(
                        _partition(record), record.offset, str(unknown), remedy=do, unreadable=here
                    )
            except MalformedEvent as error:
                read.append((record, error))
            else:
                if type(message.event) in self._reactions:
                    read.append((record, message))
        return read, held

    async def _handle_one_by_one(self, read: Read, held: dict[TopicPartition, HeldPartition]) -> None:
        """Handle each record in its own transaction. If an event must wait, its partition is added to ``held`` and its later records are
        left."""
        waiting: set[TopicPartition] = set()
        for number, (record, message) in enumerate(read, 1):
            if _partition(record) in waiting:
                continue
            if not isinstance(message, Message):
                await self._write_dead_letter(record, message)
                continue
            try:
                stop = await self._settle(record, message)
            except _Waits as found:
                waiting.add(_partition(record))
                held[_partition(record)] = HeldPartition(
                    _partition(record), record.offset, str(found), found.seconds, found.remedy
                )
                self._waiting.add(_partition(record))
                continue
            self._waiting.discard(_partition(record))
            if stop is not None:
                undone = dict(held)
                for later, _ in reversed(read[number:]):
                    if _partition(later) not in waiting:
                        undone[_partition(later)] = HeldPartition(_partition(later), later.offset)
                undone[stop.partition] = stop
                raise ConsumerStopped(f"{self.name}: {stop.why}", list(undone.values()))

    async def _settle(self, record: ConsumerRecord, message: Message) -> HeldPartition | None:
        """Handle the event, or those of its pieces that can be handled; the rest become dead letters. If too many events failed in a row,
        returns the offset and reason at which the consumer must stop. Raise _Waits."""
        error = await self._handle_alone(message)
        if error is None:
            self._failed_in_a_row.pop((record.topic, record.partition), None)
            return None
        pieces = message.pieces()
        if not pieces:
            await self._write_dead_letter(record, error)
            return self._stop(record, error, record.offset + 1)
        settled = await self._divide(message, pieces)
        for piece in pieces:
            if self._claim_of(piece) in settled or self._claim_of(piece) + DEAD in settled:
                continue
            error = await self._handle_alone(piece)
            if error is None:
                self._failed_in_a_row.pop((record.topic, record.partition), None)
                continue
            await self._write_dead_letter_of_piece(record, error, piece)
            if stop := self._stop(record, error, record.offset):
                return stop
        return None

    def _stop(self, record: ConsumerRecord, error: Exception, offset: int) -> HeldPartition | None:
        """Count one more failure. If there are too many in a row, return the offset from which the consumer is to resume."""
        where = (record.topic, record.partition)
        self._failed_in_a_row[where] += 1
        if self._failed_in_a_row[where] < STOP_AFTER:
            return None
        del self._failed_in_a_row[where]
        why = (
            f"{STOP_AFTER} events in a row failed in partition {record.partition} of {record.topic},"
            f" the last with {in_short(error)}"
        )
        return HeldPartition(_partition(record), offset, why)

    async def _divide(self, message: Message, pieces: Sequence[Message]) -> set[str]:
        """Store that the event is divided: each piece then has a claim of its own, and the whole event is not handled any more. Return the
        claims of the pieces that are handled or dead letters already."""

        async def divide() -> set[str]:
            async with self._transaction() as tx:
                await tx.claim([self._claim_of(message) + PIECE])
                return await tx.claimed([self._claim_of(piece) + end for piece in pieces for end in ("", DEAD)])

        return await there(f"PostgreSQL, for {self.name}", divide)

    async def _write_dead_letter_of_piece(self, record: ConsumerRecord, error: Exception, piece: Message) -> None:
        await self._write_dead_letter(record, error, piece)

        async def note() -> None:
            async with self._transaction() as tx:
                await tx.claim([self._claim_of(piece) + DEAD])

        await there(f"PostgreSQL, for {self.name}", note)

    def _claim_of(self, message: Message) -> str:
        return self._prefix + message.envelope.id

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Transaction]:
        async with (
            Deadline(LONGEST_TRANSACTION),
            self._database.transaction(self.service, limits=OF_A_CONSEQUENCE) as tx,
        ):
            yield tx

    async def _in_one_transaction(self, messages: list[Message], lock_timeout: str = "") -> None:
        async with self._transaction() as tx:
            if lock_timeout:
                await (await tx.raw()).execute(f"set local lock_timeout = '{lock_timeout}'")
            new = await self._claim_new(tx, messages)
            for call in calls(self._reactions, new):
                await react(self._reactions[type(call[0].event)], tx, call)
        metrics.EVENTS_HANDLED.labels(self._prefix + self.service).inc(len(new))

    async def _claim_new(self, tx: Transaction, messages: Sequence[Message]) -> list[Message]:
        """Claim the messages. Return those that were not claimed before, each once. Raise _Divided.

        A piece counts as handled if the whole event was handled: a former release sent a replayed piece to all services, also to those that
        had handled the whole event.
        """
        claims = [self._claim_of(message) for message in messages]
        fresh = await tx.claim(claims)
        pairs = list(zip(claims, messages, strict=True))
        if divisible := fresh & {claim for claim, message in pairs if message.divisible}:
            whole_of = {claim: claim.partition(PIECE)[0] for claim in divisible if PIECE in claim}
            divided = {claim + PIECE for claim in divisible if PIECE not in claim}
            known = await tx.claimed([*whole_of.values(), *divided])
            if divided & known:
                raise _Divided
            fresh -= {claim for claim, whole in whole_of.items() if whole in known}
        new = []
        for claim, message in pairs:
            if claim in fresh:
                fresh.discard(claim)
                new.append(message)
        return new

    async def _handle_alone(self, message: Message) -> Exception | None:
        """Handle one event in its own transaction. Return its error after the last retry. Raise _Waits."""
        claim, type_, away = self._claim_of(message), message.envelope.type, 0
        while True:
            try:
                await self._in_one_transaction([message], LOCK_PATIENCE)
                self._tries.pop(claim, None)
                return None
            except _Divided as error:
                return error
            except Exception as error:
                stop_if_cancelled()
                if is_locked(error):
                    raise _Waits(f"a row that {type_} needs is locked", remedy(error, "the partition")) from error
                if is_away(error):
                    away += 1
                    log.warning("%s waits: %s", self.name, in_short(error))
                    if away >= AWAY_TRIES and await self._is_there():
                        needs = f"{type_} needs a server that is not available: {in_short(error)}"
                        raise _Waits(needs, remedy(error, "the partition")) from error
                    await asyncio.sleep(PAUSE)
                    continue
                tries = self._tries.pop(claim, 0)
                if tries == len(RETRIES):
                    log.exception("%s could not handle %s %s", self.name, type_, message.envelope.id)
                    return error
                self._tries[claim] = tries + 1
                why = f"{type_} failed and is tried again: {in_short(error)}"
                raise _Waits(why, TRIED_AGAIN, RETRIES[tries]) from error

    async def _is_there(self) -> bool:
        """Whether the database can run a transaction now."""
        try:
            async with self._transaction() as tx:
                await tx.claimed([])
        except Exception as error:
            if not is_away(error):
                raise
            return False
        return True

    async def _write_dead_letter(self, record: ConsumerRecord, error: Exception, piece: Message | None = None) -> None:
        """Make the record, or that piece, a dead letter. Wait until Kafka has it: no failed event is skipped without one."""
        while True:
            try:
                await make_dead_letter(self._dead_letters, self.service, record, error, piece, view=self._view)
                self.dead_letters += 1
                return
            except Exception as away:
                if not is_away(away):
                    raise
                log.warning("%s cannot write a dead letter yet: %s", self.name, away)
                await asyncio.sleep(PAUSE)


def _portions(records: Iterable[ConsumerRecord]) -> list[list[ConsumerRecord]]:
    portions: list[list[ConsumerRecord]] = []
    size = PORTION_BYTES
    for record in records:
        if size >= PORTION_BYTES or len(portions[-1]) >= PORTION:
            portions.append([])
            size = 0
        portions[-1].append(record)
        size += len(record.value or b"")
    return portions


def _partition(record: ConsumerRecord) -> TopicPartition:
    return TopicPartition(record.topic, record.partition)
