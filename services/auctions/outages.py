"""Time that bidders lost is given back: to all sessions after an outage of the market, to single ones that could not be decided.

While bids can be decided, a lane says so in a row of ``beats``, twice a second. A lane that starts, or could not say so for a
time, finds there how long nobody could bid. A session that somebody keeps locked, or on which decisions fail, stands in ``blocked``
meanwhile; the first lane that can lock it again gives its time back.
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

log = logging.getLogger(__name__)
BEAT = 0.5
"""Seconds between two signs of life."""
STALLED = 3.0
"""Seconds without one after which this process did not run, or not enough."""
FAILING = timedelta(minutes=1)
"""How long an auction is left alone after a decision on it failed."""
PATIENCE = 10.0
"""Seconds that one sign of life may take."""
FREE_THE_TABLES = "Look for a long transaction in pg_stat_activity and end it with pg_terminate_backend"
SETTINGS = {"lock_timeout": "1s", "idle_in_transaction_session_timeout": "5s"}
"""Of the pulse's connection: a process that freezes must not keep what was away from the others."""


class Pulse:
    """``away``: this lane could not decide bids, and must :meth:`beat` before it takes one."""

    def __init__(self, url: str, clock: Clock) -> None:
        self.away = True
        self._url = url
        self._clock = clock
        self._connection: asyncpg.Connection | None = None
        self._beating = asyncio.Lock()
        self._beaten = -STALLED
        self._said = ""

    async def beat(self) -> None:
        """Say that bids can be decided; where nobody could for a while, give the sessions of that time their time back.

        That a while passed counts only where this lane was not there: the clock itself may jump. Raises what keeps bids from being
        decided: the database is away, its tables are locked, or this machine's clock is wrong.
        """
        async with Deadline(PATIENCE), self._beating:
            running = asyncio.get_running_loop().time()
            away = self.away or running - self._beaten > STALLED
            now = self._clock()
            if self._connection is None or self._connection.is_closed():
                self._connection = await asyncpg.connect(self._url, server_settings=SETTINGS)
            with in_use(self._connection):
                waiting = await end_blocks(self._connection, now)
                async with self._connection.transaction():
                    await pulse.check_tables(self._connection)
                    now = self._clock()
                    since = await pulse.beat(self._connection, now, alone=away)
                    if since is not None and away:
                        await resume_sessions(self._connection, since, now)
            self.away, self._beaten, self._said = False, running, ""
        _report(waiting)

    def hang_up(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

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


def _report(waiting: int) -> None:
    if waiting:
        HEALTH.report(
            "lane",
            "bids",
            State.waiting,
            f"{waiting} auctions cannot be decided: their rows are locked, or deciding them failed; all others go on",
            f"{FREE_THE_TABLES}; look into the log for errors.",
        )
    else:
        HEALTH.report("lane", "bids", State.running)


async def resume_sessions(db: asyncpg.Connection, since: datetime, until: datetime) -> int:
    """After an outage between the two: every session that it touched goes on for longer. How many there were.

    Those that somebody has locked are blocked until a lane can lock them."""
    versions, locked = await auctions.lock_free(db, await auctions.running(db, since, until))
    await blocked.block(db, dict.fromkeys(locked, since), until)
    return len(await give_back(db, dict.fromkeys(versions, since), until))


async def end_blocks(db: asyncpg.Connection, now: datetime) -> int:
    """Give blocked sessions that can be locked again their time back. How many stay blocked."""
    standing = await blocked.standing(db)
    over = sorted(auction_id for auction_id, until in standing.items() if until <= now)
    if not over:
        return len(standing)
    async with db.transaction():
        versions, _ = await auctions.lock_free(db, over)
        await give_back(db, await blocked.unblock(db, versions), now)
    return len(standing) - len(versions)


async def give_back(db: asyncpg.Connection, lost: Mapping[str, datetime], until: datetime) -> dict[str, Stored]:
    """``lost``: since when nobody could bid on these auctions, whose rows are locked by the caller. Returns those that go on for
    longer, as they are now. One on which that fails stays blocked, and holds up no other."""
    written, failed = [], {}
    for auction_id, stored in sorted((await _each(db, sorted(lost))).items()):
        try:
            longer = _longer(stored, lost[auction_id], until)
        except Exception:
            log.exception("auction %s gets no time back: deciding on it fails", auction_id)
            failed[auction_id] = lost[auction_id]
        else:
            written += [longer] if longer else []
    await blocked.block(db, failed, until + FAILING)
    if written:
        first = min(lost.values())
        log.warning("nobody could bid from %s to %s on %d sessions: they go on for longer", first, until, len(written))
        await write(db, written, until)
    return {each.after.opened.auction_id: each.after for each in written}


async def _each(db: asyncpg.Connection, auction_ids: Sequence[str]) -> dict[str, Stored | Exception]:
    """Each as it is now, or what reading it fails with."""
    if not auction_ids:
        return {}
    try:
        return dict(await auctions.load(db, auction_ids))
    except Exception as error:
        if isinstance(error, asyncpg.PostgresError) or is_away(error):
            raise
        if len(auction_ids) == 1:
            return {auction_ids[0]: error}
    return {key: stored for each in auction_ids for key, stored in (await _each(db, [each])).items()}


def _longer(stored: Stored | Exception, since: datetime, until: datetime) -> Written | None:
    """None where the auction does not go on for longer. Raises what keeps it from being decided."""
    if isinstance(stored, Exception):
        raise stored
    if until - since <= timedelta(seconds=stored.policy.auction.outage.after_seconds):
        return None
    extended = resume(stored.state, since, until)
    return chained(stored, entries([extended]), apply(stored.state, extended), until) if extended else None
