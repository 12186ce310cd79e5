"""PostgreSQL, simulated: tables, transactions that see what is committed and their own writes, row locks, connections
that break.

The SQL of the stores is not read. :data:`STORES` are their functions, written again for these tables with the same
contracts. The few SQL statements of relay and inbox are recognised by their beginnings.

These differ from PostgreSQL, where it does not matter for the code that runs on it: a transaction locks the rows that
it inserts in the order of their keys; nobody sees half of another's statement; there is no deadlock detection, because
no deadlock may occur here.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import msgspec

from catalogue.policy import Policy
from infra.causality import current_cause
from infra.database import Transaction
from infra.outgoing import OF_A_REQUEST, EventLimits, Outgoing
from infra.running import Outdated
from services.auctions.domain.auction import AuctionState, Verdict
from services.auctions.domain.chain import GENESIS
from services.auctions.store.auctions import StoredAuction, Unchanged
from services.auctions.store.bids import BidKey, StoredVerdict
from services.auctions.store.blocked import BlockedAuctions, Lost
from services.auctions.store.facts import LoggedFact
from services.auctions.store.pulse import AHEAD
from tests.simulation.faults import Process, SeededChoices

Row = tuple[str, Hashable]
"""A table's name and a row's key."""


CUT = (
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    ConnectionResetError,
)
"""The errors by which a connection that breaks during a call shows itself."""


class NotPlayed(Exception):
    """SQL that the simulated database does not know."""


@dataclass
class Locked:
    by: "Work"
    waiting: deque[tuple["Work", asyncio.Future[None]]]


class Work:
    """A running transaction. Nobody else sees its writes before the commit."""

    def __init__(self) -> None:
        self.writes: dict[Row, Any] = {}
        self.locks: list[Row] = []
        self.notices: list[str] = []
        self.turn: asyncio.Future[None] | None = None
        """Set while the transaction waits for a lock."""
        self.lock_seconds: float | None = None
        """How long it waits for a lock, if that differs from its connection's setting."""


class Postgres:
    """``watch`` is called with each commit's writes. While ``down``, nobody can connect."""

    def __init__(self, seeded: SeededChoices) -> None:
        self.seeded = seeded
        self.tables: dict[str, dict[Any, Any]] = defaultdict(dict)
        self.unpublished: dict[str, dict[int, Outgoing]] = defaultdict(dict)
        self.unique = True
        """If this is False, there is no unique index that prevents a second verdict."""
        self.watch: Callable[[dict[Row, Any]], None] = lambda writes: None
        self.down = False
        self._locks: dict[Row, Locked] = {}
        self._advisory: dict[str, Connection] = {}
        self._connections: dict[Connection, None] = {}
        self._position = 0

    async def connect(self, process: Process, lock_timeout: str = "") -> "Connection":
        """Connect. ``lock_timeout`` is PostgreSQL's setting, in ms or s; "" means waiting for ever."""
        await self.seeded.step(process, "connects")
        if self.down:
            raise ConnectionRefusedError("the database is down")
        connection = Connection(self, process, _seconds(lock_timeout) if lock_timeout else None)
        self._connections[connection] = None
        process.ends.append(connection)
        return connection

    def go_down(self) -> None:
        self.down = True
        for connection in list(self._connections):
            connection.cut()

    def position(self) -> int:
        """Return a new position. It is drawn when a row is inserted, so a later position may be committed earlier."""
        self._position += 1
        return self._position

    async def lock(self, work: Work, row: Row, patience: float | None) -> None:
        held = self._locks.get(row)
        if held is None:
            self._locks[row] = Locked(work, deque())
            work.locks.append(row)
        elif held.by is not work:
            work.turn = turn = asyncio.get_running_loop().create_future()
            held.waiting.append((work, turn))
            self.seeded.counts["lock waits"] += 1
            try:
                async with asyncio.timeout(patience):
                    await turn
            except TimeoutError:
                self.seeded.counts["lock timeouts"] += 1
                raise asyncpg.LockNotAvailableError("canceling statement due to lock timeout") from None

    def is_locked(self, row: Row, by_other_than: Work) -> bool:
        held = self._locks.get(row)
        return held is not None and held.by is not by_other_than

    def end(self, work: Work, commit: bool) -> None:
        if commit:
            self._apply(work.writes)
            self.watch(work.writes)
        if work.turn is not None and not work.turn.done():
            work.turn.set_exception(asyncpg.ConnectionDoesNotExistError("the connection was cut"))
        for row in work.locks:
            waiting = self._locks[row].waiting
            while waiting and waiting[0][1].done():  # no longer waiting
                waiting.popleft()
            if not waiting:
                del self._locks[row]
                continue
            following, turn = waiting.popleft()
            self._locks[row].by = following
            following.locks.append(row)
            turn.set_result(None)
        if commit and work.notices:
            self._notify(work.notices)

    def advisory(self, name: str, connection: "Connection") -> bool:
        return self._advisory.setdefault(name, connection) is connection

    def forget(self, connection: "Connection") -> None:
        self._connections.pop(connection, None)
        for name in [name for name, holder in self._advisory.items() if holder is connection]:
            del self._advisory[name]

    def _apply(self, writes: dict[Row, Any]) -> None:
        for (table, key), value in writes.items():
            self.tables[table][key] = value
            if table.endswith(".outbox"):
                self.unpublished[table][key] = value

    def _notify(self, channels: list[str]) -> None:
        loop = asyncio.get_running_loop()
        for connection in self._connections:
            for channel, heard in connection.listeners:
                if channel in channels:
                    loop.call_soon(heard)


