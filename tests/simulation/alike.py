"""One suite for the simulated servers and the real ones: each scenario becomes a test on both.

A module that uses it has a fixture ``setting``, once ``played`` and once ``real``. Its ``run`` plays a scenario in a
loop of its own, so that the patches for the simulated servers do not affect other code.
"""

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Protocol

import asyncpg


class Setting(Protocol):
    def run(self, scenario: Any) -> None: ...


def alike(scenario: Callable[[Any], Coroutine[Any, Any, None]]) -> Callable[[Setting], None]:
    def test(setting: Setting) -> None:
        setting.run(scenario)

    test.__doc__ = scenario.__doc__
    return test


@asynccontextmanager
async def connected(here: Any) -> AsyncIterator[Any]:
    """Connect to the database at ``here.url``, simulated or real."""
    connection = await asyncpg.connect(here.url)
    try:
        yield connection
    finally:
        connection.terminate()
