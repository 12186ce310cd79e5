"""Login attempts that this process handles, in turn: attempts for one address wait only for each other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

Name = tuple[str, ...]
_FEW = asyncio.Semaphore(4)
"""The most attempts that are handled at once; each uses a connection of the process."""
_under_way: Counter[Name] = Counter()
_turns: dict[Name, tuple[asyncio.Lock, int]] = {}


class TooMany(Exception):
    """So many attempts are in progress that this one would exceed the limit."""


@contextmanager
def under_way(most: Iterable[tuple[Name, int]]) -> Iterator[None]:
    """Count one more attempt in progress for each of these names, which have at most ``most`` each. Raises TooMany."""
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
    """Hold the turn of each name, one attempt at a time; all callers take the names in the same order. A place among
    the few for all attempts is taken last, so that waiting attempts take none."""
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
