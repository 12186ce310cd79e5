"""Encode and decode events: a registry of versions, and one-step upcasting to the newest."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import ClassVar, TypeVar

import msgspec

from events.bounds import check_event, check_numbers
from events.envelope import Envelope, Headers, MalformedEvent, Received


class UnknownEvent(MalformedEvent):
    """No event type of this name is registered, and it is not a later version of a registered one."""


class UnknownVersion(Exception):
    """A later version of an event type than this program knows: a newer release published it, and can read it."""


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

    def pieces(self) -> "tuple[Event, ...]":
        """The event split into independent events of the same type; empty if it cannot be split."""
        return ()


class Message(msgspec.Struct, frozen=True, gc=False):
    """An event with its envelope, as a handler receives it."""

    envelope: Envelope
    event: Event

    @property
    def divisible(self) -> bool:
        """Whether events of this type may have pieces."""
        return type(self.event).pieces is not Event.pieces

    def pieces(self) -> "list[Message]":
        """The pieces of the event as messages; the id of each is that of the whole event and the number of the piece. Empty if it has no
        pieces."""
        pieces = self.event.pieces()
        if len(pieces) < 2:
            return []
        return [
            Message(
                msgspec.structs.replace(self.envelope, id=f"{self.envelope.id}{PIECE}{number}", type=piece.TYPE), piece
            )
            for number, piece in enumerate(pieces)
        ]


PIECE = "#"
"""Separates the number of a piece from the id of the whole event; no other id contains it."""
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
    """The event's data as JSON, which every consumer can read. Raise OutOfBounds for a number that no rule can compute with: such an
    event would become a dead letter everywhere. With ``lengths`` the lengths of its texts and lists are checked, too."""
    data = msgspec.json.encode(event)
    check = check_event if lengths else check_numbers
    check(event, type(event))
    return data


def kind_of(type_: str) -> str:
    """The common beginning of all versions of a type: ``lonja.<topic>.<Class>``."""
    return type_.rpartition(".v")[0]


def type_in(headers: Received) -> str | None:
    """The event type, without reading the rest of the message. None if the header is missing or not UTF-8."""
    for name, value in headers:
        if name.lower() == "ce_type" and value is not None:
            try:
                return value.decode()
            except UnicodeDecodeError:
                return None
    return None


REMEMBERED, REMEMBERED_BYTES = 5_000, 8_000
"""Decode cache: at most REMEMBERED messages of at most REMEMBERED_BYTES each, because the consumers of a process read the same messages
within seconds of each other."""
REMEMBERED_LARGE, REMEMBERED_LARGE_BYTES = 32, 500_000
"""A second decode cache, for larger messages."""


def decode(value: bytes | None, headers: Received) -> Message:
    """Read one Kafka message, upcast to the newest version. Raise :class:`UnknownVersion`, and :class:`MalformedEvent` (or its
    :class:`UnknownEvent`) for any other fault of the bytes: another error would stop every reader of the topic."""
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
    """Whether it is a later version of a registered type: a newer release may read it, and this one cannot."""
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
