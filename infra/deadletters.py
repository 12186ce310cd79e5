"""Dead letters: the message as it came, with the consumer that failed, the error, and the place of the message on Kafka."""

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
from events.topics import DEAD_LETTERS, FORMER
from infra import metrics
from infra.away import in_short
from infra.broker import access
from infra.producer import Producer

PREFIX = "lonja_"
REPLAYED = f"{PREFIX}replayed"
"""The header of a note in the same topic: the dead letter of that number was sent again."""
DISMISSED = f"{PREFIX}dismissed"
"""The header of the other kind of note: a person dismissed the dead letter of that number."""

LEFT_OUT = f"{PREFIX}left_out"
"""The header of a dead letter whose message was too large to copy: the message is only in its original topic."""
TO = f"{PREFIX}to"
"""The header of a message that was sent again: the one reader that it is for, as "service/" or "service/view". All other readers skip it:
each has handled the message, or has a dead letter of its own."""
ANY = "*"
"""Written instead of a view if the reader of the service that failed is not known: letters of former releases do not name it."""
LONGEST_NAME = 500


def is_for(service: str, view: str, headers: Received) -> bool:
    """Whether this reader is to handle the message. ``view`` is "" for the service itself. A letter of the service that did this
    service's work in the former release is for both: a reader that has handled the message passes over it."""
    readers = [value for name, value in headers if name == TO]
    if not readers:
        return True
    services = filter(None, (service, FORMER.get(service)))
    mine = {f"{each}/{reader}".encode() for each in services for reader in (view, ANY)}
    return mine.issuperset(readers)


def reader(service: str, view: str) -> str:
    """The reader that could not handle a message, for people: "contracts", the view "observatory/references", or "contracts/*" if the
    letter does not name the reader of the service. "" if it does not name the service either."""
    return f"{service}/{view}" if service and view else service


class MessagePlace(NamedTuple):
    """The place of a message on Kafka."""

    topic: str
    partition: int
    offset: int


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """``position`` is its offset in the dead letter topic, the number that ``lonja dead-letters show`` takes. ``replayed``: the
    message was sent again; if it failed again, there is another dead letter."""

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
        """Return whether the event happened before the instant. Return False if the message has no valid time, because no service
        can have handled it."""
        try:
            told = datetime.fromisoformat((dict(self.headers).get("ce_time") or b"").decode())
        except ValueError:
            return False
        return told.tzinfo is not None and told < instant

    @property
    def waits_for_a_newer_release(self) -> bool:
        """Its version needs a newer release: if it were sent again now, it would block its partition in every consumer again."""
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
    """Follows the topic of dead letters and knows the letters that nobody has settled. Its consumer is paused between reads: a fetch that
    waits for new records would delay every other request on its connection."""

    PARTITION = TopicPartition(DEAD_LETTERS, 0)
    SECONDS = 1.0
    """Seconds that one call reads at most. If the topic is long, each of the first calls reads a part of it."""

    def __init__(self, kafka: AIOKafkaConsumer) -> None:
        self._kafka = kafka
        self._kafka.pause(self.PARTITION)
        self._unsettled: dict[int, Unsettled] = {}
        self._known: list[Unsettled] = []

    async def unsettled(self, first: int, end: int) -> list[Unsettled]:
        """The unsettled letters from ``first`` on, oldest first, as known after the last call that reached the end of the topic (a note
        that is still unread may settle a letter)."""
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
    """The services' claims of this event may be deleted; a service that handled it would handle it twice."""

    code = "dead-letter-too-old"


class DeadLetterUnreadable(Exception):
    """This release cannot read the event; sent again, it would block its partition in every consumer."""

    code = "dead-letter-unreadable"


async def make_dead_letter(
    kafka: Producer,
    consumer: str,
    record: ConsumerRecord,
    error: BaseException,
    part: Message | None = None,
    *,
    view: str = "",
) -> None:
    """Write the record, or that ``part`` of its event, to the dead letter topic and wait for the acknowledgement; its offset is committed
    after that. ``view``: the view of the service ``consumer`` that failed, if it was a view."""
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
    metrics.DEAD_LETTERS_WRITTEN.labels(consumer).inc()


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
    """Send the message to its topic again, as it first came, for the reader that failed, and note that. A release that does not know the
    header TO hands it to all readers; those that handled it ignore the repeat, because all claims since ``since`` are kept. Raise TooOld
    for an event from before ``since``, and DeadLetterUnreadable."""
    if letter.happened_before(since):
        raise TooOld(
            f"dead letter {letter.position} is about an event from before {since:%Y-%m-%d}: services that handled it may have"
            " deleted their claims, and would handle it again. A view gets it by `lonja rebuild`"
        )
    if letter.waits_for_a_newer_release:
        raise DeadLetterUnreadable(
            f"dead letter {letter.position} is in a version of a newer release: it would block its partition in every consumer. Replay"
            " it with that release, or `lonja dead-letters dismiss` it"
        )
    first = (
        await record_at(kafka.bootstrap, MessagePlace(letter.topic, letter.partition, letter.offset))
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


async def record_at(bootstrap: str, place: MessagePlace) -> ConsumerRecord:
    """Return the message at this place. Raise NoSuchRecord."""
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


def named_by(headers: Received) -> MessagePlace:
    """The place that a record of the topic points to: for a note its dead letter, for a dead letter its original message."""
    settles = _settled_by(headers)
    if settles is not None:
        return MessagePlace(DEAD_LETTERS, 0, settles)
    found = dict(headers)
    topic = (found.get(PREFIX + "topic") or b"").decode(errors="replace")
    return MessagePlace(topic, _number(found.get(PREFIX + "partition")), _number(found.get(PREFIX + "offset")))


def naming(headers: Received, offset: int | None) -> list[tuple[str, bytes | None]] | None:
    """The headers rewritten after the record that they point to moved to ``offset``. With ``offset`` None that record is gone: a letter
    then points to nothing, and a note is dropped (the result is None)."""
    if offset is None and _settled_by(headers) is not None:
        return None
    number = b"" if offset is None else str(offset).encode()
    return [(name, number if name in (REPLAYED, DISMISSED, PREFIX + "offset") else value) for name, value in headers]


def _settled_by(headers: Received) -> int | None:
    """The number of the letter that a note with these headers settles. None if the record is a letter, or a note without a valid number
    (it is shown to people as a letter)."""
    found = dict(headers)
    number = _number(found.get(REPLAYED, found.get(DISMISSED)))
    return None if number < 0 else number


def _letter(record: ConsumerRecord) -> DeadLetter:
    """The dead letter in any record. A field that cannot be read is "" or -1: an error raised here would hide all other letters."""
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
    """-1 if the header is not a number."""
    return int(header) if header is not None and header.isdigit() and len(header) < 20 else -1