class Connection:
    """The part of :class:`asyncpg.Connection` that infra uses, and what the stores' functions here need."""

    def __init__(self, server: Postgres, process: Process, lock_seconds: float | None = None) -> None:
        self.server = server
        self.process = process
        self._lock_seconds = lock_seconds
        self.listeners: list[tuple[str, Callable[[], object]]] = []
        self.work: Work | None = None
        self._closed = False

    # Methods of asyncpg

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        self._usable()
        assert self.work is None, "one transaction at a time"
        self.work = work = Work()
        try:
            yield
            await self._commit(work)
        finally:
            if self.work is work:
                self.work = None
                self.server.end(work, commit=False)

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        head, service = _known(sql)
        if head == "insert into inbox":
            return await self._claim(f"{service}.inbox", arguments[0])
        if head == "select inbox":
            await self.trip(f"looks for claims of {service}")
            return [{"event_id": each} for each in arguments[0] if self.get(f"{service}.inbox", each)]
        if head == "select outbox":
            await self.trip(f"reads the outbox of {service}")
            waiting = self.server.unpublished[f"{service}.outbox"]
            return [{"position": position, **waiting[position]._asdict()} for position in sorted(waiting)[:2000]]
        raise NotPlayed(sql)

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        if sql.startswith("select pg_try_advisory_lock"):
            await self.trip("tries a lock")
            return self.server.advisory(arguments[0], self)
        if sql.startswith("select count(*) from"):
            await self.trip("counts what is set aside")
            return 0
        raise NotPlayed(sql)

    async def execute(self, sql: str, *arguments: Any) -> str:
        head, service = _known(sql)
        if head == "update outbox":
            await self.trip(f"marks {len(arguments[0])} of {service} as published")
            for position in arguments[0]:
                self.server.unpublished[f"{service}.outbox"].pop(position, None)
            return f"UPDATE {len(arguments[0])}"
        if head == "set ":
            await self.trip("says how long it waits for locks")
            self._work().lock_seconds = _seconds(sql.removeprefix("set local lock_timeout = ").strip("'"))
            return "SET"
        raise NotPlayed(sql)

    async def add_listener(self, channel: str, heard: Callable[[], object]) -> None:
        await self.trip("listens")
        self.listeners.append((channel, heard))

    def is_closed(self) -> bool:
        return self._closed

    def terminate(self) -> None:
        self.cut()

    # What the tables need

    async def trip(self, what: str) -> None:
        """Go to the server and back. The connection may break meanwhile."""
        self._usable()
        await self.server.seeded.step(self.process, what)
        self._usable()
        if self.server.seeded.chance("cut"):
            self.cut()
            self._usable()

    def get(self, table: str, key: Hashable) -> Any:
        if self.work is not None and (table, key) in self.work.writes:
            return self.work.writes[table, key]
        return self.server.tables[table].get(key)

    async def lock(self, table: str, key: Hashable) -> None:
        """Lock the row until the transaction ends. Later reads of the row see its latest version."""
        work = self._work()
        await self.server.lock(
            work, (table, key), self._lock_seconds if work.lock_seconds is None else work.lock_seconds
        )
        self._usable()

    def put(self, table: str, key: Hashable, value: Any) -> None:
        self._work().writes[table, key] = value

    def written(self, table: str) -> dict[Any, Any]:
        """Return what this transaction wrote."""
        return {key: value for (name, key), value in self._work().writes.items() if name == table}

    async def insert(self, table: str, key: Hashable, value: Any) -> None:
        if not await self.insert_new(table, key, value):
            raise asyncpg.UniqueViolationError(f"{table} has {key} already")

    async def insert_new(self, table: str, key: Hashable, value: Any) -> bool:
        """Insert the row. Return False if there is one. A transaction that inserts it at the same time is awaited."""
        await self.lock(table, key)
        if self.get(table, key) is not None:
            return False
        self.put(table, key, value)
        return True

    def notice(self, channel: str) -> None:
        self._work().notices.append(channel)

    def cut(self) -> None:
        if self._closed:
            return
        self._closed = True
        self.server.forget(self)
        work, self.work = self.work, None
        if work is not None:
            self.server.end(work, commit=False)

    async def _commit(self, work: Work) -> None:
        await self.trip("commits")
        self.work = None
        self.server.end(work, commit=True)
        if self.server.seeded.chance("doubt"):
            self.cut()
            self._usable()
        await self.server.seeded.step(self.process, "has committed")

    async def _claim(self, table: str, event_ids: Sequence[str]) -> list[Any]:
        await self.trip(f"claims {len(event_ids)} in {table}")
        fresh = [each for each in sorted(set(event_ids)) if await self.insert_new(table, each, True)]
        self.server.seeded.counts["doubled messages"] += len(event_ids) - len(fresh)
        return [{"event_id": each} for each in fresh]

    def _work(self) -> Work:
        self._usable()
        assert self.work is not None, "no transaction"
        return self.work

    def _usable(self) -> None:
        self.process.check()
        if self._closed:
            raise self.server.seeded.rng.choice(CUT)("the connection was cut")


