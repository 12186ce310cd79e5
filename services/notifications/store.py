"""Rows of notifications. Digests hold what their letter is made from; ``mailed`` makes each opportunity once ever a member."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Column, DateTime, Index, Text, UniqueConstraint, delete, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlmodel import Field, col, select

from events.accounts import MemberJoined
from events.recommender import Recommendation, RecommendationsMade
from infra.database import Transaction, schema_rows
from infra.replicas import Organisations
from services.notifications.domain import Preferences
from services.notifications.letters import Digest

Row = schema_rows("notifications")

organisations = Organisations(Row.metadata)


class MemberRow(Row, table=True):
    """Supplier agents. ``next_at`` is the next digest's hour; ``stopped`` says why the address gets no mail any more."""

    __tablename__ = "members"
    __table_args__ = (Index("ix_members_due", "next_at", postgresql_where=text("stopped is null")),)

    member_id: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(sa_type=Text, index=True)
    name: str = Field(sa_type=Text)
    email: str = Field(sa_type=Text)
    language: str = Field(sa_type=Text)
    stopped: str | None = Field(default=None, sa_type=Text)
    period: str = Field(sa_type=Text)
    hour: int
    topics: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
    next_at: datetime = Field(sa_type=DateTime(timezone=True))


class RecommendationsRow(Row, table=True):
    __tablename__ = "recommendations"

    supplier_id: str = Field(primary_key=True, sa_type=Text)
    made_at: datetime = Field(sa_type=DateTime(timezone=True))
    items: list[dict[str, Any]] = Field(sa_column=Column(JSONB, nullable=False))


class DigestRow(Row, table=True):
    """``state`` is claimed, sending, sent; or refused (the address), failed (the letter, or given up), dropped (unsubscribed
    meanwhile). ``retry_at``: a sender that has not said by then what became of it is taken for dead."""

    __tablename__ = "digests"
    __table_args__ = (
        UniqueConstraint("member_id", "slot"),
        Index("ix_digests_waiting", "retry_at", postgresql_where=text("state in ('claimed', 'sending')")),
    )

    digest_id: str = Field(primary_key=True, sa_type=Text)
    member_id: str = Field(sa_type=Text)
    slot: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    claimed_at: datetime = Field(sa_type=DateTime(timezone=True))
    retry_at: datetime = Field(sa_type=DateTime(timezone=True))
    attempts: int = 0
    sent_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    trouble: str = Field(default="", sa_type=Text)


class MailedRow(Row, table=True):
    __tablename__ = "mailed"

    member_id: str = Field(primary_key=True, sa_type=Text)
    opportunity_id: str = Field(primary_key=True, sa_type=Text)
    digest_id: str = Field(sa_type=Text, index=True)


class Member(msgspec.Struct, frozen=True, kw_only=True):
    member_id: str
    organisation_id: str
    name: str
    email: str
    language: str
    stopped: str | None
    preferences: Preferences
    next_at: datetime


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A digest as its reader sees it in a list."""

    digest_id: str
    state: str
    items: int
    claimed_at: datetime
    sent_at: datetime | None
    trouble: str


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A digest in the hands of one sender. ``wanted`` is false when its reader unsubscribed since it was claimed."""

    digest: Digest
    number: int
    wanted: bool


async def member(tx: Transaction, member_id: str, *, lock: bool = False) -> Member | None:
    query = select(MemberRow).where(MemberRow.member_id == member_id)
    row = (await tx.session.exec(query.with_for_update() if lock else query)).one_or_none()
    return _member(row) if row else None


def _member(row: MemberRow) -> Member:
    preferences = Preferences(period=row.period, hour=row.hour, topics=tuple(row.topics))
    same = {name: getattr(row, name) for name in Member.__struct_fields__ if name != "preferences"}
    return Member(**same, preferences=preferences)


async def put_member(tx: Transaction, event: MemberJoined, preferences: Preferences, next_at: datetime) -> None:
    """Joined again: the particulars change and the preferences stay; a new address is not stopped."""
    values = {
        "member_id": event.member_id,
        "organisation_id": event.organisation_id,
        "name": event.name,
        "email": event.email,
        "language": event.language,
        **msgspec.structs.asdict(preferences),
        "topics": list(preferences.topics),
        "next_at": next_at,
    }
    statement = insert(MemberRow).values(values)
    fresh = statement.excluded
    changes = {name: fresh[name] for name in ("organisation_id", "name", "email", "language")}
    changes["stopped"] = text("case when members.email = excluded.email then members.stopped end")
    await tx.session.exec(statement.on_conflict_do_update(index_elements=["member_id"], set_=changes))


async def save_preferences(tx: Transaction, member_id: str, preferences: Preferences, next_at: datetime) -> None:
    values = {**msgspec.structs.asdict(preferences), "topics": list(preferences.topics), "next_at": next_at}
    await tx.session.exec(update(MemberRow).where(col(MemberRow.member_id) == member_id).values(values))


async def set_next(tx: Transaction, member_id: str, next_at: datetime) -> None:
    await tx.session.exec(update(MemberRow).where(col(MemberRow.member_id) == member_id).values(next_at=next_at))


