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

from infra.clock import Clock, WrongClock, system_clock
from infra.health import HEALTH, State

log = logging.getLogger(__name__)
TOLERANCE = timedelta(seconds=1)
EVERY = 2.0
"""Seconds between two comparisons."""
JUMP_SECONDS = 5.0
"""For so long a clock that jumped says no time, even where the database's jumped with it: so everybody notices who asks now and then, and
sessions get the time in between back, in which nobody could bid. More than the lane's :data:`services.auctions.outages.STALLED`."""
TRIES = 5
"""Comparisons at the start, while the answers come too slowly to say anything."""


class MachineClock:
    """Says the machine's time while it agrees with the database's to within a second; raises :class:`WrongClock` else.

    Between two comparisons a jump shows itself at once: the machine's steady clock does not take part in it.
    """

    def __init__(self, read: Clock = system_clock, steady: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._steady = steady
        self._agreed = self.look()
        self._wrong = ""
        self._jump = ""
        """The last one, which counts for JUMP_SECONDS from the steady ``_jumped_at``."""
        self._jumped_at = 0.0

    def __call__(self) -> datetime:
        if self._wrong:
            raise WrongClock(self._wrong)
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

        The database looked at its clock at some time in between. False where that is too long to say anything.
        """
        now, answered_at = answer
        self._notice_jump(now, answered_at)
        doubt = timedelta(seconds=(answered_at - asked_at) / 2)
        ahead = now - doubt - told
        if abs(ahead) - doubt > TOLERANCE:
            side = "ahead of" if ahead > timedelta() else "behind"
            self._wrong = f"This machine's clock is {abs(ahead).total_seconds():.1f} s {side} the database's"
        elif doubt > TOLERANCE:
            return False
        else:
            self._wrong, self._agreed = "", answer
        return True

    async def check(self, pool: asyncpg.Pool) -> bool:
        """Compare with the database. False where its answer took too long."""
        async with pool.acquire() as database:
            _, asked_at = self.look()
            told = await database.fetchval("select clock_timestamp()")
            return self.compare(told, asked_at, self.look())

    async def check_at_start(self, pool: asyncpg.Pool) -> None:
        """Raises WrongClock."""
        for _ in range(TRIES):
            if await self.check(pool):
                break
        self()

    async def keep_checking(self, pool: asyncpg.Pool) -> None:
        """For ever, and say in the log and in the process's health what comes out of it."""
        trusted = True
        while True:
            await asyncio.sleep(EVERY)
            try:
                async with asyncio.timeout(10):
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
