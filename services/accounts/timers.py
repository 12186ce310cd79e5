"""Deadlines of accounts: suspensions end by themselves, failed logins are forgotten."""

from datetime import timedelta

from infra.database import Transaction
from infra.service import Timer
from services.accounts import store
from services.accounts.handlers import set_state

KEPT = timedelta(hours=1)


async def end_suspensions(tx: Transaction) -> int:
    over = await store.suspensions_over(tx, 100)
    for organisation in over:
        await set_state(tx, organisation.organisation_id, "active", "the suspension has run its time")
    return len(over)


async def forget_tries(tx: Transaction) -> int:
    await store.forget_tries(tx, KEPT)
    return 0


TIMERS = (Timer("suspensions", 5, end_suspensions), Timer("tries", 300, forget_tries))
