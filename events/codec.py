"""Encode and decode events: a registry of versions, and one-step upcasting to the newest."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import ClassVar, TypeVar

import msgspec

from events.bounds import check_event, check_numbers
from events.envelope import Envelope, Headers, MalformedEvent, Received


class UnknownEvent(MalformedEvent):
    """No type of that name was ever registered here, nor can a later version of it be meant."""


class UnknownVersion(Exception):
    """A later version of an event than this program knows: a newer release published it, and can read it."""


class Event(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all events: what happened, in the past tense. Unknown fields are ignored, so fields may be added."""

    TYPE: ClassVar[str] = ""
    TOPIC: ClassVar[str] = ""
    KEY: ClassVar[str] = ""
    VERSION: ClassVar[int] = 1

    @property
    def subject(self) -> str:
        """Id of the thing it happened to: Kafka key and CloudEvents subject."""
        return str(getattr(self, self.KEY))

    def upcast(self) -> "Event":
        """The same fact in the next version. The newest version returns itself."""
        return self

    def parts(self) -> "tuple[Event, ...]":
        """What it tells, in events of the same kind that can be handled one by one. Empty: it tells one thing."""
        return ()


class Message(msgspec.Struct, frozen=True, gc=False):
    """An event with its envelope, as a handler receives it."""

    envelope: Envelope
    event: Event

    @property
    def divisible(self) -> bool:
        """Whether events of this kind may have parts."""
        return type(self.event).parts is not Event.parts

    def parts(self) -> "list[Message]":
        """What can be handled by itself, each with an id of its own: that of the whole, and its number. Empty: it is one thing."""
        parts = self.event.parts()
        if len(parts) < 2:
            return []
        return [
            Message(
                msgspec.structs.replace(self.envelope, id=f"{self.envelope.id}{PART}{number}", type=part.TYPE), part
            )
            for number, part in enumerate(parts)
        ]


PART = "#"
"""Stands in the id of a part before its number, and in no other id."""
E = TypeVar("E", bound=type[Event])
_registry: dict[str, type[Event]] = {}


def event(*, key: str, version: int = 1) -> Callable[[E], E]:
    """Register an event class. Its topic is named after the service's module or package here, its type
    ``lonja.<topic>.<Class>.v<version>``.

    A class of an older version is named ``<Class>V<version>``, so that the plain name is always the newest.
    """

    def register(cls: E) -> E:
        if key not in cls.__struct_fields__:
            raise TypeError(f"{cls.__name__} has no field {key!r} to be its key")
        topic = cls.__module__.split(".")[1]
        name = cls.__name__.removesuffix(f"V{version}")
        cls.TOPIC, cls.KEY, cls.VERSION = f"lonja.{topic}", key, version
        cls.TYPE = f"lonja.{topic}.{name}.v{version}"
        if cls.TYPE in _registry:
            raise TypeError(f"{cls.TYPE} is registered twice")
        _registry[cls.TYPE] = cls
        return cls

    return register


def registry() -> dict[str, type[Event]]:
    """All event classes by type, every version."""
    return dict(_registry)


def encode(envelope: Envelope, event: Event) -> tuple[bytes, bytes, Headers]:
    """Kafka key, value and headers."""
    return envelope.subject.encode(), written(event), envelope.headers()


def written(event: Event, *, lengths: bool = False) -> bytes:
    """The event's data as JSON, which every consumer can read. Raises OutOfBounds for a number that no rule can compute with: what was
    published so would be a dead letter everywhere. With ``lengths`` its texts and lists are held against their bounds, too."""
    data = msgspec.json.encode(event)
    check = check_event if lengths else check_numbers
    check(event, type(event))
    return data


def kind_of(type_: str) -> str:
    """What all versions of a type share: ``lonja.<topic>.<Class>``."""
    return type_.rpartition(".v")[0]


def type_in(headers: Received) -> str | None:
    """The event type, without looking at anything else of the message. None where the header is missing or no text."""
    for name, value in headers:
        if name.lower() == "ce_type" and value is not None:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None


REMEMBERED, REMEMBERED_BYTES = 5_000, 8_000
"""So many messages, of at most so many bytes: the consumers of a process's services read the same ones within seconds of each other."""
REMEMBERED_LARGE, REMEMBERED_LARGE_BYTES = 32, 500_000
"""And so many larger ones."""


def decode(value: bytes | None, headers: Received) -> Message:
    """Read one Kafka message, upcast to the newest version. Raises :class:`UnknownVersion`, and :class:`MalformedEvent` (or its
    :class:`UnknownEvent`) for whatever else is wrong with the bytes: another error would stop everybody who reads the topic."""
    size = len(value or b"")
    read = _read_once if size <= REMEMBERED_BYTES else _read_large_once if size <= REMEMBERED_LARGE_BYTES else _read
    return read(value or b"", tuple(headers))


def _read(value: bytes, headers: tuple[tuple[str, bytes | None], ...]) -> Message:
    envelope = Envelope.from_headers(headers)
    cls = _registry.get(envelope.type) or _unknown(envelope.type)
    try:
        decoded = _decoder(cls).decode(value)
        check_numbers(decoded, cls)
        while (newer := decoded.upcast()) is not decoded:
            decoded = newer
    except MemoryError:
        raise  # of the machine, not of the bytes
    except Exception as error:
        raise MalformedEvent(f"{envelope.type}: {error}") from error
    return Message(envelope, decoded)


@cache
def _decoder(cls: type[Event]) -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(cls)


_read_once = lru_cache(maxsize=REMEMBERED)(_read)
_read_large_once = lru_cache(maxsize=REMEMBERED_LARGE)(_read)


def is_newer(type_: str) -> bool:
    """Whether it is a version that a newer release may read, and this one does not."""
    try:
        _ = _registry.get(type_) or _unknown(type_)
    except UnknownVersion:
        return True
    except UnknownEvent:
        pass
    return False


def _unknown(type_: str) -> type[Event]:
    kind, _, version = type_.rpartition(".v")
    known = [cls.VERSION for cls in _registry.values() if kind_of(cls.TYPE) == kind]
    if known and version.isdecimal() and int(version[:9]) > max(known):
        raise UnknownVersion(f"{kind} is known here up to version {max(known)}, and this is version {version}")
    raise UnknownEvent(f"no event {type_!r} in the registry")
