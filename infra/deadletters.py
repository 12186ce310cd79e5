"""Dead letters: the message as it came, plus which consumer failed, why, and where it stood."""

import asyncio
import traceback
from collections.abc import AsyncIterator
from datetime import datetime
from typing import NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import MessageSizeTooLargeError
from aiokafka.structs import ConsumerRecord, TopicPartition

import infra.mended_aiokafka  # noqa: F401 - wherever aiokafka is used
from events.codec import Message, encode, is_newer
from events.envelope import Received
from events.topics import DEAD_LETTERS
from infra import metrics
from infra.away import in_short
from infra.broker import access
from infra.producer import Producer

PREFIX = "lonja_"
REPLAYED = f"{PREFIX}replayed"
"""The header of a note in the same topic: the dead letter of that number was sent again."""
DISMISSED = f"{PREFIX}dismissed"
"""As well: somebody looked at it, and it needs no second chance."""

LEFT_OUT = f"{PREFIX}left_out"
"""The header of a dead letter whose message is too large to stand in it: it stands in its own topic alone."""
TO = f"{PREFIX}to"
"""The header of a message that was sent again: the one reader that it is for, as "service/" or "service/view". All others pass over it:
each has the message in effect, or a dead letter of its own."""
ANY = "*"
"""In the place of the view: whichever reader of the service failed. Letters of former releases do not say."""
LONGEST_NAME = 500


def is_for(service: str, view: str, headers: Received) -> bool:
    """Whether this reader, with "" the service itself, is to take the message in."""
    return all(
        value in (f"{service}/{view}".encode(), f"{service}/{ANY}".encode()) for name, value in headers if name == TO
    )


def reader(service: str, view: str) -> str:
    """Who could not handle a message, for people: "contracts", the view "observatory/references", or "contracts/*" for a letter that does
    not say which reader of the service. "" for one that does not name the service either."""
    return f"{service}/{view}" if service and view else service


class Place(NamedTuple):
    """Of a message on Kafka."""

    topic: str
    partition: int
    offset: int


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """``position`` is its offset in the dead letter topic, the number ``lonja dead-letters show`` takes. ``replayed``: it was sent
    again since; where it failed again, that is a dead letter of its own."""

    position: int
    consumer: str
    topic: str
    partition: int
    offset: int
    type: str
    event_id: str
    view: str = ANY
    error: str
    traceback: str
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]
    replayed: bool = False
    dismissed: bool = False
    left_out: bool = False

    @property
    def settled(self) -> bool:
        return self.replayed or self.dismissed

    @property
    def reader(self) -> str:
        return reader(self.consumer, self.view)

    def happened_before(self, instant: datetime) -> bool:
        """False also where the message does not say when: nobody can have handled that."""
        try:
            told = datetime.fromisoformat((dict(self.headers).get("ce_time") or b"").decode())
        except ValueError:
            return False
        return told.tzinfo is not None and told < instant

    @property
    def waits_for_a_newer_release(self) -> bool:
        """A person set it aside: whoever heard of it again would wait before it again."""
        return is_newer(self.type)


class Unsettled(msgspec.Struct, frozen=True):
    """A dead letter that nobody replayed or dismissed, in short."""

    consumer: str
    type: str
    error: str
    view: str = ANY

    @property
    def reader(self) -> str:
        return reader(self.consumer, self.view)


class Follower:
    """Follows the topic with a consumer that has it assigned, and knows what nobody settled yet. The consumer rests between the looks:
    all else that is asked through its connection would wait for the broker to have something new to read."""

    PARTITION = TopicPartition(DEAD_LETTERS, 0)
    SECONDS = 1.0
    """For which one look reads, at most. Of a long topic the first looks read a part each."""

    def __init__(self, kafka: AIOKafkaConsumer) -> None:
        self._kafka = kafka
        self._kafka.pause(self.PARTITION)
        self._unsettled: dict[int, Unsettled] = {}
        self._known: list[Unsettled] = []

    async def unsettled(self, first: int, end: int) -> list[Unsettled]:
        """Of the letters between these offsets, oldest first, as of the last look that came to the end of the topic: what comes
        later may settle a letter."""
        until = asyncio.get_running_loop().time() + self.SECONDS
        while behind := await self._kafka.position(self.PARTITION) < end:
            self._kafka.resume(self.PARTITION)
            if asyncio.get_running_loop().time() > until:
                break
            for record in (await self._kafka.getmany(self.PARTITION, timeout_ms=100)).get(self.PARTITION, ()):
                self._take(record)
        self._kafka.pause(self.PARTITION)
        self._unsettled = {number: each for number, each in self._unsettled.items() if number >= first}
        if not behind:
            self._known = list(self._unsettled.values())
        return self._known

    def _take(self, record: ConsumerRecord) -> None:
        settles = _settled_by(record.headers)
        if settles is not None:
            self._unsettled.pop(settles, None)
        else:
            letter = _letter(record)
            self._unsettled[record.offset] = Unsettled(letter.consumer, letter.type, letter.error, letter.view)


