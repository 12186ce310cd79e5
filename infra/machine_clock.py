"""The machine's clock, and what happens to a process whose clock is wrong.

Every process decides by its own clock, and its decisions bind all others: a clock that is wrong by hours would end
what still runs. Therefore the machine's clock is compared with the database's, at the start and every few seconds.
While the two differ, reading the clock raises WrongClock, and work waits: requests are answered 503, timers and
consumers pause.
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
from infra.health import HEALTH, PartState
from infra.roles import Connections

log = logging.getLogger(__name__)
TOLERANCE = timedelta(seconds=1)
EVERY = 2.0
"""Seconds between two comparisons."""
JUMP_SECONDS = 5.0
"""For this many seconds a clock that jumped returns no time, even if the database's clock jumped with it. So every part
that reads the clock regularly notices the jump, and can extend what ran meanwhile by the time that was lost. More than
the longest silence that a service does not count as an outage (tests/infra/test_machine_clock.py)."""
TRY_SECONDS = 10.0
"""The longest time for one comparison: a late answer proves nothing about the clock."""
AGAIN = 0.5
"""Seconds between two comparisons at the start, while the answers come too slowly to be used."""
UNKNOWN = "This machine's clock could not be compared with the database's yet"
ANSWERS_TOO_SLOWLY = "Look at the load of this machine and the database's: when asked for the time, the database takes too long to answer."


class MachineClock:
    """Return the machine's time while it agrees with the database's within a second; else, and before the first
    comparison, it raises :class:`WrongClock`.

    A jump between two comparisons is noticed at once, because the machine's steady clock does not jump.
    """

    def __init__(self, read: Clock = system_clock, steady: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._steady = steady
        self._agreed = self.look()
        self._wrong: WrongClock | None = WrongClock(UNKNOWN, ANSWERS_TOO_SLOWLY)
        """Why it returns no time, until a comparison shows that the clocks agree."""
        self._jump = ""
        """The last jump, which counts for JUMP_SECONDS after ``_jumped_at`` on the steady clock."""
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
        """The time of the clock, right or wrong, and the seconds of the steady clock."""
        return self._read(), self._steady()

    def compare(self, told: datetime, asked_at: float, answer: tuple[datetime, float]) -> bool:
        """``told`` is the database's time, asked for at ``asked_at`` on the steady clock; ``answer`` is the result of
        :meth:`look` when it came.

        The database read its clock at some time in between, so the difference of the two clocks lies between two
        bounds. The clocks agree if every difference between the bounds is within the tolerance, and disagree if none
        is. If only some are, return False and change nothing.
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
        """Compare with the database. Return False if its answer took too long. Raise the database's error if it is
        away."""
        async with Deadline(TRY_SECONDS), pool.acquire() as database:
            _, asked_at = self.look()
            told = await database.fetchval("select clock_timestamp()")
            return self.compare(told, asked_at, self.look())

    async def check_at_start(self, pool: asyncpg.Pool | Connections, patience: float | None = None) -> None:
        """Return when it is known that the clock agrees; until then the process decides nothing and is not ready.
        Raise WrongClock if it differs, or if this is not known after ``patience`` seconds. With ``patience`` None it
        waits without limit, also for a database that is away."""
        began = asyncio.get_running_loop().time()
        said = False
        while not await self._known(pool, raises=patience is not None):
            waited = asyncio.get_running_loop().time() - began
            if patience is not None and waited > patience:
                break
            if not said:
                log.warning("%s: waiting. %s", UNKNOWN, ANSWERS_TOO_SLOWLY)
                HEALTH.report("server", "clock", PartState.degraded, UNKNOWN, ANSWERS_TOO_SLOWLY)
                said = True
            await asyncio.sleep(AGAIN)
        self()
        HEALTH.report("server", "clock", PartState.running)

    async def _known(self, pool: asyncpg.Pool | Connections, *, raises: bool) -> bool:
        try:
            return await self.check(pool)
        except Exception as error:
            if raises or not is_away(error):
                raise
            log.debug("the clock could not be compared with the database's: %r", error)
            return False

    async def keep_checking(self, pool: asyncpg.Pool | Connections) -> None:
        """Compare again and again, and report the results in the log and in the health of the process."""
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
                HEALTH.report("server", "clock", PartState.degraded, wrong.what, wrong.remedy)
                trusted = False
            else:
                if not trusted:
                    log.warning("this machine's clock agrees with the database's again")
                HEALTH.report("server", "clock", PartState.running)
                trusted = True


def _seconds(by: timedelta) -> str:
    return f"{by.total_seconds():.1f} s"
