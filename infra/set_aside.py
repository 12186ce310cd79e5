"""Rows of outboxes that the relay set aside: which there are, and their second chance."""

from datetime import datetime

import asyncpg
import msgspec

from events.envelope import Envelope


class SetAside(msgspec.Struct, frozen=True, kw_only=True):
    """``position`` is the row's in the outbox of ``service``; ``size`` of its data in bytes."""

    service: str
    position: int
    type: str
    subject: str
    topic: str
    size: int
    reason: str
    set_aside_at: datetime


async def rows(db: asyncpg.Connection | asyncpg.Pool) -> list[SetAside]:
    """All of them, by service and position."""
    found: list[SetAside] = []
    for service in await _services(db):
        for row in await db.fetch(
            f"select position, envelope, topic, length(data) as size, set_aside_reason as reason, set_aside_at"
            f" from {service}.outbox where published_at is null and set_aside_at is not null order by position"
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
    """The relay takes it up at once, after whatever of its key was sent meanwhile."""
    await db.execute(
        f"with again as (update {row.service}.outbox set set_aside_at = null, set_aside_reason = null"
        " where position = $1 and published_at is null returning position)"
        f" select pg_notify('{row.service}_outbox', '') from again",
        row.position,
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
