"""A list of keys is one argument of a statement, however long it is: the driver allows 32,767 arguments."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date
from typing import Any

import pytest

from infra.away import is_away
from infra.database import Transaction
from services.accounts.store import organisations
from services.catalogue import store as catalogue
from services.catalogue.store import endings
from services.notifications import store as notifications
from services.pools import store as pools
from services.quotes import store as quotes
from tests.market import Market

KEYS = [f"unheard-of-{number}" for number in range(33_000)]
Find = Callable[[Transaction, Sequence[str]], Awaitable[Any]]

FINDS: dict[str, tuple[str, Find]] = {
    "suspensions over": ("accounts", lambda tx, keys: organisations.suspensions_over(tx, 5, keys)),
    "offers over": ("catalogue", lambda tx, keys: catalogue.lock_expired(tx, date(2000, 1, 1), 5, keys)),
    "endings": ("catalogue", lambda tx, keys: endings.lock_endings(tx, 5, [("sku", key) for key in keys])),
    "members due": ("notifications", lambda tx, keys: notifications.lock_due(tx, 5, keys)),
    "pools due": ("pools", lambda tx, keys: pools.lock_due(tx, 5, keys)),
    "requests due": ("quotes", lambda tx, keys: quotes.lock_due(tx, 5, keys)),
    "published SKUs": ("catalogue", lambda tx, keys: catalogue.published(tx, keys)),
    "SKUs that are shown": ("catalogue", lambda tx, keys: catalogue.shown(tx, keys)),
    "newest versions": ("catalogue", lambda tx, keys: catalogue.newest_of(tx, keys)),
    "offers to end": ("catalogue", lambda tx, keys: endings.end_offers(tx, keys, "expired")),
}


@pytest.mark.parametrize("what", FINDS)
async def test_a_store_takes_more_keys_than_a_statement_takes_arguments(market: Market, what: str) -> None:
    service, find = FINDS[what]
    async with market.resources.database.of(service).transaction(service) as tx:
        await find(tx, KEYS)


async def test_too_many_arguments_are_the_fault_of_the_work(market: Market) -> None:
    places = ", ".join(f"${number}::text" for number in range(1, len(KEYS) + 1))
    with pytest.raises(Exception, match="arguments") as refused:
        await market.fetch(f"select 1 where '' in ({places})", *KEYS)
    assert not is_away(refused.value)
