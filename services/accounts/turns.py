"""Login attempts that this process handles, in turn: attempts for one address wait only for each other."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager

Name = tuple[str, ...]
_ALL_ATTEMPTS = asyncio.Semaphore(4)
"""The places for all attempts that are handled at once; each attempt uses a connection of the process."""
_under_way: Counter[Name] = Counter()
_turns: dict[Name, tuple[asyncio.Lock, int]] = {}


class TooMany(Exception):
    """So many attempts are in progress that this one would exceed the limit."""


@contextmanager
def under_way(most: Iterable[tuple[Name, int]]) -> Iterator[None]:
    """Count one more attempt in progress for each of these names, which have at most ``most`` each. Raise TooMany."""
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
    """Hold the turn of each name, one attempt at a time; all callers take the names in the same order. One of the
    places for all attempts is taken last, so that an attempt that waits for a name takes no place."""
    async with AsyncExitStack() as stack:
        for name in names:
            await stack.enter_async_context(_turn(name))
        await stack.enter_async_context(_ALL_ATTEMPTS)
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