class TooOld(Exception):
    """Who handled the event may have forgotten it, and would handle it again."""

    code = "dead-letter-too-old"


class Unreadable(Exception):
    """No part of this release can read the event, and all of it would wait before it."""

    code = "dead-letter-unreadable"


async def bury(
    kafka: Producer,
    consumer: str,
    record: ConsumerRecord,
    error: BaseException,
    part: Message | None = None,
    *,
    view: str = "",
) -> None:
    """Put the record, or that ``part`` of what it tells, into the dead letter topic, durably, before its offset is committed. ``view``:
    of the service ``consumer``, where one failed."""
    key, value, headers = encode(part.envelope, part.event) if part else (record.key, record.value, record.headers)
    facts = {
        "consumer": consumer,
        "view": view,
        "topic": record.topic,
        "partition": str(record.partition),
        "offset": str(record.offset),
        "error": in_short(error),
        "traceback": "".join(traceback.format_exception(error))[-8000:],
    }
    noted = [(PREFIX + name, fact.encode(errors="replace")) for name, fact in facts.items()]
    try:
        await kafka.send_and_wait(DEAD_LETTERS, key=key, value=value, headers=[*headers, *noted])
    except MessageSizeTooLargeError:
        named = [
            (name, (value or b"")[:LONGEST_NAME]) for name, value in record.headers if name in ("ce_type", "ce_id")
        ]
        key = (key or b"")[:LONGEST_NAME]
        await kafka.send_and_wait(DEAD_LETTERS, key=key, headers=[*named, *noted, (LEFT_OUT, b"")])
    metrics.EVENTS_BURIED.labels(consumer).inc()


async def read(bootstrap: str) -> AsyncIterator[DeadLetter]:
    """All dead letters from the first to the newest there is now."""
    kafka = AIOKafkaConsumer(DEAD_LETTERS, **access(bootstrap), auto_offset_reset="earliest", enable_auto_commit=False)
    letters: dict[int, DeadLetter] = {}
    try:
        await kafka.start()
        ends = await kafka.end_offsets(kafka.assignment())
        for partition, end in ends.items():
            while await kafka.position(partition) < end:
                for record in (await kafka.getmany(partition, timeout_ms=1000)).get(partition, ()):
                    settles = _settled_by(record.headers)
                    if settles is None:
                        letters[record.offset] = _letter(record)
                    elif letter := letters.get(settles):
                        change = {"replayed": True} if REPLAYED in dict(record.headers) else {"dismissed": True}
                        letters[settles] = msgspec.structs.replace(letter, **change)
    finally:
        await kafka.stop()
    for letter in letters.values():
        yield letter


async def replay(kafka: Producer, letter: DeadLetter, since: datetime) -> None:
    """Send the message to its topic again, as it first came, for the reader that failed, and note that. A release that knows no such
    address has all take it in; who did handle it ignores the repeat: all claims ``since`` then are there. Raises TooOld for an event
    from before, and Unreadable."""
    if letter.happened_before(since):
        raise TooOld(
            f"dead letter {letter.position} is about an event from before {since:%Y-%m-%d}: services that handled it may have"
            " forgotten that, and would handle it again. A view gets it by `lonja rebuild`"
        )
    if letter.waits_for_a_newer_release:
        raise Unreadable(
            f"dead letter {letter.position} is in a version of a newer release: whoever hears of it would wait before it again. Replay it"
            " with that release, or `lonja dead-letters dismiss` it"
        )
    first = (
        await record_at(kafka.bootstrap, Place(letter.topic, letter.partition, letter.offset))
        if letter.left_out
        else letter
    )
    headers = [(name, value) for name, value in first.headers if name != TO]
    if letter.consumer:
        headers.append((TO, f"{letter.consumer}/{letter.view}".encode()))
    await kafka.send_and_wait(letter.topic, key=first.key, value=first.value, headers=headers)
    await kafka.send_and_wait(DEAD_LETTERS, key=letter.key or b"", headers=[(REPLAYED, str(letter.position).encode())])


