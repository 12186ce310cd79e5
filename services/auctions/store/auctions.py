"""Auctions: stored once at the opening, then only their small state is rewritten, under the row lock.

A hot path, written by hand and not with :mod:`infra.states`: bids of many auctions are decided and written at once, by one call of the
database on a connection of the lane's own, which is why the functions here take the connection.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import NamedTuple

import asyncpg
import msgspec
from msgspec.structs import asdict, replace

from catalogue.policy import Policy
from events.auctions import AuctionClosed, AuctionOpened
from infra.database import json_text
from infra.outgoing import Outgoing
from infra.reading import Unreadable, read_one, readable
from infra.running import Outdated
from services.auctions.domain.auction import AuctionState, Participant, Round, apply, begin
from services.auctions.domain.autobid import Autobid
from services.auctions.domain.due import due_at
from services.auctions.domain.opening import session_rules
from services.auctions.store import bids, facts


class _Saved(NamedTuple):
    """The columns that change, as the type ``auctions.saved_state`` has them; ``participants``, ``course``, ``autobids`` and ``result`` are
    JSON."""

    auction_id: str
    price: Decimal
    closes_at: datetime
    due_at: datetime | None
    leader_id: str | None
    sequence: int
    participants: str
    course: str
    autobids: str
    lines: int
    head: bytes
    result: str | None
    version: int


_JSON = {"opened", "policy", "participants", "course", "autobids", "result"}
_STATE = ", ".join(
    f"{name}::text as {name}" if name in _JSON else name for name in ("opened", "policy", *_Saved._fields)
)
WITHOUT_LINES = """jsonb_set(opened, '{lines}', '[]')::text"""


class Course(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parts of an :class:`AuctionState` that few sessions have, by the names that they have there."""

    shown: dict[str, Participant] | None = None
    round: Round | None = None
    automatic_at: datetime | None = None
    resumed_at: datetime | None = None
    restarted: bool = False


class StoredAuction(msgspec.Struct, frozen=True, kw_only=True):
    """An auction as it stands at a version. ``lines`` counts those of its log, ``head`` is the hash of the last.

    ``autobids`` are by supplier, for the supplier's eyes only.
    """

    state: AuctionState
    policy: Policy
    autobids: dict[str, Autobid] = {}
    lines: int
    head: bytes
    result: AuctionClosed | None
    version: int

    @property
    def opened(self) -> AuctionOpened:
        return self.state.opened

    @property
    def due_at(self) -> datetime | None:
        return due_at(self.state, self.autobids)


class Unchanged(msgspec.Struct, frozen=True):
    """What a batch was decided on: the versions of the auctions and the states of the organisations, by id."""

    versions: Mapping[str, int]
    standings: Mapping[str, str]


async def insert(db: asyncpg.Connection, state: AuctionState, policy: Policy) -> bool:
    """False if there is one of that id already: the same opening, come again. The log begins with :func:`save`."""
    opened = state.opened
    values = {
        "buyer_id": opened.buyer_id,
        "pool_id": opened.pool_id,
        "title": opened.title,
        "category": opened.category.code,
        "country": opened.place.country or "",
        "region": opened.place.region or "",
        "opens_at": opened.opens_at,
        "opened": json_text(opened),
        "policy": json_text(policy),
        **_saved(StoredAuction(state=state, policy=policy, lines=0, head=b"", result=None, version=0))._asdict(),
    }
    given = ", ".join(f"${n}::text::jsonb" if name in _JSON else f"${n}" for n, name in enumerate(values, start=1))
    done = await db.execute(
        f"insert into auctions.auctions ({', '.join(values)}) values ({given}) on conflict (auction_id) do nothing",
        *values.values(),
    )
    return bool(done.endswith(" 1"))


async def count_open(db: asyncpg.Connection, buyer_id: str) -> int:
    """Of one buyer: announced or running. Another opening of this buyer waits until the transaction ends."""
    await db.execute("select pg_advisory_xact_lock(hashtextextended('lonja/opening/' || $1::text, 0))", buyer_id)
    found: int = await db.fetchval(
        "select count(*) from auctions.auctions where buyer_id = $1 and result is null", buyer_id
    )
    return found


async def versions_under_lock(db: asyncpg.Connection, auction_ids: Sequence[str]) -> dict[str, int]:
    """Lock the rows, always in the order of their ids, so that two processes cannot deadlock."""
    rows = await db.fetch(
        "select auction_id, version from auctions.auctions where auction_id = any($1::text[]) order by auction_id for update",
        list(auction_ids),
    )
    return {row["auction_id"]: row["version"] for row in rows}


async def lock_free(db: asyncpg.Connection, auction_ids: Sequence[str]) -> tuple[dict[str, int], set[str]]:
    """As :func:`versions_under_lock`, without waiting: the versions of those that nobody else has locked, and which are locked."""
    rows = await db.fetch(
        "select auction_id, version from auctions.auctions where auction_id = any($1::text[]) order by auction_id"
        " for update skip locked",
        list(auction_ids),
    )
    versions = {row["auction_id"]: row["version"] for row in rows}
    missing = [each for each in auction_ids if each not in versions]
    if not missing:
        return versions, set()
    there = await db.fetch("select auction_id from auctions.auctions where auction_id = any($1::text[])", missing)
    return versions, {row["auction_id"] for row in there}


