"""Outbox rows that the relay set aside: to list them, to send them again, or to dismiss them.

A dismissed row also has ``published_at``, like every row that is done, so that neither this release nor a former one
counts or sends it; in a row with ``set_aside_at`` it is the time of the dismissal. Such a row is never pruned.
"""

from datetime import datetime

import asyncpg
import msgspec

from events.envelope import Envelope

SETTLE = (
    "see `lonja outbox list`; correct the cause that the reason names, then `lonja outbox resend`;"
    " if nothing can correct it, `lonja outbox dismiss`"
)


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """``position`` is that of the row in the outbox of ``service``; ``size`` is that of its data in bytes. The
    ``reason`` of a dismissed row ends with why it was dismissed."""

    service: str
    position: int
    type: str
    subject: str
    topic: str
    size: int
    reason: str
    set_aside_at: datetime
    dismissed_at: datetime | None


async def rows(db: asyncpg.Connection | asyncpg.Pool) -> list[SetAside]:
    """All of them, including dismissed ones, by service and position."""
    found: list[SetAside] = []
    for service in await _services(db):
        for row in await db.fetch(
            f"select position, envelope, topic, length(data) as size, set_aside_reason as reason, set_aside_at,"
            f" published_at as dismissed_at from {service}.outbox where set_aside_at is not null order by position"
        ):
            facts = dict(row)
            try:
                envelope = msgspec.json.decode(facts.pop("envelope"), type=Envelope)
                type_, subject = envelope.type, envelope.subject
            except msgspec.DecodeError:
                type_ = subject = "(not readable)"
            found.append(SetAside(service=service, type=type_, subject=subject, **facts))
    return found


async def send_again(db: asyncpg.Connection | asyncpg.Pool, row: SetAside) -> None:
    """The relay sends the row at once; later events of its key may have been sent before. A dismissed row is sent
    too."""
    await db.execute(
        f"with again as (update {row.service}.outbox set published_at = null, set_aside_at = null, set_aside_reason = null"
        " where position = $1 and set_aside_at is not null returning position)"
        f" select pg_notify('{row.service}_outbox', '') from again",
        row.position,
    )


async def dismiss(db: asyncpg.Connection | asyncpg.Pool, row: SetAside, why: str) -> None:
    """Mark the row as dismissed, with ``why`` added to its reason. A row that was dismissed before, or sent, is not
    changed."""
    await db.execute(
        f"update {row.service}.outbox set published_at = clock_timestamp(),"
        " set_aside_reason = concat_ws('; ', set_aside_reason, 'dismissed: ' || $2::text)"
        " where position = $1 and published_at is null and set_aside_at is not null",
        row.position,
        why,
    )


async def data_of(db: asyncpg.Connection | asyncpg.Pool, row: SetAside) -> bytes:
    found: bytes = await db.fetchval(f"select data from {row.service}.outbox where position = $1", row.position)
    return found


async def _services(db: asyncpg.Connection | asyncpg.Pool) -> list[str]:
    found = await db.fetch(
        "select table_schema from information_schema.columns where table_name = 'outbox' and column_name = 'set_aside_at'"
        " order by 1"
    )
    return [row["table_schema"] for row in found]