class NoSuchRecord(LookupError):
    """Kafka has no message in that place."""

    code = "no-such-record"


async def record_at(bootstrap: str, place: Place) -> ConsumerRecord:
    """Raises NoSuchRecord."""
    missing = NoSuchRecord(f"there is no message {place.offset} in partition {place.partition} of {place.topic}")
    admin = AIOKafkaAdminClient(**access(bootstrap))
    kafka = AIOKafkaConsumer(**access(bootstrap), enable_auto_commit=False)
    where = TopicPartition(place.topic, place.partition)
    try:
        await admin.start()
        described = await admin.describe_topics([place.topic])
        if place.partition not in {each["partition"] for row in described for each in row["partitions"]}:
            raise missing
        await kafka.start()
        kafka.assign([where])
        first, end = await kafka.beginning_offsets([where]), await kafka.end_offsets([where])
        if not first[where] <= place.offset < end[where]:
            raise missing
        kafka.seek(where, place.offset)
        return await kafka.getone(where)
    finally:
        await admin.close()
        await kafka.stop()


async def dismiss(kafka: Producer, letter: DeadLetter) -> None:
    """Note that somebody looked at it. The letter itself stays, and can still be replayed."""
    await kafka.send_and_wait(DEAD_LETTERS, key=letter.key or b"", headers=[(DISMISSED, str(letter.position).encode())])


def named_by(headers: Received) -> Place:
    """What a record of the dead letters names by its number: a note its letter, a letter its message."""
    settles = _settled_by(headers)
    if settles is not None:
        return Place(DEAD_LETTERS, 0, settles)
    found = dict(headers)
    topic = (found.get(PREFIX + "topic") or b"").decode(errors="replace")
    return Place(topic, _number(found.get(PREFIX + "partition")), _number(found.get(PREFIX + "offset")))


def naming(headers: Received, offset: int | None) -> list[tuple[str, bytes | None]] | None:
    """The headers where what they name has this offset now. None: it is gone. A letter then names nothing; of a note nothing is left."""
    if offset is None and _settled_by(headers) is not None:
        return None
    number = b"" if offset is None else str(offset).encode()
    return [(name, number if name in (REPLAYED, DISMISSED, PREFIX + "offset") else value) for name, value in headers]


def _settled_by(headers: Received) -> int | None:
    """The number of the letter that a note with these headers settles. None: it is a letter itself, or a note that names none, which is
    shown to people as a letter."""
    found = dict(headers)
    number = _number(found.get(REPLAYED, found.get(DISMISSED)))
    return None if number < 0 else number


def _letter(record: ConsumerRecord) -> DeadLetter:
    """Of any record: what cannot be read of it is "" or -1. One that raised here would hide all others."""
    headers = dict(record.headers)

    def fact(name: str, otherwise: bytes = b"") -> str:
        return (headers.get(name) or otherwise).decode(errors="replace")

    return DeadLetter(
        position=record.offset,
        consumer=fact(f"{PREFIX}consumer"),
        view=fact(f"{PREFIX}view", ANY.encode()) if headers.get(f"{PREFIX}view") != b"" else "",
        topic=fact(f"{PREFIX}topic"),
        partition=_number(headers.get(PREFIX + "partition")),
        offset=_number(headers.get(PREFIX + "offset")),
        type=fact("ce_type", b"?"),
        event_id=fact("ce_id", b"?"),
        error=fact(f"{PREFIX}error"),
        traceback=fact(f"{PREFIX}traceback"),
        key=record.key,
        value=record.value,
        headers=[(name, value) for name, value in record.headers if not name.startswith(PREFIX)],
        left_out=LEFT_OUT in headers,
    )


def _number(header: bytes | None) -> int:
    """-1 where it is none."""
    return int(header) if header is not None and header.isdigit() and len(header) < 20 else -1
