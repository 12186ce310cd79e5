"""CloudEvents 1.0 attributes and their Kafka binary mode (attributes are ``ce_*`` headers, the value is the data)."""

from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

CONTENT_TYPE = "application/json"
Headers = list[tuple[str, bytes]]
Received = Iterable[tuple[str, bytes | None]]
"""Headers as Kafka returns them; one that another program sent may have no value."""


class MalformedEvent(ValueError):
    """The bytes are not an event of Lonja. A retry cannot help."""


class Envelope(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Attributes of one event.

    ``correlationid`` is shared by all events that follow from one request; ``causationid`` is the id of the event or
    request that directly caused this one; ``traceparent`` (W3C Trace Context) is set if traces are recorded. All three
    are CloudEvents extension attributes.
    """

    id: str
    type: str
    source: str
    subject: str
    time: datetime
    correlationid: str
    causationid: str
    traceparent: str = ""

    def headers(self) -> Headers:
        """Kafka headers in the order of the specification's examples, all UTF-8."""
        found = [
            ("ce_specversion", b"1.0"),
            ("ce_id", self.id.encode()),
            ("ce_type", self.type.encode()),
            ("ce_source", self.source.encode()),
            ("ce_subject", self.subject.encode()),
            ("ce_time", self.time.astimezone(UTC).isoformat().replace("+00:00", "Z").encode()),
            ("ce_correlationid", self.correlationid.encode()),
            ("ce_causationid", self.causationid.encode()),
            ("content-type", CONTENT_TYPE.encode()),
        ]
        if self.traceparent:
            found.append(("ce_traceparent", self.traceparent.encode()))
        return found

    @classmethod
    def from_headers(cls, headers: Received) -> "Envelope":
        """Read the attributes back; raise :class:`MalformedEvent` naming the attribute that is missing or wrong.

        Messages of other CloudEvents producers lack ``correlationid`` and ``causationid``: the chain then begins at the
        event itself.
        """
        try:
            found = {name.lower(): value.decode() for name, value in headers if value is not None}
        except UnicodeDecodeError as error:
            raise MalformedEvent(f"a header is not UTF-8: {error}") from error
        if found.get("ce_specversion") != "1.0":
            raise MalformedEvent(f"ce_specversion is {found.get('ce_specversion')!r}, expected '1.0'")
        missing = [name for name in ("ce_id", "ce_type", "ce_source", "ce_subject", "ce_time") if not found.get(name)]
        if missing:
            raise MalformedEvent(f"missing attributes: {', '.join(missing)}")
        try:
            time = datetime.fromisoformat(found["ce_time"])
        except ValueError as error:
            raise MalformedEvent(f"ce_time {found['ce_time']!r} is not RFC 3339") from error
        if time.tzinfo is None:
            raise MalformedEvent(f"ce_time {found['ce_time']!r} has no zone")
        return cls(
            id=found["ce_id"],
            type=found["ce_type"],
            source=found["ce_source"],
            subject=found["ce_subject"],
            time=time,
            correlationid=found.get("ce_correlationid") or found["ce_id"],
            causationid=found.get("ce_causationid") or found["ce_id"],
            traceparent=found.get("ce_traceparent", ""),
        )