def _seconds(setting: str) -> float:
    return float(setting.removesuffix("ms")) / 1000 if setting.endswith("ms") else float(setting.removesuffix("s"))


def _known(sql: str) -> tuple[str, str]:
    """Return for example ("insert into inbox", service)."""
    words = sql.split()
    verb = "insert into" if words[0] == "insert" else words[0]
    where = next((word for word in words if word.endswith((".inbox", ".outbox"))), ".")
    service, _, table = where.partition(".")
    return f"{verb} {table}", service


class PlayedTransaction(Transaction):
    """A transaction on a simulated connection."""

    def __init__(self, service: str, connection: Connection, now: datetime, limits: EventLimits) -> None:
        super().__init__(service, _NoSession(), now, current_cause(), limits=limits)  # type: ignore[arg-type]
        self._connection = connection

    async def raw(self) -> Any:
        return self._connection

    @asynccontextmanager
    async def savepoint(self) -> AsyncIterator[None]:
        await self.flush()
        work = self._connection._work()
        writes, notices = dict(work.writes), list(work.notices)
        try:
            yield
            await self.flush()
        except BaseException:
            self._pending.clear()
            work.writes, work.notices = writes, notices
            raise


class _NoSession:
    async def flush(self) -> None:
        """Do nothing: there are no rows outside the tables."""


