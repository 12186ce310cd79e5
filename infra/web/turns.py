"""Requests of one caller take turns: however many requests a caller sends at once, the next request of another caller
waits only for a few of them.

The event loop does one thing at a time, in the order in which things became ready: without turns a request would wait
for all earlier requests of all callers.
"""

import asyncio
from collections import Counter, deque
from contextlib import suppress

AT_ONCE = 4
"""The most requests of a caller that are handled at once, until their answers begin."""


class CallerTurns:
    """The turns of all callers of this process. Only callers with a request in progress are remembered."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._at_work: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    async def take(self, caller: str) -> None:
        """Return when it is this request's turn; requests get turns in the order of their calls. Each turn must be
        given back once."""
        if self._at_work[caller] < self._at_once:
            self._at_work[caller] += 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.give_back(caller)
            else:
                with suppress(KeyError, ValueError):
                    self._waiting[caller].remove(turn)
            raise

    def give_back(self, caller: str) -> None:
        waiting = self._waiting.get(caller)
        while waiting:
            turn = waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._waiting.pop(caller, None)
        self._at_work[caller] -= 1
        if not self._at_work[caller]:
            del self._at_work[caller]

    @property
    def callers(self) -> int:
        return len(self._at_work)