async def load(db: asyncpg.Connection, auction_ids: Sequence[str], *, whole: bool = True) -> dict[str, StoredAuction]:
    """Not ``whole``: without the lines of what is bought, which are most of a large session."""
    columns = _STATE if whole else _STATE.replace("opened::text", WITHOUT_LINES)
    rows = await db.fetch(
        f"select {columns} from auctions.auctions where auction_id = any($1::text[])", list(auction_ids)
    )
    return {row["auction_id"]: read_one("auction", row["auction_id"], _stored, row) for row in rows}


async def get(db: asyncpg.Connection, auction_id: str) -> StoredAuction | None:
    return (await load(db, [auction_id])).get(auction_id)


async def version(db: asyncpg.Connection, auction_id: str) -> int | None:
    found: int | None = await db.fetchval("select version from auctions.auctions where auction_id = $1", auction_id)
    return found


async def save(
    db: asyncpg.Connection,
    changed: Iterable[StoredAuction],
    *,
    verdicts: Iterable[bids.StoredVerdict] = (),
    other: Iterable[facts.Fact] = (),
    outgoing: Iterable[Outgoing] = (),
    announcements: Sequence[str] = (),
    only_if: Unchanged | None = None,
) -> None:
    """Write the states back, with the lines that their logs gained (``verdicts`` and ``other``), their events, and what live pages
    are told. One trip: on the hot path each waits for whatever else the process does. Raises Outdated."""
    known = only_if or Unchanged({}, {})
    saved = await db.fetchval(
        "select auctions.save($1, $2, $3, $4, $5, $6, $7)",
        list(known.versions.items()),
        list(known.standings.items()),
        [_saved(each) for each in changed],
        [bids.row(each) for each in verdicts],
        [facts.row(each) for each in other],
        list(outgoing),
        announcements,
    )
    if not saved:
        raise Outdated


def _saved(stored: StoredAuction) -> _Saved:
    state = stored.state
    return _Saved(
        auction_id=stored.opened.auction_id,
        price=state.price,
        closes_at=state.closes_at,
        due_at=stored.due_at,
        leader_id=state.leader_id,
        sequence=state.sequence,
        participants=json_text(state.participants),
        course=_course(state),
        autobids=json_text(stored.autobids),
        lines=stored.lines,
        head=stored.head,
        result=json_text(stored.result) if stored.result else None,
        version=stored.version,
    )


async def lock(db: asyncpg.Connection, auction_id: str) -> StoredAuction | None:
    """Held until the transaction ends: bids on it wait."""
    rows = await db.fetch(f"select {_STATE} from auctions.auctions where auction_id = $1 for update", auction_id)
    return read_one("auction", auction_id, _stored, rows[0]) if rows else None


async def lock_due(
    db: asyncpg.Connection, now: datetime, limit: int, but: Sequence[str] = ()
) -> list[StoredAuction | Unreadable[str]]:
    """Auctions for the clock, skipping those that somebody decides about just now: they come with the next tick. Blocked ones come
    when a lane has given their time back."""
    rows = await db.fetch(
        f"select {_STATE} from auctions.auctions a where result is null and due_at <= $1"
        " and not exists (select from auctions.blocked b where b.auction_id = a.auction_id)"
        " and a.auction_id <> all($3::text[]) order by due_at limit $2 for update skip locked",
        now,
        limit,
        but,
    )
    return readable(rows, itemgetter("auction_id"), _stored)


def _course(state: AuctionState) -> str:
    course = Course(**{name: getattr(state, name) for name in Course.__struct_fields__})
    return json_text(course)


@lru_cache(64)
def _policy(text: str) -> Policy:
    """Few are in force at a time: thousands of auctions in memory share one."""
    return msgspec.json.decode(text, type=Policy)


def _stored(row: asyncpg.Record) -> StoredAuction:
    opened = msgspec.json.decode(row["opened"], type=AuctionOpened)
    policy = _policy(row["policy"])
    result = msgspec.json.decode(row["result"], type=AuctionClosed) if row["result"] else None
    course = msgspec.json.decode(row["course"], type=Course)
    state = replace(
        begin(opened, session_rules(policy.auction, None)),
        price=row["price"],
        closes_at=row["closes_at"],
        leader_id=row["leader_id"],
        sequence=row["sequence"],
        participants=msgspec.json.decode(row["participants"], type=dict[str, Participant]),
        **asdict(course),
    )
    if result is not None:
        state = apply(state, result)
    return StoredAuction(
        state=state,
        policy=policy,
        autobids=msgspec.json.decode(row["autobids"], type=dict[str, Autobid]),
        lines=row["lines"],
        head=row["head"],
        result=result,
        version=row["version"],
    )
