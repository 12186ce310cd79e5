"""Deadlines of the catalogue: an offer ends when its last day is over in all time zones, because each buyer has its own
date. A second timer ends the remaining offers of a supplier or SKU that has many."""

from collections.abc import Sequence

from infra.database import Transaction
from infra.due import Due
from infra.reading import UnreadableKey
from infra.service import Timer
from services.catalogue import store
from services.catalogue.handlers.offers import end_offers, end_portion
from services.catalogue.pricing import date_of_all
from services.catalogue.store import endings
from services.catalogue.store.endings import EndingOffers

AT_ONCE = 200


async def _due(tx: Transaction, but: Sequence[str]) -> list[store.StandingOffer | UnreadableKey[str]]:
    return await store.lock_expired(tx, date_of_all(tx.now), AT_ONCE, but)


async def expire_offers(tx: Transaction, over: Sequence[store.StandingOffer]) -> None:
    await end_offers(tx, over, "expired")


async def _ending(
    tx: Transaction, but: Sequence[tuple[str, str]]
) -> list[EndingOffers | UnreadableKey[tuple[str, str]]]:
    return await endings.lock_endings(tx, 1, but)


async def go_on_ending(tx: Transaction, some: Sequence[EndingOffers]) -> None:
    for ending in some:
        if not await end_portion(tx, ending):
            await endings.forget_ending(tx, ending)


TIMERS = (
    Timer(
        "expiring offers", 5, Due("catalogue expiring offers", _due, lambda each: each.offer.offer_id, expire_offers)
    ),
    Timer(
        "ending offers",
        1,
        Due("catalogue ending offers", _ending, lambda each: (each.of, each.subject), go_on_ending),
        rest=0.05,
    ),
)
