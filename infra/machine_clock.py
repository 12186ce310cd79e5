"""The machine's clock, and what becomes of a process whose clock is wrong.

Every process decides by its own clock, and what one decides binds all: a clock that is wrong by hours would end sessions that run.
So the machine's clock is compared with the database's, at the start and every few seconds, and does not say the time while the two
differ. Whoever asks it then fails with WrongClock, and waits: requests are answered 503, timers and consumers pause.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import asyncpg

from infra.away import is_away
from infra.clock import Clock, WrongClock, system_clock
from infra.deadline import Deadline
from infra.health import HEALTH, State
from infra.roles import Connections

log = logging.getLogger(__name__)
TOLERANCE = timedelta(seconds=1)
EVERY = 2.0
"""Seconds between two comparisons."""
JUMP_SECONDS = 5.0
"""For so long a clock that jumped says no time, even where the database's jumped with it: so everybody notices who asks now and then, and
sessions get the time in between back, in which nobody could bid. More than the lane's :data:`services.auctions.outages.STALLED`."""
TRY_SECONDS = 10.0
"""What one comparison may take: the answer of a server that is frozen says nothing."""
AGAIN = 0.5
"""Seconds between two comparisons at the start, while the answers come too slowly to say anything."""
UNKNOWN = "This machine's clock could not be compared with the database's yet"
ANSWERS_TOO_SLOWLY = "Look at the load of this machine and the database's: when asked for the time, the database takes too long to answer."


class MachineClock:
    """Says the machine's time while it agrees with the database's to within a second; raises :class:`WrongClock` else, also until
    a first comparison has shown that.

    Between two comparisons a jump shows itself at once: the machine's steady clock does not take part in it.
    """

    def __init__(self, read: Clock = system_clock, steady: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._steady = steady
        self._agreed = self.look()
        self._wrong: WrongClock | None = WrongClock(UNKNOWN, ANSWERS_TOO_SLOWLY)
        """What keeps it from saying the time, until a comparison shows that it agrees."""
        self._jump = ""
        """The last one, which counts for JUMP_SECONDS from the steady ``_jumped_at``."""
        self._jumped_at = 0.0

    def __call__(self) -> datetime:
        if self._wrong is not None:
            raise WrongClock(self._wrong.what, self._wrong.remedy)
        now, steady = self.look()
        self._notice_jump(now, steady)
        if self._jump and steady - self._jumped_at < JUMP_SECONDS:
            raise WrongClock(self._jump)
        return now

    def _notice_jump(self, now: datetime, steady: float) -> None:
        agreed, then = self._agreed
        jumped = now - agreed - timedelta(seconds=steady - then)
        if abs(jumped) > TOLERANCE:
            self._jump, self._jumped_at = f"This machine's clock jumped by {jumped.total_seconds():+.1f} s", steady

    def look(self) -> tuple[datetime, float]:
        """What the clock shows, right or wrong, and the steady clock's seconds."""
        return self._read(), self._steady()

    def compare(self, told: datetime, asked_at: float, answer: tuple[datetime, float]) -> bool:
        """``told`` is the database's time, asked for at the steady ``asked_at``; ``answer`` is what :meth:`look` gave when it came.

        The database looked at its clock at some time in between, so the two clocks differ by a number between two bounds. They agree
        where no number between the bounds is more than the tolerance, and differ where each is. False, and nothing changes, where only
        some are.
        """
        now, answered_at = answer
        self._notice_jump(now, answered_at)
        most = now - told
        least = most - timedelta(seconds=answered_at - asked_at)
        if least > TOLERANCE:
            self._wrong = WrongClock(f"This machine's clock is {_seconds(least)} ahead of the database's")
        elif most < -TOLERANCE:
            self._wrong = WrongClock(f"This machine's clock is {_seconds(-most)} behind the database's")
        elif -TOLERANCE <= least and most <= TOLERANCE:
            self._wrong, self._agreed = None, answer
        else:
            return False
        return True

    async def check(self, pool: asyncpg.Pool | Connections) -> bool:
        """Compare with the database. False where its answer took too long. Raises what is raised where the database is away."""
        async with Deadline(TRY_SECONDS), pool.acquire() as database:
            _, asked_at = self.look()
            told = await database.fetchval("select clock_timestamp()")
            return self.compare(told, asked_at, self.look())

    async def check_at_start(self, pool: asyncpg.Pool | Connections, patience: float | None = None) -> None:
        """Returns once it is known that the clock agrees: whoever waits here decides nothing, and is not ready. Raises WrongClock
        where it differs, and where that is not known after ``patience`` seconds. With None it waits for as long as it takes, also
        for a database that went away meanwhile."""
        began = asyncio.get_running_loop().time()
        said = False
        while not await self._known(pool, raises=patience is not None):
            waited = asyncio.get_running_loop().time() - began
            if patience is not None and waited > patience:
                break
            if not said:
                log.warning("%s: it is waited for. %s", UNKNOWN, ANSWERS_TOO_SLOWLY)
                HEALTH.report("server", "clock", State.degraded, UNKNOWN, ANSWERS_TOO_SLOWLY)
                said = True
            await asyncio.sleep(AGAIN)
        self()
        HEALTH.report("server", "clock", State.running)

    async def _known(self, pool: asyncpg.Pool | Connections, *, raises: bool) -> bool:
        try:
            return await self.check(pool)
        except Exception as error:
            if raises or not is_away(error):
                raise
            log.debug("the clock could not be compared with the database's: %r", error)
            return False

    async def keep_checking(self, pool: asyncpg.Pool | Connections) -> None:
        """For ever, and say in the log and in the process's health what comes out of it."""
        trusted = True
        while True:
            await asyncio.sleep(EVERY)
            try:
                await self.check(pool)
            except Exception as error:  # noqa: BLE001 - the database is away: others say so, and the clock is asked again
                log.debug("the clock could not be compared with the database's: %r", error)
            try:
                self()
            except WrongClock as wrong:
                if trusted:
                    log.error("%s", wrong)
                HEALTH.report("server", "clock", State.degraded, wrong.what, wrong.remedy)
                trusted = False
            else:
                if not trusted:
                    log.warning("this machine's clock agrees with the database's again")
                HEALTH.report("server", "clock", State.running)
                trusted = True


def _seconds(by: timedelta) -> str:
    return f"{by.total_seconds():.1f} s"
