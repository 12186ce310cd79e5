"""Time that bidders lost is given back: to all sessions after an outage of the market, to single ones that could not be decided.

While bids can be decided, a lane says so in a row of ``beats``, twice a second. A lane that starts, or could not say so for a
time, finds there how long nobody could bid. A session that somebody keeps locked, or on which decisions fail, stands in ``blocked``
meanwhile; the first lane that can lock it again gives its time back.

After an outage its span is fixed with the beat that ends it, in a row of ``blocked`` for each session that it touched. From then on
bids are decided: a session gets its time back with the first bid on it, or in its turn, in portions, each committed. The clock closes
none before that.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import asyncpg

from infra.away import is_away, is_locked
from infra.clock import Clock
from infra.deadline import Deadline, in_use
from infra.health import HEALTH, State
from services.auctions.domain.auction import apply
from services.auctions.domain.remedies import resume
from services.auctions.journal import Written, chained, entries, write
from services.auctions.store import auctions, blocked, pulse
from services.auctions.store.auctions import Stored
from services.auctions.store.blocked import Lost, Waiting

log = logging.getLogger(__name__)
BEAT = 0.5
"""Seconds between two signs of life."""
STALLED = 3.0
"""Seconds without one after which this process did not run, or not enough."""
FAILING = timedelta(minutes=1)
"""How long an auction is left alone after a decision on it failed."""
PATIENCE = 10.0
"""Seconds that one sign of life may take."""
PORTION = 100
"""Sessions that get their time back in one transaction."""
AGAIN = timedelta(seconds=1)
"""How long a session is left alone that somebody has locked when its turn comes."""
FREE_THE_TABLES = "Look for a long transaction in pg_stat_activity and end it with pg_terminate_backend"
SETTINGS = {"lock_timeout": "1s", "idle_in_transaction_session_timeout": "5s"}
"""Of the pulse's connection: a process that freezes must not keep what was away from the others."""


class Pulse:
    """``away``: this lane could not decide bids, and must :meth:`beat` before it takes one. ``resuming``: there may be sessions that
    have not got the time of an outage back; a decision on one begins with that."""

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
        """Say that bids can be decided; where nobody could for a while, the sessions of that time lost it.

        That a while passed counts only where this lane was not there: the clock itself may jump. Raises what keeps bids from being
        decided: the database is away, its tables are locked, or this machine's clock is wrong.
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
        """Before a bid is decided: beat, where this lane was away or did not run. Raises as :meth:`beat`."""
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
        """Beat for ever."""
        while True:
            await asyncio.sleep(BEAT)
            try:
                await self.beat()
            except Exception as error:  # whatever it is: while no lane beats, nothing is closed
                self.away = True
                self.hang_up()
                expected, said = is_away(error), f"bids cannot be decided now: {type(error).__name__}: {error}"
                if said != self._said:
                    log.error("%s", said, exc_info=not expected)
                self._said = said
                state = State.waiting if expected else State.degraded
                HEALTH.report("lane", "bids", state, said, FREE_THE_TABLES if is_locked(error) else "")

    async def resume(self) -> None:
        """Give sessions their time back for ever, on a connection apart: the beats go on, and bids are decided beside it. A portion
        that fails is halved, until the session at fault stands alone, and waits."""
        limit, failed = PORTION, ""
        while True:
            moved = 0
            if not self.away:
                try:
                    moved = await self._resume_portion(limit)
                    limit, failed = min(PORTION, 2 * limit), ""
                except Exception as error:  # whatever it is: the sessions wait, and the next try may do it
                    if self._portions is not None:
                        self._portions.terminate()
                    if repr(error) != failed:
                        log.error("%d sessions get no time back now: %r", limit, error, exc_info=not is_away(error))
                    failed = repr(error)
                    limit = max(1, limit // 2)
            if not moved:
                await asyncio.sleep(BEAT)

    async def _resume_portion(self, limit: int) -> int:
        async with Deadline(PATIENCE):
            self._portions = db = await self._connected(self._portions)
            with in_use(db):
                try:
                    return await resume_sessions(db, self._clock(), limit)
                except Exception as error:
                    if limit == 1 and not is_away(error):
                        async with db.transaction():
                            now = self._clock()
                            await blocked.put_off(db, await blocked.over(db, now, limit), now + FAILING)
                    raise


def _report(waiting: Waiting) -> None:
    if waiting.locked:
        HEALTH.report(
            "lane",
            "bids",
            State.waiting,
            f"{waiting.locked} auctions cannot be decided: their rows are locked, or deciding them failed; all others go on",
            f"{FREE_THE_TABLES}; look into the log for errors.",
        )
    elif waiting.resuming:
        HEALTH.report("lane", "bids", State.running, "sessions get the time of an outage back; bids are decided")
    else:
        HEALTH.report("lane", "bids", State.running)


async def lose_time(db: asyncpg.Connection, since: datetime, until: datetime) -> None:
    """There was an outage between the two: its span is fixed, and each session that it touched waits for its time."""
    log.warning("nobody could bid from %s to %s: sessions of that time go on for longer", since, until)
    await blocked.lose(db, since, until)


async def resume_sessions(db: asyncpg.Connection, now: datetime, limit: int = PORTION) -> int:
    """Give up to ``limit`` sessions that wait their time back, in one transaction. How many moved on; 0 where none can now.

    Those that somebody has locked wait for a later turn. A session's marker goes with its new end: it gets its time once."""
    async with db.transaction():
        waiting = await blocked.over(db, now, limit)
        if not waiting:
            return 0
        _, locked = await auctions.lock_free(db, sorted(waiting))
        later = await blocked.put_off(db, locked, now + AGAIN)
        lost = await blocked.unblock(db, sorted(set(waiting) - locked))
        await give_back(db, lost, now, whole=False)
    return later + len(lost)