class PlayedDatabase:
    """:class:`infra.database.Database` for handlers and timers in one process."""

    def __init__(self, server: Postgres, process: Process) -> None:
        self._server = server
        self._process = process

    @asynccontextmanager
    async def transaction(
        self, service: str, *, limits: EventLimits = OF_A_REQUEST
    ) -> AsyncIterator[PlayedTransaction]:
        connection = await self._server.connect(self._process)
        try:
            async with connection.transaction():
                tx = PlayedTransaction(service, connection, self._process.clock(), limits)
                yield tx
                await tx.flush()
        finally:
            if self._process.alive:
                self._process.ends.remove(connection)
            connection.cut()


# The functions of the stores


async def save(
    db: Connection,
    changed: Iterable[StoredAuction],
    verdicts: Iterable[StoredVerdict] = (),
    other: Iterable[LoggedFact] = (),
    outgoing: Iterable[Outgoing] = (),
    announcements: Sequence[str] = (),
    only_if: Unchanged | None = None,
) -> None:
    if only_if is not None:
        async with db.transaction():
            if not await _holds(db, only_if.versions, only_if.standings):
                db.server.seeded.counts["outdated"] += 1
                raise Outdated
            db.server.seeded.counts["not outdated"] += 1
            await save(db, changed, verdicts, other, outgoing, announcements)
        return
    await db.trip("writes")
    for stored in changed:
        db.put("auctions", stored.opened.auction_id, stored)
    for kept in verdicts:
        await _insert_bid(db, kept)
    for fact in other:
        await db.insert("facts", (fact.auction_id, fact.line), fact)
    await _insert_outgoing(db, "auctions", outgoing)
    if announcements:
        db.notice("lonja_live")


async def write_outbox(db: Connection, service: str, rows: Iterable[Outgoing]) -> None:
    await db.trip("writes")
    await _insert_outgoing(db, service, rows)


async def _holds(db: Connection, versions: Mapping[str, int], standings: Mapping[str, str]) -> bool:
    found = await lock_versions(db, list(versions))
    states = db.server.tables["organisations"]
    return found == versions and all(states.get(each) == state for each, state in standings.items())


async def _insert_bid(db: Connection, kept: StoredVerdict) -> None:
    event, bid = kept.verdict.event, kept.verdict.bid
    if db.server.unique:
        await db.insert("bid keys", (event.auction_id, *bid.key), kept.line)
    if (accepted := kept.verdict.accepted) is not None:
        await db.insert("sequences", (event.auction_id, accepted.sequence), kept.line)
    db.put("bids", (event.auction_id, db.server.position()), kept)


async def _insert_outgoing(db: Connection, service: str, rows: Iterable[Outgoing]) -> None:
    for row in rows:
        if await db.insert_new(f"{service}.outbox ids", row[0], True):
            db.put(f"{service}.outbox", db.server.position(), row)
    db.notice(f"{service}_outbox")


async def insert(tx: PlayedTransaction, state: AuctionState, policy: Policy) -> bool:
    db = await tx.raw()
    await db.trip("opens an auction")
    fresh = StoredAuction(state=state, policy=policy, lines=0, head=GENESIS, result=None, version=0)
    return await db.insert_new("auctions", state.opened.auction_id, fresh)


async def lock_versions(db: Connection, auction_ids: Sequence[str]) -> dict[str, int]:
    await db.trip(f"locks {len(auction_ids)} auctions")
    found = {}
    for auction_id in sorted(auction_ids):
        if db.get("auctions", auction_id) is not None:
            await db.lock("auctions", auction_id)
            found[auction_id] = db.get("auctions", auction_id).version
    return found


async def lock_free(db: Connection, auction_ids: Sequence[str]) -> tuple[dict[str, int], set[str]]:
    await db.trip(f"locks those of {len(auction_ids)} auctions that are free")
    found, locked = {}, set()
    for auction_id in sorted(auction_ids):
        if db.get("auctions", auction_id) is None:
            continue
        if db.server.is_locked(("auctions", auction_id), db._work()):
            db.server.seeded.counts["locked auctions left out"] += 1
            locked.add(auction_id)
        else:
            await db.lock("auctions", auction_id)
            found[auction_id] = db.get("auctions", auction_id).version
    return found, locked


