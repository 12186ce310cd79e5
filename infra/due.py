"""What a timer does when many things are due at once: all in one transaction, and where that fails each by itself.

A thing that fails by itself is undone, said in the log and in :data:`infra.health.HEALTH`, left out for a while and tried again
later; it stays due in the database. The others go on. A store that keeps the reason, or whose claim ends that a thing is due, has an
``aside`` that writes why, and when it is tried again.
While the database is there, the same becomes of a thing that alone misses what is away (:mod:`infra.away`), or needs what somebody keeps
locked. When the database itself is away, all wait and none is set aside.
So it is with a row that cannot be read, which :func:`infra.reading.readable` puts in the place of the thing.
"""

import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from infra.away import in_short, is_away, remedy
from infra.database import LOCK_PATIENCE, LOST, Transaction
from infra.health import HEALTH, State
from infra.reading import Unreadable

log = logging.getLogger(__name__)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
FIRST, LONGEST = timedelta(seconds=5), timedelta(hours=1)
"""Until what failed is tried again: each failure doubles it."""
LONGEST_AWAY = timedelta(seconds=30)
"""The same for what missed something that is away: it is there again any moment."""
SHOWN = 3
REMEDY = "read the reason in the log of the worker; each is tried again by itself within an hour"


@dataclass(frozen=True)
class Trouble:
    why: str
    remedy: str
    failures: int
    again_at: datetime


class Due(Generic[T, K]):
    """An action of a timer. ``claim`` locks what is due (never the given keys) and returns it; ``act`` does some of them, at least
    one; ``key`` names one. Made once in a process: it remembers what failed."""

    def __init__(
        self,
        name: str,
        claim: Callable[[Transaction, Sequence[K]], Awaitable[Sequence[T | Unreadable[K]]]],
        key: Callable[[T], K],
        act: Callable[[Transaction, Sequence[T]], Awaitable[None]],
        aside: Callable[[Transaction, K, str, datetime], Awaitable[None]] | None = None,
    ) -> None:
        self.name = name
        self._claim = claim
        self._key = key
        self._act = act
        self._aside = aside
        self.troubles: dict[K, Trouble] = {}
        """What failed when it was last tried, by key."""

    async def __call__(self, tx: Transaction) -> int:
        """How many were done or set aside. Raises what is away when the database is: then nothing happened."""
        waiting = [key for key, trouble in self.troubles.items() if trouble.again_at > tx.now]
        claimed = await self._claim(tx, waiting)
        found = [each for each in claimed if not isinstance(each, Unreadable)]
        failed = {each.key: each.error for each in claimed if isinstance(each, Unreadable)}
        keys = [self._key(each) for each in found]
        self._forget([*waiting, *keys, *failed])
        failed |= await self._failures(tx, found)
        for key in keys:
            if key not in failed:
                self.troubles.pop(key, None)
        for key, error in failed.items():
            await self._set_aside(tx, key, error)
        self._report()
        return len(claimed)

    async def _failures(self, tx: Transaction, found: Sequence[T]) -> dict[K, Exception]:
        """Do them together, and each by itself where that fails, or where one of them failed before: nobody waits for its lock again."""
        if not any(self._key(each) in self.troubles for each in found):
            first = await self._tried(tx, found) if found else None
            if first is None:
                return {}
            if len(found) == 1:
                return {self._key(found[0]): first}
        await (await tx.raw()).execute(f"set local lock_timeout = '{LOCK_PATIENCE}'")
        errors = {self._key(each): await self._tried(tx, [each]) for each in found}
        return {key: error for key, error in errors.items() if error is not None}

    def _forget(self, still: Sequence[K]) -> None:
        """What may be tried again and is due no more (another process did it, or it is of no use now) is no trouble any more."""
        self.troubles = {key: trouble for key, trouble in self.troubles.items() if key in still}

    async def _tried(self, tx: Transaction, some: Sequence[T]) -> Exception | None:
        """What they failed with; then nothing of it happened. Raises what is away when the database is."""
        try:
            async with tx.savepoint():
                await self._act(tx, some)
        except Exception as error:
            if is_away(error) and not await goes_on(tx, self.name):
                raise
            return error
        return None

    async def _set_aside(self, tx: Transaction, key: K, error: Exception) -> None:
        failures = self.troubles[key].failures + 1 if key in self.troubles else 1
        why = in_short(error)
        log.error("%s: %s is set aside for a while: %s", self.name, key, why, exc_info=error)
        pause = min(FIRST * 2 ** min(failures - 1, 10), LONGEST_AWAY if is_away(error) else LONGEST)
        trouble = Trouble(why, _remedy(error), failures, tx.now + pause)
        if self._aside is not None:
            await self._aside(tx, key, why, trouble.again_at)
        self.troubles[key] = trouble

    def _report(self) -> None:
        if not self.troubles:
            return HEALTH.report("timer", f"{self.name}: items", State.running)
        some = "; ".join(f"{key}: {trouble.why}" for key, trouble in list(self.troubles.items())[:SHOWN])
        what = f"{len(self.troubles)} set aside for a while, among them {some}"
        remedies = "; ".join(sorted({trouble.remedy for trouble in self.troubles.values()}))
        return HEALTH.report("timer", f"{self.name}: items", State.degraded, what, remedies)


async def goes_on(tx: Transaction, name: str) -> bool:
    """Whether the database goes on with this transaction, in which something failed for ``name``."""
    try:
        async with tx.savepoint():
            await tx.claimed([])
    except (SQLAlchemyError, *LOST) as error:
        log.warning("%s: the database is away: %s", name, in_short(error))
        return False
    return True


def _remedy(error: Exception) -> str:
    return remedy(error, "what waits for it") if is_away(error) else REMEDY