async def set_stopped(tx: Transaction, member_id: str, why: str | None) -> None:
    await tx.session.exec(update(MemberRow).where(col(MemberRow.member_id) == member_id).values(stopped=why))


async def claim_due(tx: Transaction) -> Member | None:
    """One member whose hour has come, locked; those another process holds are passed over."""
    query = select(MemberRow).where(MemberRow.next_at <= tx.now, col(MemberRow.stopped).is_(None))
    row = (await tx.session.exec(query.order_by("next_at").limit(1).with_for_update(skip_locked=True))).one_or_none()
    return _member(row) if row else None


async def hasten(tx: Transaction, supplier_id: str) -> None:
    """The members of a supplier that never had a digest get one at once."""
    never = ~select(DigestRow).where(DigestRow.member_id == MemberRow.member_id).exists()
    where = (col(MemberRow.organisation_id) == supplier_id) & never
    await tx.session.exec(update(MemberRow).where(where).values(next_at=tx.now))


async def put_recommendations(tx: Transaction, event: RecommendationsMade) -> None:
    """The latest list replaces the former; one heard late changes nothing."""
    await (await tx.raw()).execute(
        "insert into notifications.recommendations as old (supplier_id, made_at, items) values ($1, $2, $3::text::jsonb)"
        " on conflict (supplier_id) do update set made_at = excluded.made_at, items = excluded.items"
        " where old.made_at < excluded.made_at",
        event.supplier_id,
        event.made_at,
        msgspec.json.encode(event.items).decode(),
    )


async def recommendations(tx: Transaction, supplier_id: str) -> list[Recommendation]:
    row = await tx.session.get(RecommendationsRow, supplier_id)
    return msgspec.convert(row.items, list[Recommendation]) if row else []


async def mailed(tx: Transaction, member_id: str) -> set[str]:
    """Ids of the opportunities this member had in a letter, or will have."""
    return set(await tx.session.exec(select(MailedRow.opportunity_id).where(MailedRow.member_id == member_id)))


async def add_digest(tx: Transaction, digest: Digest, slot: str) -> bool:
    """Claims the slot and the items; False if the slot is taken."""
    values = {
        "digest_id": digest.digest_id,
        "member_id": digest.member_id,
        "slot": slot,
        "state": "claimed",
        "body": msgspec.to_builtins(digest),
        "claimed_at": digest.claimed_at,
        "retry_at": digest.claimed_at,
        "attempts": 0,
        "trouble": "",
    }
    statement = insert(DigestRow).values(values).on_conflict_do_nothing(index_elements=["member_id", "slot"])
    if not (await tx.session.exec(statement)).rowcount:
        return False
    rows = [
        {"member_id": digest.member_id, "opportunity_id": item.opportunity_id, "digest_id": digest.digest_id}
        for item in digest.items
    ]
    await tx.session.exec(insert(MailedRow).values(rows))
    return True


async def claim_to_send(tx: Transaction, until: datetime) -> Attempt | None:
    """One digest that waits for a sender, taken until ``until``."""
    query = (
        select(DigestRow)
        .where(col(DigestRow.state).in_(("claimed", "sending")), DigestRow.retry_at <= tx.now)
        .order_by("retry_at")
        .limit(1)
    )
    row = (await tx.session.exec(query.with_for_update(skip_locked=True))).one_or_none()
    if row is None:
        return None
    row.state, row.retry_at, row.attempts = "sending", until, row.attempts + 1
    reader = await member(tx, row.member_id)
    wanted = reader is not None and reader.stopped is None and "digest" in reader.preferences.topics
    return Attempt(digest=msgspec.convert(row.body, Digest), number=row.attempts, wanted=wanted)


async def settle(tx: Transaction, digest_id: str, state: str, *, trouble: str = "") -> bool:
    """The end of a digest; False if it had ended before. What never went out may be mailed another time."""
    where = (col(DigestRow.digest_id) == digest_id) & (col(DigestRow.state) == "sending")
    values = {"state": state, "trouble": trouble, "sent_at": tx.now if state == "sent" else None}
    settled = bool((await tx.session.exec(update(DigestRow).where(where).values(values))).rowcount)
    if settled and state != "sent":
        await tx.session.exec(delete(MailedRow).where(col(MailedRow.digest_id) == digest_id))
    return settled


async def postpone(tx: Transaction, digest_id: str, retry_at: datetime, trouble: str) -> None:
    where = (col(DigestRow.digest_id) == digest_id) & (col(DigestRow.state) == "sending")
    await tx.session.exec(update(DigestRow).where(where).values(retry_at=retry_at, trouble=trouble))


async def latest(tx: Transaction, member_id: str, limit: int = 10) -> Sequence[Sent]:
    """Newest first."""
    query = select(DigestRow).where(DigestRow.member_id == member_id)
    rows = await tx.session.exec(query.order_by(col(DigestRow.claimed_at).desc()).limit(limit))
    fields = [name for name in Sent.__struct_fields__ if name != "items"]
    return [Sent(**{name: getattr(row, name) for name in fields}, items=len(row.body["items"])) for row in rows]
