"""Rows of notifications. Letters contain the data that they are made from; ``mailed`` ensures that each member gets an
opportunity only once. SQL is written by hand here for JSON."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Column, DateTime, Index, SmallInteger, Text, UniqueConstraint, text, update
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, insert
from sqlmodel import Field, SQLModel, col, select

from events.accounts import MemberJoined
from events.contracts import ContractDrafted
from events.recommender import Recommendation, RecommendationsMade
from infra.database import Transaction, among, columns, not_among, schema_of
from infra.reading import listed, read_one
from infra.service import Prune
from services.market.replicas import OrganisationReplicas
from services.notifications.domain import Preferences
from services.notifications.letters import Letter


class Row(SQLModel, registry=schema_of("notifications")):
    """Base of the rows of this schema."""


organisations = OrganisationReplicas(Row.metadata)

WAITING = "state in ('claimed', 'sending')"
"""Letters whose result is not known yet."""
QUEUED = f"turn is not null and {WAITING}"
PUT_OFF = f"turn is null and {WAITING}"
UNTOLD = "state = 'claimed' and attempts = 0 and within is null"


class MemberRow(Row, table=True):
    """Supplier agents and buyer officers. ``next_at`` is the time of a supplier agent's next digest; ``stopped`` says
    why the address gets no mail any more."""

    __tablename__ = "members"
    __table_args__ = (Index("ix_members_due", "next_at", postgresql_where=text("stopped is null")),)

    member_id: str = Field(primary_key=True, sa_type=Text)
    organisation_id: str = Field(sa_type=Text, index=True)
    name: str = Field(sa_type=Text)
    email: str = Field(sa_type=Text)
    language: str = Field(sa_type=Text)
    roles: list[str] = Field(sa_column=Column(ARRAY(Text), nullable=False))
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


class ContractRow(Row, table=True):
    """A contract that is being signed."""

    __tablename__ = "contracts"

    contract_id: str = Field(primary_key=True, sa_type=Text)
    title: str = Field(sa_type=Text)
    buyer_id: str = Field(sa_type=Text)
    buyer_name: str = Field(sa_type=Text)
    supplier_id: str = Field(sa_type=Text)
    supplier_name: str = Field(sa_type=Text)


class LetterRow(Row, table=True):
    """``state`` is claimed, sending, sent; or refused (the address), failed (the letter, or given up), dropped (the
    reader unsubscribed, or the duty was done meanwhile). ``retry_at``: a sender that has not reported a result by then
    counts as dead. ``about`` is the page of a duty, "" for a digest or a list; ``moot``: the duty was done meanwhile.
    ``kind`` of the duty, ``cause`` (the organisation whose act it follows from) and ``urgency`` determine the order:
    see :mod:`services.notifications.store.queue`. ``turn`` is its place in the queue, None while it must not be sent;
    ``within`` is the list that replaces it. ``handed``: a sender may have given it to the mail server, with or without
    an answer."""

    __tablename__ = "letters"
    __table_args__ = (
        UniqueConstraint("member_id", "slot"),
        Index("ix_letters_waiting", "retry_at", postgresql_where=text(WAITING)),
        Index("ix_letters_about", "about", postgresql_where=text(WAITING)),
        Index("ix_letters_queue", "urgency", "turn", postgresql_where=text(QUEUED)),
        Index("ix_letters_of_a_cause", "urgency", "cause", "turn", postgresql_where=text(QUEUED)),
        Index("ix_letters_put_off", "retry_at", postgresql_where=text(PUT_OFF)),
        Index("ix_letters_alike", "member_id", "kind", "claimed_at", postgresql_where=text(UNTOLD)),
        Index("ix_letters_within", "within", postgresql_where=text("within is not null")),
        Index("ix_letters_latest", "member_id", "claimed_at", postgresql_where=text("within is null")),
    )

    letter_id: str = Field(primary_key=True, sa_type=Text)
    topic: str = Field(sa_type=Text)
    about: str = Field(sa_type=Text)
    moot: bool = False
    member_id: str = Field(sa_type=Text)
    slot: str = Field(sa_type=Text)
    state: str = Field(sa_type=Text)
    body: dict[str, Any] = Field(sa_column=Column(JSONB, nullable=False))
    claimed_at: datetime = Field(sa_type=DateTime(timezone=True))
    retry_at: datetime = Field(sa_type=DateTime(timezone=True))
    attempts: int = 0
    sent_at: datetime | None = Field(default=None, sa_type=DateTime(timezone=True))
    trouble: str = Field(default="", sa_type=Text)
    kind: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    cause: str = Field(default="", sa_type=Text, sa_column_kwargs={"server_default": ""})
    urgency: int = Field(default=1, sa_type=SmallInteger, sa_column_kwargs={"server_default": text("1")})
    turn: int | None = Field(default=None, sa_type=BigInteger)
    within: str | None = Field(default=None, sa_type=Text)
    handed: bool = Field(default=False, sa_column_kwargs={"server_default": text("false")})


class LatelyRow(Row, table=True):
    """How many letters of a kind a reader got since ``since``: after some of them, the next ones are gathered."""

    __tablename__ = "lately"

    member_id: str = Field(primary_key=True, sa_type=Text)
    kind: str = Field(primary_key=True, sa_type=Text)
    since: datetime = Field(sa_type=DateTime(timezone=True))
    letters: int


class MailedRow(Row, table=True):
    __tablename__ = "mailed"

    member_id: str = Field(primary_key=True, sa_type=Text)
    opportunity_id: str = Field(primary_key=True, sa_type=Text)
    letter_id: str = Field(sa_type=Text, index=True)


class LetterMember(msgspec.Struct, frozen=True, kw_only=True):
    member_id: str
    organisation_id: str
    name: str
    email: str
    language: str
    roles: tuple[str, ...]
    stopped: str | None
    preferences: Preferences
    next_at: datetime


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """A letter in the list that its reader sees; ``says`` is its subject, in the ``language`` of the letter."""

    letter_id: str
    topic: str
    state: str
    says: str
    language: str
    claimed_at: datetime
    sent_at: datetime | None
    trouble: str


async def member(tx: Transaction, member_id: str, *, lock: bool = False) -> LetterMember | None:
    query = select(MemberRow).where(MemberRow.member_id == member_id)
    row = (await tx.session.exec(query.with_for_update() if lock else query)).one_or_none()
    return _member(row) if row else None


def _member(row: MemberRow) -> LetterMember:
    preferences = Preferences(period=row.period, hour=row.hour, topics=tuple(row.topics))
    same = {name: getattr(row, name) for name in LetterMember.__struct_fields__ if name not in ("preferences", "roles")}
    return LetterMember(**same, roles=tuple(row.roles), preferences=preferences)


class LetterReader(msgspec.Struct, frozen=True, kw_only=True):
    """A reader of letters about duties of an organisation."""

    member_id: str
    name: str
    email: str
    language: str


async def readers_of(
    tx: Transaction, sides: Collection[tuple[str, str]], topic: str, most: int
) -> dict[tuple[str, str], list[LetterReader]]:
    """The first ``most`` members, by (organisation, role), who have the role, want letters of the topic and can get
    mail."""
    if not sides:
        return {}
    rows = await (await tx.raw()).fetch(
        "select side.organisation_id, side.role, reader.* from unnest($1::text[], $2::text[]) as side (organisation_id, role)"
        " cross join lateral (select member_id, name, email, language from notifications.members one"
        " where one.organisation_id = side.organisation_id and one.roles @> array[side.role] and one.topics @> array[$3::text]"
        " and one.stopped is null order by member_id limit $4) reader order by reader.member_id",
        *columns(sides),
        topic,
        most,
    )
    found: dict[tuple[str, str], list[LetterReader]] = {}
    for row in rows:
        reader = LetterReader(**{name: row[name] for name in LetterReader.__struct_fields__})
        found.setdefault((row["organisation_id"], row["role"]), []).append(reader)
    return found


async def put_member(tx: Transaction, event: MemberJoined, preferences: Preferences, next_at: datetime) -> None:
    """Store a member. If it joined before, its data change and its preferences stay; a new address is not stopped."""
    values = {
        "member_id": event.member_id,
        "organisation_id": event.organisation_id,
        "name": event.name,
        "email": event.email,
        "language": event.language,
        "roles": list(event.roles),
        **msgspec.structs.asdict(preferences),
        "topics": list(preferences.topics),
        "next_at": next_at,
    }
    statement = insert(MemberRow).values(values)
    fresh = statement.excluded
    changes: dict[str, Any] = {name: fresh[name] for name in ("organisation_id", "name", "email", "language", "roles")}
    changes["stopped"] = text("case when members.email = excluded.email then members.stopped end")
    await tx.session.exec(statement.on_conflict_do_update(index_elements=["member_id"], set_=changes))


async def save_preferences(tx: Transaction, member_id: str, preferences: Preferences, next_at: datetime) -> None:
    values = {**msgspec.structs.asdict(preferences), "topics": list(preferences.topics), "next_at": next_at}
    await tx.session.exec(update(MemberRow).where(col(MemberRow.member_id) == member_id).values(values))


async def set_next(tx: Transaction, member_id: str, next_at: datetime) -> None:
    await tx.session.exec(update(MemberRow).where(col(MemberRow.member_id) == member_id).values(next_at=next_at))


async def set_stopped(tx: Transaction, member_id: str, why: str | None) -> None:
    await tx.session.exec(update(MemberRow).where(col(MemberRow.member_id) == member_id).values(stopped=why))


async def lock_due(tx: Transaction, limit: int, but: Sequence[str] = ()) -> list[LetterMember]:
    """Lock and return members whose digest is due; those that another process has locked are skipped."""
    query = select(MemberRow).where(
        MemberRow.next_at <= tx.now, col(MemberRow.stopped).is_(None), not_among(MemberRow.member_id, but)
    )
    rows = await tx.session.exec(query.order_by("next_at").limit(limit).with_for_update(skip_locked=True))
    return [_member(row) for row in rows]


async def hasten(tx: Transaction, supplier_id: str) -> None:
    """Let members of a supplier that never got a digest get one at once."""
    had = (col(LetterRow.member_id) == MemberRow.member_id) & (col(LetterRow.topic) == "digest")
    never = ~select(LetterRow).where(had).exists()
    where = (col(MemberRow.organisation_id) == supplier_id) & never
    await tx.session.exec(update(MemberRow).where(where).values(next_at=tx.now))


async def put_recommendations(tx: Transaction, event: RecommendationsMade) -> None:
    """Store a list. It replaces the former one; an older list that comes late changes nothing."""
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
    return read_one("notifications.recommendations", supplier_id, _items, row) if row else []


def _items(row: RecommendationsRow) -> list[Recommendation]:
    return msgspec.convert(row.items, list[Recommendation])


async def mailed(tx: Transaction, member_id: str) -> set[str]:
    """Ids of the opportunities in letters that this member got or will get."""
    return set(await tx.session.exec(select(MailedRow.opportunity_id).where(MailedRow.member_id == member_id)))


async def latest(tx: Transaction, member_id: str, limit: int = 10) -> Sequence[Sent]:
    """The latest letters, newest first; a list instead of the letters that it replaces."""
    query = select(LetterRow).where(LetterRow.member_id == member_id, col(LetterRow.within).is_(None))
    rows = await tx.session.exec(query.order_by(col(LetterRow.claimed_at).desc()).limit(limit))
    return listed("letter", rows, lambda row: row.letter_id, _sent)


def _sent(row: LetterRow) -> Sent:
    letter = msgspec.convert(row.body, Letter)
    same = {name: getattr(row, name) for name in Sent.__struct_fields__ if name not in ("says", "language")}
    return Sent(**same, says=letter.says, language=letter.language)


async def put_contracts(tx: Transaction, events: Sequence[ContractDrafted]) -> None:
    names = list(ContractRow.model_fields)
    rows = {event.contract_id: [getattr(event, name) for name in names] for event in reversed(events)}
    await (await tx.raw()).execute(
        f"insert into notifications.contracts ({', '.join(names)})"
        f" select * from unnest({', '.join(f'${number}::text[]' for number in range(1, len(names) + 1))})"
        " on conflict (contract_id) do nothing",
        *columns(rows.values()),
    )


async def contracts(tx: Transaction, contract_ids: Iterable[str]) -> dict[str, ContractRow]:
    """The contracts among these that are known."""
    rows = await tx.session.exec(select(ContractRow).where(among(ContractRow.contract_id, contract_ids)))
    return {row.contract_id: row for row in rows}


PRUNES = (
    Prune("lately", "since < now() - interval '1 day'"),
    Prune(
        "letters",
        "state not in ('claimed', 'sending') and claimed_at < now() - $3::interval",
        lambda keep: timedelta(days=keep.letters_days),
    ),
    # An opportunity is mailed once: the row is kept until the letter is deleted and no list has the opportunity any
    # more.
    Prune(
        "mailed",
        "not exists (select from notifications.letters one where one.letter_id = mailed.letter_id) and not exists ("
        " select from notifications.members reader join notifications.recommendations made"
        " on made.supplier_id = reader.organisation_id where reader.member_id = mailed.member_id"
        " and made.items @> jsonb_build_array(jsonb_build_object('opportunity_id', mailed.opportunity_id)))",
    ),
)
