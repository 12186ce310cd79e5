"""Auctions get back the time that bidders lost: all auctions after an outage of the market, single ones after a lock or an error.

Twice a second a lane writes a heartbeat (*beat*), a row of ``beats``, if it can decide bids. A lane that starts, or that could not write
for a time, reads there how long nobody could bid. If an auction is locked, or if decisions on it fail, it has a row in ``blocked``; the
first lane that can lock the auction again gives its time back.

The heartbeat that ends an outage stores the start and the end of the outage, in one row of ``blocked`` per affected auction. From then on
bids are decided. An auction gets its time back with the first bid on it, or from a background task that handles PORTION auctions per
transaction. The closing timer closes no auction before that.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import asyncpg

from infra.away import is_away, is_locked
from infra.clock import Clock
from infra.deadline import Deadline, in_use
from infra.health import HEALTH, PartState
from services.auctions.domain.auction import apply
from services.auctions.domain.remedies import resume
from services.auctions.journal import Written, chained, entries, write
from services.auctions.store import auctions, blocked, pulse
from services.auctions.store.auctions import StoredAuction
from services.auctions.store.blocked import BlockedAuctions, Lost

log = logging.getLogger(__name__)
BEAT = 0.5
"""The seconds between two heartbeats."""
STALLED = 3.0
"""If the last heartbeat is older than this many seconds, the process was stopped or had too little CPU time."""
FAILING = timedelta(minutes=1)
"""How long an auction is not tried again after a decision on it failed."""
PATIENCE = 10.0
"""Seconds that one heartbeat may take."""
PORTION = 100
"""How many auctions get their time back in one transaction."""
AGAIN = timedelta(seconds=1)
"""How long an auction is not tried again if its row is locked when it should get its time back."""
FREE_THE_TABLES = "Look for a long transaction in pg_stat_activity and end it with pg_terminate_backend"
SETTINGS = {"lock_timeout": "1s", "idle_in_transaction_session_timeout": "5s"}
"""Settings of the pulse's connection: a process that freezes must not keep locks that stop other lanes from recording an outage."""


