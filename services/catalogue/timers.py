"""Deadlines of the catalogue: an offer ends with its last day."""

from infra.database import Transaction
from infra.service import Timer
from services.catalogue import store
from services.catalogue.handlers.offers import end_offers

AT_ONCE = 200


async def expire_offers(tx: Transaction) -> int:
    over = await store.expired(tx, tx.now.date(), AT_ONCE)
    await end_offers(tx, over, "expired")
    return len(over)


TIMERS = (Timer("expiring offers", 5, expire_offers),)