async def load(db: Connection, auction_ids: Sequence[str], *, whole: bool = True) -> dict[str, StoredAuction]:
    await db.trip(f"loads {len(auction_ids)} auctions")
    found = {auction_id: db.get("auctions", auction_id) for auction_id in auction_ids}
    return {auction_id: stored for auction_id, stored in found.items() if stored is not None}


async def lock(tx: PlayedTransaction, auction_id: str) -> StoredAuction | None:
    db = await tx.raw()
    return (await load(db, list(await lock_versions(db, [auction_id])))).get(auction_id)


async def lock_due(tx: PlayedTransaction, now: datetime, limit: int, but: Sequence[str] = ()) -> list[StoredAuction]:
    db = await tx.raw()
    await db.trip("looks for what is due")
    blocked = db.server.tables["blocked"]
    due = [
        each
        for each in db.server.tables["auctions"].values()
        if each.result is None and each.due_at <= now and blocked.get(each.opened.auction_id) is None
        if each.opened.auction_id not in but
    ]
    free = [each for each in due if not db.server.is_locked(("auctions", each.opened.auction_id), db._work())]
    found = sorted(free, key=lambda each: (each.due_at, each.opened.auction_id))[:limit]
    for stored in found:
        await db.lock("auctions", stored.opened.auction_id)
    return found


async def block(db: Connection, since: Mapping[str, datetime], until: datetime) -> None:
    if not since:
        return
    async with _own_transaction(db):
        await db.trip(f"blocks {len(since)} auctions")
        for auction_id in sorted(since):
            await db.lock("blocked", auction_id)
            began, ends, _ = db.get("blocked", auction_id) or (since[auction_id], until, None)
            db.put("blocked", auction_id, (began, max(ends, until), None))


async def lose(db: Connection, since: datetime, until: datetime) -> None:
    await db.trip("waits for the lock of giving time back")
    await db.lock("turns to give time back", 0)
    await db.trip("looks for what ran")
    for auction_id, stored in sorted(db.server.tables["auctions"].items()):
        long = until - since > timedelta(seconds=stored.policy.auction.outage.after_seconds)
        ran = stored.result is None and stored.state.closes_at > since and stored.opened.opens_at < until
        if not (long and ran) or db.server.is_locked(("blocked", auction_id), db._work()):
            continue
        await db.lock("blocked", auction_id)
        began, ends, lost_until = db.get("blocked", auction_id) or (since, until, until)
        db.put("blocked", auction_id, (began, ends, lost_until and until))


async def lock_due_blocks(db: Connection, now: datetime, limit: int) -> list[str]:
    await db.trip("looks for blocks that may end")
    if db.server.is_locked(("turns to give time back", 0), db._work()):
        return []
    await db.lock("turns to give time back", 0)
    ends = {each: block[1] for each, block in db.server.tables["blocked"].items() if block is not None}
    closes = {each: db.server.tables["auctions"][each].state.closes_at for each, until in ends.items() if until <= now}
    return sorted(closes, key=lambda each: (closes[each], each))[:limit]


async def put_off(db: Connection, auction_ids: Collection[str], until: datetime) -> int:
    if not auction_ids:
        return 0
    await db.trip(f"puts {len(auction_ids)} auctions off")
    done = 0
    for auction_id in sorted(auction_ids):
        if db.get("blocked", auction_id) and not db.server.is_locked(("blocked", auction_id), db._work()):
            await db.lock("blocked", auction_id)
            began, ends, lost_until = db.get("blocked", auction_id)
            db.put("blocked", auction_id, (began, max(ends, until), lost_until))
            done += 1
    return done


async def count_blocks(db: Connection) -> BlockedAuctions:
    await db.trip("counts what is blocked")
    lost = [block[2] for block in db.server.tables["blocked"].values() if block is not None]
    return BlockedAuctions(lost.count(None), len(lost) - lost.count(None))