class Pulse:
    """The heartbeats of one lane. ``away``: this lane could not decide bids, and must :meth:`beat` before it decides one. ``resuming``:
    some auctions may not have the time of an outage back yet; a decision on such an auction first gives it back."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.away = True
        self.resuming = True
        self._url = url
        self._clock = clock
        self._connection: asyncpg.Connection | None = None
        self._portions: asyncpg.Connection | None = None
        self._beating = asyncio.Lock()
        self._beaten = -STALLED
        self._said = ""

    async def beat(self) -> None:
        """Record that bids can be decided now. If no lane could for a while, the auctions that ran then have lost that time.

        A gap counts as an outage only if this lane itself was away; otherwise the clock may simply have jumped. Raise the error that
        keeps bids from being decided: the database is unavailable, its tables are locked, or this machine's clock is wrong.
        """
        async with Deadline(PATIENCE), self._beating:
            running, away = asyncio.get_running_loop().time(), self._was_away()
            self._connection = await self._connected(self._connection)
            with in_use(self._connection):
                async with self._connection.transaction():
                    await pulse.check_tables(self._connection)
                    now = self._clock()
                    since = await pulse.beat(self._connection, now, alone=away)
                    if since is not None and away:
                        await lose_time(self._connection, since, now)
                waiting = await blocked.count(self._connection)
            self.resuming = waiting.resuming > 0
            self.away, self._beaten, self._said = False, running, ""
        _report(waiting)

    async def ready(self) -> None:
        """Call this before a bid is decided: it beats if this lane was away or did not run. Raise what :meth:`beat`
        raises."""
        if self._was_away():
            await self.beat()

    def _was_away(self) -> bool:
        return self.away or asyncio.get_running_loop().time() - self._beaten > STALLED

    async def _connected(self, connection: asyncpg.Connection | None) -> asyncpg.Connection:
        if connection is None or connection.is_closed():
            return await asyncpg.connect(self._url, server_settings=SETTINGS)
        return connection

    def hang_up(self) -> None:
        for connection in (self._connection, self._portions):
            if connection is not None:
                connection.terminate()
        self._connection = self._portions = None

    async def live(self) -> None:
        """Write heartbeats for ever."""
        while True:
            await asyncio.sleep(BEAT)
            try:
                await self.beat()
            except Exception as error:  # any error: while no lane beats, nothing is closed
                self.away = True
                self.hang_up()
                expected, said = is_away(error), f"bids cannot be decided now: {type(error).__name__}: {error}"
                if said != self._said:
                    log.error("%s", said, exc_info=not expected)
                self._said = said
                state = PartState.waiting if expected else PartState.degraded
                HEALTH.report("lane", "bids", state, said, FREE_THE_TABLES if is_locked(error) else "")

    async def resume(self) -> None:
        """Give auctions their time back, for ever, on a connection of its own: heartbeats and bids go on meanwhile. If a portion fails, the
        next one is half as large, until it has only the auction at fault; that one is tried again after FAILING."""
        limit, failed = PORTION, ""
        while True:
            moved = 0
            if not self.away:
                try:
                    moved = await self._resume_portion(limit)
                    limit, failed = min(PORTION, 2 * limit), ""
                except Exception as error:  # any error: the auctions wait, and the next attempt may succeed
                    if self._portions is not None:
                        self._portions.terminate()
                    if repr(error) != failed:
                        log.error(
                            "%d mini-auctions cannot be extended now, and are extended later: %r",
                            limit,
                            error,
                            exc_info=not is_away(error),
                        )
                    failed = repr(error)
                    limit = max(1, limit // 2)
            if not moved:
                await asyncio.sleep(BEAT)

    async def _resume_portion(self, limit: int) -> int:
        async with Deadline(PATIENCE):
            self._portions = db = await self._connected(self._portions)
            with in_use(db):
                try:
                    return await resume_auctions(db, self._clock(), limit)
                except Exception as error:
                    if limit == 1 and not is_away(error):
                        async with db.transaction():
                            now = self._clock()
                            await blocked.put_off(db, await blocked.lock_due(db, now, limit), now + FAILING)
                    raise


def _report(waiting: BlockedAuctions) -> None:
    if waiting.locked:
        HEALTH.report(
            "lane",
            "bids",
            PartState.waiting,
            f"{waiting.locked} auctions cannot be decided: their rows are locked, or deciding them failed; all others go on",
            f"{FREE_THE_TABLES}; look into the log for errors.",
        )
    elif waiting.resuming:
        HEALTH.report(
            "lane", "bids", PartState.running, "mini-auctions get the time of an outage back; bids are decided"
        )
    else:
        HEALTH.report("lane", "bids", PartState.running)


async def lose_time(db: asyncpg.Connection, since: datetime, until: datetime) -> None:
    """Record an outage from ``since`` to ``until``; each auction that ran in it is to get its time back."""
    log.warning("nobody could bid from %s to %s: mini-auctions of that time are extended", since, until)
    await blocked.lose(db, since, until)


async def resume_auctions(db: asyncpg.Connection, now: datetime, limit: int = PORTION) -> int:
    """Give up to ``limit`` waiting auctions their time back, in one transaction. Return how many were handled, postponed ones included; 0
    if none waits now.

    Locked auctions are tried again after AGAIN. The row in ``blocked`` is deleted together with the new end, so an auction gets its time
    once."""
    async with db.transaction():
        waiting = await blocked.lock_due(db, now, limit)
        if not waiting:
            return 0
        _, locked = await auctions.lock_free(db, sorted(waiting))
        later = await blocked.put_off(db, locked, now + AGAIN)
        lost = await blocked.unblock(db, sorted(set(waiting) - locked))
        await give_back(db, lost, now, whole=False)
    return later + len(lost)


async def give_back(
    db: asyncpg.Connection, lost: Mapping[str, Lost], now: datetime, *, whole: bool = True
) -> dict[str, StoredAuction]:
    """Extend these auctions, whose rows the caller has locked; ``lost``: when nobody could bid on each. Return the extended ones in their
    new state, ``whole`` or without their lines. An auction whose decision fails stays blocked and does not delay the others."""
    written, failed = [], {}
    for auction_id, stored in sorted((await _each(db, sorted(lost), whole)).items()):
        try:
            longer = _longer(stored, lost[auction_id], now)
        except Exception:
            log.exception("auction %s is not extended after the outage, because deciding on it fails", auction_id)
            failed[auction_id] = lost[auction_id].since
        else:
            written += [longer] if longer else []
    await blocked.block(db, failed, now + FAILING)
    if written:
        first = min(each.since for each in lost.values())
        log.info("%d mini-auctions are extended, because nobody could bid on them from %s on", len(written), first)
        await write(db, written, now)
    return {each.after.opened.auction_id: each.after for each in written}


async def _each(
    db: asyncpg.Connection, auction_ids: Sequence[str], whole: bool
) -> dict[str, StoredAuction | Exception]:
    """Each auction as it is now, or the error of reading it."""
    if not auction_ids:
        return {}
    try:
        return dict(await auctions.load(db, auction_ids, whole=whole))
    except Exception as error:
        if isinstance(error, asyncpg.PostgresError) or is_away(error):
            raise
        if len(auction_ids) == 1:
            return {auction_ids[0]: error}
    return {key: stored for each in auction_ids for key, stored in (await _each(db, [each], whole)).items()}


def _longer(stored: StoredAuction | Exception, lost: Lost, now: datetime) -> Written | None:
    """Return the extension, or None if the auction is not extended. Raise the error of reading or deciding it."""
    if isinstance(stored, Exception):
        raise stored
    until = _until(stored, lost, now)
    if until - lost.since <= timedelta(seconds=stored.policy.auction.outage.after_seconds):
        return None
    extended = resume(stored.state, lost.since, until)
    return chained(stored, entries([extended]), apply(stored.state, extended), now) if extended else None


def looks_over(stored: StoredAuction, now: datetime) -> bool:
    """Whether the auction appears to be over, by an end that can still move (as the end of a turn can)."""
    return stored.state.closes_at <= now or bool(stored.state.rules.pauses_seconds)


def _until(stored: StoredAuction, lost: Lost, now: datetime) -> datetime:
    """The end of the lost time. Bids were decided again from the stored end of the outage on. But if the auction, or a turn of it, has
    since appeared to be over, bidders could not know that they might bid; then its lost time runs until now."""
    return now if lost.until is None or looks_over(stored, now) else lost.until
