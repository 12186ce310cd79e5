"""Deadlines of accounts: suspensions end by themselves, failed logins are forgotten."""

from datetime import timedelta

from infra.database import Transaction
from infra.service import Timer
from services.accounts import handlers, store

KEPT = timedelta(hours=1)


async def end_suspensions(tx: Transaction) -> int:
    return await handlers.end_suspensions(tx, 100)


async def forget_tries(tx: Transaction) -> int:
    await store.forget_tries(tx, KEPT)
    return 0


TIMERS = (Timer("suspensions", 5, end_suspensions), Timer("tries", 300, forget_tries))