async def give_back(
    db: asyncpg.Connection, lost: Mapping[str, Lost], now: datetime, *, whole: bool = True
) -> dict[str, Stored]:
    """``lost``: when nobody could bid on these auctions, whose rows are locked by the caller. Returns those that go on for
    longer, as they are now, ``whole`` or without their lines. One on which that fails stays blocked, and holds up no other."""
    written, failed = [], {}
    for auction_id, stored in sorted((await _each(db, sorted(lost), whole)).items()):
        try:
            longer = _longer(stored, lost[auction_id], now)
        except Exception:
            log.exception("auction %s gets no time back: deciding on it fails", auction_id)
            failed[auction_id] = lost[auction_id].since
        else:
            written += [longer] if longer else []
    await blocked.block(db, failed, now + FAILING)
    if written:
        first = min(each.since for each in lost.values())
        log.info("%d sessions, on which nobody could bid from %s on, go on for longer", len(written), first)
        await write(db, written, now)
    return {each.after.opened.auction_id: each.after for each in written}


async def _each(db: asyncpg.Connection, auction_ids: Sequence[str], whole: bool) -> dict[str, Stored | Exception]:
    """Each as it is now, or what reading it fails with."""
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


def _longer(stored: Stored | Exception, lost: Lost, now: datetime) -> Written | None:
    """None where the auction does not go on for longer. Raises what keeps it from being decided."""
    if isinstance(stored, Exception):
        raise stored
    until = _until(stored, lost, now)
    if until - lost.since <= timedelta(seconds=stored.policy.auction.outage.after_seconds):
        return None
    extended = resume(stored.state, lost.since, until)
    return chained(stored, entries([extended]), apply(stored.state, extended), now) if extended else None


def looks_over(stored: Stored, now: datetime) -> bool:
    """By an end that may yet move on, as that of a turn may."""
    return stored.state.closes_at <= now or bool(stored.state.rules.pauses_seconds)


def _until(stored: Stored, lost: Lost, now: datetime) -> datetime:
    """Bids were decided from the fixed end of the outage on. Where the session looked over since then, or a turn did, nobody knew."""
    return now if lost.until is None or looks_over(stored, now) else lost.until
