"""One suite for the played servers and the real ones: a scenario becomes a test on each ground.

The module that uses it has a fixture ``ground``, once ``played`` and once ``real``, whose ``run`` plays a scenario on it in a loop of its
own, so that nobody else's work is disturbed by what stands for the servers.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg


class Ground(Protocol):
    def run(self, scenario: Any) -> None: ...


def alike(scenario: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Ground], None]:
    def test(ground: Ground) -> None:
        ground.run(scenario)

    test.__doc__ = scenario.__doc__
    return test


@asynccontextmanager
async def connected(here: Any) -> AsyncIterator[Any]:
    """To the database at ``here.url``, whichever it is."""
    connection = await asyncpg.connect(here.url)
    try:
        yield connection
    finally:
        connection.terminate()
