"""How a timer handles many items that are due at once: all in one transaction; if that fails, each in a savepoint of
its own.

If an item fails by itself, its changes are undone, the log and :data:`infra.health.HEALTH` name it, and it is tried again later; it stays
due in the database. The others go on. If the store keeps the reason, or if claiming removes the due mark, the store passes ``aside``, which
stores the reason and the time of the next try.
While the database works, an item is treated in the same way if it needs an unavailable server (:mod:`infra.away`) or a locked row. If the
database itself is unavailable, all items wait and none is set aside.
The same holds for a row that cannot be decoded: :func:`infra.reading.readable` returns an UnreadableKey instead of the item.
"""

import logging
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from sqlalchemy.exc import SQLAlchemyError

from infra.away import in_short, is_away, remedy
from infra.database import LOCK_PATIENCE, LOST, Transaction
from infra.health import HEALTH, PartState
from infra.reading import UnreadableKey

log = logging.getLogger(__name__)
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
FIRST, LONGEST = timedelta(seconds=5), timedelta(hours=1)
"""Delay before a failed item is tried again. It starts with FIRST and doubles with each failure up to LONGEST."""
LONGEST_AWAY = timedelta(seconds=30)
"""Longest delay of an item that needs an unavailable server: the server may be back at any moment."""
SHOWN = 3
REMEDY = "read the reason in the log of the worker; each is tried again by itself within an hour"


@dataclass(frozen=True)
class Trouble:
    why: str
    remedy: str
    failures: int
    again_at: datetime


class Due(Generic[T, K]):
    """An action of a timer. ``claim`` locks the items that are due (never those with the given keys) and returns them; ``act`` handles one
    or more of them; ``key`` returns the key of one. Made once in a process, because it remembers the failed items."""

    def __init__(
        self,
        name: str,
        claim: Callable[[Transaction, Sequence[K]], Awaitable[Sequence[T | UnreadableKey[K]]]],
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
        """Items that failed at their last try, by key."""

    async def __call__(self, tx: Transaction) -> int:
        """Return how many items were done or set aside. If the database is unavailable, raise its error; then nothing was done."""
        waiting = [key for key, trouble in self.troubles.items() if trouble.again_at > tx.now]
        claimed = await self._claim(tx, waiting)
        found = [each for each in claimed if not isinstance(each, UnreadableKey)]
        failed = {each.key: each.error for each in claimed if isinstance(each, UnreadableKey)}
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
        """Handle them together. Handle each by itself if that fails or if one of them failed before, so that one locked row does not
        delay the others again. Return the errors by key."""
        if not any(self._key(each) in self.troubles for each in found):
            first = await self._try(tx, found) if found else None
            if first is None:
                return {}
            if len(found) == 1:
                return {self._key(found[0]): first}
        await (await tx.raw()).execute(f"set local lock_timeout = '{LOCK_PATIENCE}'")
        errors = {self._key(each): await self._try(tx, [each]) for each in found}
        return {key: error for key, error in errors.items() if error is not None}

    def _forget(self, still: Sequence[K]) -> None:
        """Forget failed items that may be tried again but are not due any more: another process did them, or they are of no use now."""
        self.troubles = {key: trouble for key, trouble in self.troubles.items() if key in still}

    async def _try(self, tx: Transaction, some: Sequence[T]) -> Exception | None:
        """Return the error of these items, after their changes are undone, or None. If the database is unavailable, raise its error."""
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
            return HEALTH.report("timer", f"{self.name}: items", PartState.running)
        some = "; ".join(f"{key}: {trouble.why}" for key, trouble in list(self.troubles.items())[:SHOWN])
        what = f"{len(self.troubles)} set aside for a while, among them {some}"
        remedies = "; ".join(sorted({trouble.remedy for trouble in self.troubles.values()}))
        return HEALTH.report("timer", f"{self.name}: items", PartState.degraded, what, remedies)


async def goes_on(tx: Transaction, name: str) -> bool:
    """Whether the database can go on with this transaction after an error; ``name`` is for the log."""
    try:
        async with tx.savepoint():
            await tx.claimed([])
    except (SQLAlchemyError, *LOST) as error:
        log.warning("%s: the database is unavailable: %s", name, in_short(error))
        return False
    return True


def _remedy(error: Exception) -> str:
    return remedy(error, "what waits for it") if is_away(error) else REMEDY
