"""Auctions: stored once at the opening; after that only their small state is written, under the row lock.

This is a hot path, written by hand and not with :mod:`infra.states`. Bids of many auctions are decided and written at
once, by one call of the database on the lane's own connection, so ``lock_versions``, ``lock_free`` and ``save`` take
the connection.

SQL is written by hand here for locks, arrays, JSON, aggregates and reads without a transaction.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from operator import itemgetter
from typing import Any, NamedTuple

import asyncpg
import msgspec
from msgspec.structs import asdict, replace

from catalogue.policy import Policy
from events.auctions import AuctionClosed, AuctionOpened
from infra.database import Transaction, json_text
from infra.outgoing import Outgoing
from infra.reading import UnreadableKey, read_one, readable
from infra.running import Outdated
from services.auctions.domain.auction import AuctionState, Participant, Round, apply, begin
from services.auctions.domain.autobid import Autobid
from services.auctions.domain.due import due_at
from services.auctions.domain.opening import opening_rules
from services.auctions.store import bids, facts


class _Saved(NamedTuple):
    """The columns that change, as in the type ``auctions.saved_state``. ``participants``, ``course``, ``autobids`` and
    ``result`` are JSON."""

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
COLUMNS_OF_STATE = tuple(name for name in _Saved._fields if name in AuctionState.__struct_fields__)
"""The fields of a state with their own columns; the other fields that change are in :class:`Course`."""
_STATE = ", ".join(
    f"{name}::text as {name}" if name in _JSON else name for name in ("opened", "policy", *_Saved._fields)
)
WITHOUT_LINES = """jsonb_set(opened, '{lines}', '[]')::text"""


class Course(msgspec.Struct, frozen=True, omit_defaults=True):
    """The parts of an :class:`AuctionState` that few auctions have, under their names there."""

    shown: dict[str, Participant] | None = None
    round: Round | None = None
    automatic_at: datetime | None = None
    resumed_at: datetime | None = None
    restarted: bool = False


class StoredAuction(msgspec.Struct, frozen=True, kw_only=True):
    """An auction at a version. ``lines`` counts the lines of its log; ``head`` is the hash of the last line.

    ``autobids`` are by supplier, and only that supplier may see its own.
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


async def insert(tx: Transaction, state: AuctionState, policy: Policy) -> bool:
    """Insert the auction. Return False if there is one with that id already: the same opening arrived again. The log
    begins with :func:`save`."""
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
    db = await tx.raw()
    done = await db.execute(
        f"insert into auctions.auctions ({', '.join(values)}) values ({given}) on conflict (auction_id) do nothing",
        *values.values(),
    )
    return bool(done.endswith(" 1"))


async def count_open(tx: Transaction, buyer_id: str) -> int:
    """Return how many auctions of one buyer are announced or running. Another opening by this buyer waits until the
    transaction ends."""
    await tx.lock_name(f"lonja/opening/{buyer_id}")
    db = await tx.raw()
    found: int = await db.fetchval(
        "select count(*) from auctions.auctions where buyer_id = $1 and result is null", buyer_id
    )
    return found


async def lock_versions(db: asyncpg.Connection, auction_ids: Sequence[str]) -> dict[str, int]:
    """Lock the rows and return their versions. Rows are always locked in the order of their ids, so that two processes
    cannot deadlock."""
    rows = await db.fetch(
        "select auction_id, version from auctions.auctions where auction_id = any($1::text[]) order by auction_id for update",
        list(auction_ids),
    )
    return {row["auction_id"]: row["version"] for row in rows}


async def lock_free(db: asyncpg.Connection, auction_ids: Sequence[str]) -> tuple[dict[str, int], set[str]]:
    """Like :func:`lock_versions`, without waiting. Return the versions of the auctions that nobody else locks, and the
    ids of those that are locked."""
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
    """Return the auctions by id. Without ``whole`` the purchase lines, which are most of a large auction, are left out."""
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
    other: Iterable[facts.LoggedFact] = (),
    outgoing: Iterable[Outgoing] = (),
    announcements: Sequence[str] = (),
    only_if: Unchanged | None = None,
) -> None:
    """Write the states, with the new lines of their logs (``verdicts`` and ``other``), their events, and the
    announcements for live pages, in one trip: on the hot path each trip waits for everything else that the process
    does. Raise Outdated."""
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
    columns: dict[str, Any] = {name: getattr(state, name) for name in COLUMNS_OF_STATE}
    return _Saved(
        **columns | {"participants": json_text(state.participants)},
        auction_id=stored.opened.auction_id,
        due_at=stored.due_at,
        course=_course(state),
        autobids=json_text(stored.autobids),
        lines=stored.lines,
        head=stored.head,
        result=json_text(stored.result) if stored.result else None,
        version=stored.version,
    )


async def lock(tx: Transaction, auction_id: str) -> StoredAuction | None:
    """Return the auction, locked until the transaction ends: bids on it wait."""
    db = await tx.raw()
    rows = await db.fetch(f"select {_STATE} from auctions.auctions where auction_id = $1 for update", auction_id)
    return read_one("auction", auction_id, _stored, rows[0]) if rows else None


async def lock_due(
    tx: Transaction, now: datetime, limit: int, but: Sequence[str] = ()
) -> list[StoredAuction | UnreadableKey[str]]:
    """Return and lock the auctions that are due for the timer. Auctions that somebody locks now are skipped until the
    next tick, and blocked ones until a lane has given their time back."""
    db = await tx.raw()
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
    """Decode a policy. Few policies are in force at a time, so thousands of auctions in memory share one."""
    return msgspec.json.decode(text, type=Policy)


def _stored(row: asyncpg.Record) -> StoredAuction:
    opened = msgspec.json.decode(row["opened"], type=AuctionOpened)
    policy = _policy(row["policy"])
    result = msgspec.json.decode(row["result"], type=AuctionClosed) if row["result"] else None
    course = msgspec.json.decode(row["course"], type=Course)
    participants = msgspec.json.decode(row["participants"], type=dict[str, Participant])
    state = replace(
        begin(opened, opening_rules(policy.auction, None)),
        **{name: row[name] for name in COLUMNS_OF_STATE} | {"participants": participants},
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