async def unblock(db: Connection, auction_ids: Collection[str]) -> dict[str, Lost]:
    await db.trip(f"ends the blocks of {len(auction_ids)} auctions")
    found = {}
    for auction_id in sorted(auction_ids):
        free = not db.server.is_locked(("blocked", auction_id), db._work())  # locked rows are skipped
        if free and db.get("blocked", auction_id) is not None:
            await db.lock("blocked", auction_id)
            if (block := db.get("blocked", auction_id)) is not None:
                found[auction_id] = Lost(block[0], block[2])
                db.put("blocked", auction_id, None)
    return found


async def resuming(db: Connection, auction_ids: Collection[str]) -> set[str]:
    await db.trip("looks which mini-auctions wait for the time of an outage")
    return {each for each in auction_ids if (block := db.get("blocked", each)) is not None and block[2] is not None}


@asynccontextmanager
async def _own_transaction(db: Connection) -> AsyncIterator[None]:
    """Make a statement outside a transaction a transaction of its own."""
    if db.work is not None:
        yield
        return
    async with db.transaction():
        yield


async def asked(db: Connection, keys: Collection[BidKey]) -> tuple[dict[BidKey, StoredVerdict], dict[str, str]]:
    await db.trip(f"looks for {len(keys)} requests")
    known = {}
    for auction_id in sorted({key[0] for key in keys}):
        for kept in bids_of(db.server, auction_id):
            if (key := (auction_id, *kept.verdict.bid.key)) in keys:
                known.setdefault(key, kept)
    states = db.server.tables["organisations"]
    return known, {key[1]: states[key[1]] for key in keys if key[1] in states}


def bids_of(server: Postgres, auction_id: str) -> list[StoredVerdict]:
    """Return the committed bids in the order in which they were inserted."""
    return [kept for (which, _), kept in server.tables["bids"].items() if which == auction_id]


async def publish_withheld(db: Connection, auction_ids: Sequence[str]) -> list[StoredVerdict]:
    await db.trip("lets the withheld out")
    found = []
    for (auction_id, position), kept in list(db.server.tables["bids"].items()):
        if auction_id in auction_ids and kept.withheld:
            db.put("bids", (auction_id, position), msgspec.structs.replace(kept, withheld=False))
            found.append(kept)
    return sorted(found, key=lambda kept: (kept.verdict.event.auction_id, kept.line))


async def standing(db: Connection, sequences: Mapping[str, Collection[int]]) -> dict[str, list[Verdict]]:
    await db.trip("reads the bids that stand")
    return {
        auction_id: [
            kept.verdict
            for kept in bids_of(db.server, auction_id)
            if (accepted := kept.verdict.accepted) and accepted.sequence in numbers
        ]
        for auction_id, numbers in sequences.items()
    }


async def check_tables(db: Connection) -> None:
    """Do nothing: no whole tables are locked here."""
    await db.trip("looks whether tables are locked")


async def beat(db: Connection, now: datetime, *, alone: bool) -> datetime | None:
    if alone:
        await db.trip("waits for its turn to beat")
        await db.lock("turns to beat", 0)
    before = await last_beat(db)
    if before is not None and before - now > AHEAD:
        before = None
    db.put("beats", db.server.position(), max(before or now, now))
    return before


async def last_beat(db: Connection) -> datetime | None:
    await db.trip("listens to the pulse")
    return newest_beat(db.server.tables["beats"] | db.written("beats"))


def newest_beat(beats: Mapping[Any, datetime]) -> datetime | None:
    return beats[max(beats)] if beats else None


async def states(db: Connection, organisation_ids: Sequence[str]) -> dict[str, str]:
    await db.trip("looks for standings")
    known = db.server.tables["organisations"]
    return {each: known[each] for each in organisation_ids if each in known}


async def no_organisation(db: Connection, organisation_id: str, *, lock: bool = False) -> None:
    """Return None: names and places do not matter here."""
    await db.trip("looks for an organisation")
