"""Fixtures that import modules only when they are used: the quick part of the tests needs none of them."""

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from infra.embedded import Servers
    from tests.road import Road


@pytest.fixture
async def road(servers: "Servers", topics: None, monkeypatch: pytest.MonkeyPatch) -> "AsyncIterator[Road]":
    """A road on which failing events are tried again at once."""
    from tests.road import a_road

    monkeypatch.setattr("infra.inbox.RETRIES", (0.01,))
    async with a_road(servers) as made:
        yield made
