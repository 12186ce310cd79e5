"""Tries to log in that this process looks at, in turns: those of one address wait for each other and for nobody else."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

Name = tuple[str, ...]
_FEW = asyncio.Semaphore(4)
"""That are counted at once, each with a connection of the process in hand."""
_under_way: Counter[Name] = Counter()
_turns: dict[Name, tuple[asyncio.Lock, int]] = {}


class TooMany(Exception):
    """So many are under way already that this one would be refused behind them."""


@contextmanager
def under_way(most: Iterable[tuple[Name, int]]) -> Iterator[None]:
    """One more of these names, of each of which there are so many at most. Raises TooMany."""
    most = tuple(most)
    if any(_under_way[name] >= number for name, number in most):
        raise TooMany
    names = [name for name, _ in most]
    _under_way.update(names)
    try:
        yield
    finally:
        _under_way.subtract(names)
        for name in names:
            if not _under_way[name]:
                del _under_way[name]


@asynccontextmanager
async def in_turn(*names: Name) -> AsyncIterator[None]:
    """One of each name at a time, in this order everywhere; the few places for all are taken last: who waits for a turn takes none."""
    async with AsyncExitStack() as stack:
        for name in names:
            await stack.enter_async_context(_turn(name))
        await stack.enter_async_context(_FEW)
        yield


@asynccontextmanager
async def _turn(name: Name) -> AsyncIterator[None]:
    lock, users = _turns.get(name, (asyncio.Lock(), 0))
    _turns[name] = lock, users + 1
    try:
        async with lock:
            yield
    finally:
        _, users = _turns[name]
        if users == 1:
            del _turns[name]
        else:
            _turns[name] = lock, users - 1
