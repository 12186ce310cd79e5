"""Deadlines of the observatory: items whose prices changed are judged at once or after a rest, standing figures once a day, and all
of them when the policy has other numbers."""

from collections.abc import Sequence

from catalogue.policy import load
from infra.database import Transaction
from infra.due import Due
from infra.service import Ground, Timer
from services.observatory import store
from services.observatory.handlers import assess, due_items
from services.observatory.store import Card


def timers(ground: Ground) -> tuple[Timer, ...]:
    """Each assessment goes by the numbers that are in the policy's file then: no reference price is a process that began under others."""

    async def assess_by_policy(tx: Transaction, cards: Sequence[Card]) -> None:
        await assess(tx, cards, load(ground.config.policy).observatory)

    due = Due("observatory assess", due_items, lambda card: card.item.item_key, assess_by_policy, aside=store.set_aside)

    async def mark_changed(tx: Transaction) -> int:
        return await store.mark_changed(tx, load(ground.config.policy).observatory)

    return (Timer("assess", 0.25, due), Timer("numbers", 5, mark_changed))
