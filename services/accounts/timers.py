"""Deadlines of accounts: suspensions end by themselves, and failed logins are deleted."""

from collections.abc import Sequence
from datetime import timedelta

from infra.database import Transaction
from infra.due import Due
from infra.reading import UnreadableKey
from infra.service import Timer
from services.accounts import handlers, store
from services.accounts.domain import Organisation

AT_ONCE = 100
KEPT = timedelta(hours=1)


async def _suspensions_over(tx: Transaction, but: Sequence[str]) -> list[Organisation | UnreadableKey[str]]:
    return await store.suspensions_over(tx, AT_ONCE, but)


async def forget_tries(tx: Transaction) -> int:
    await store.forget_tries(tx, KEPT)
    return 0


TIMERS = (
    Timer(
        "suspensions",
        5,
        Due("accounts suspensions", _suspensions_over, lambda each: each.organisation_id, handlers.end_suspensions),
    ),
    Timer("tries", 300, forget_tries),
)
