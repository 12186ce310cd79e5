"""Lapse requests that nobody answered in time."""

from collections.abc import Sequence

from infra.database import Transaction
from infra.due import Due
from infra.reading import UnreadableKey
from infra.service import Timer
from services.purchases.domain.purchases import LapseAnswer
from services.purchases.handlers import carry_out_answer
from services.purchases.store import purchases

AT_ONCE = 100


async def _lock_due(tx: Transaction, but: Sequence[str]) -> list[purchases.StoredPurchase | UnreadableKey[str]]:
    return await purchases.lock_due(tx, AT_ONCE, but)


async def lapse(tx: Transaction, due: Sequence[purchases.StoredPurchase]) -> None:
    for kept in due:
        await carry_out_answer(tx, kept, LapseAnswer())


TIMERS = (Timer("lapse", 1, Due("purchases lapse", _lock_due, lambda kept: kept.process_id, lapse)),)
