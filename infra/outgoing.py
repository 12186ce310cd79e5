"""Events on their way into an outbox, and the limits that are checked when they are written."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

import asyncpg
import msgspec

from catalogue.rules import RuleBroken
from events.codec import Event, written
from events.envelope import Envelope
from infra.causality import Cause


class EventLimits(NamedTuple):
    """``bytes``: the most bytes of an event with its envelope; ``lengths``: whether its texts and lists are checked
    against the bounds of their types. Numbers are always checked."""

    bytes: int
    lengths: bool


OF_A_REQUEST = EventLimits(500_000, True)
"""The limits of an event that a request causes."""
OF_A_CONSEQUENCE = EventLimits(12_000_000, False)
"""The limits of an event that follows from earlier ones. It may be much larger than each of them (such as the result of
a pool with many members), and hold a text that the former release accepted: if it were refused, an accepted process
would stop. The topics take messages of this size: :data:`events.topics.LARGEST_MESSAGE`."""


class Outgoing(NamedTuple):
    """An event on its way into an outbox. ``envelope`` and ``data`` are JSON."""

    event_id: str
    topic: str
    envelope: str
    data: bytes


class EventTooLarge(RuleBroken):
    code = "event-too-large"


def outbox_row(
    service: str, event: Event, *, at: datetime, cause: Cause, event_id: str, limits: EventLimits = OF_A_CONSEQUENCE
) -> Outgoing:
    """Raise OutOfBounds, which names the field, and :class:`EventTooLarge`: an act whose event cannot be published
    must fail."""
    data = written(event, lengths=limits.lengths)
    return outgoing(service, type(event), event.subject, data, at=at, cause=cause, event_id=event_id, limits=limits)


def outgoing(
    service: str,
    kind: type[Event],
    subject: str,
    data: bytes,
    *,
    at: datetime,
    cause: Cause,
    event_id: str,
    limits: EventLimits = OF_A_CONSEQUENCE,
) -> Outgoing:
    """The same for an event that is encoded already and whose bounds were checked. Raise EventTooLarge."""
    envelope = Envelope(
        id=event_id,
        type=kind.TYPE,
        source=f"/{service}",
        subject=subject,
        time=at,
        correlationid=cause.correlationid,
        causationid=cause.causationid,
        traceparent=cause.traceparent,
    )
    row = Outgoing(event_id, kind.TOPIC, msgspec.json.encode(envelope).decode(), data)
    size = len(row.envelope) + len(row.data)
    if size > limits.bytes:
        raise EventTooLarge(
            f"That is too much for one event: {size} bytes, and at most {limits.bytes} are possible. Send less text or fewer lines.",
            size=size,
            most=limits.bytes,
        )
    return row


async def write_outbox(connection: asyncpg.Connection, service: str, rows: Iterable[Outgoing]) -> None:
    """Write all events of a transaction (at least one) and the NOTIFY that wakes the relay at the commit, in one round
    trip.

    An event whose id exists already is a repeat and is not changed.
    """
    await connection.execute(
        f"with written as (insert into {service}.outbox (event_id, topic, envelope, data)"
        " select * from unnest($1::text[], $2::text[], $3::text[], $4::bytea[]) on conflict (event_id) do nothing)"
        f" select pg_notify('{service}_outbox', '')",
        *(list(column) for column in zip(*rows, strict=True)),
    )
