"""Deadlines of the observatory: items whose prices changed are judged at once or after a rest, current figures once a
day, and all items when the policy has other numbers; the ends of references are published again."""

from collections.abc import Sequence
from datetime import datetime

from catalogue.policy import load
from infra.database import Transaction
from infra.due import Due
from infra.reading import UnreadableKey
from infra.service import Resources, Timer
from services.observatory import store
from services.observatory.handlers import JudgedItem, claim_due, judge_due, keep_judged, publish_ends
from services.observatory.store import ItemCard


def timers(resources: Resources) -> tuple[Timer, ...]:
    """The timers. Each assessment uses the current numbers of the policy's file: a reference price is not a process
    with a stored policy."""

    known: dict[str, ItemCard] = {}
    """The items that are judged in this run, as they were before."""

    async def judge(tx: Transaction, _: Sequence[str]) -> list[JudgedItem | UnreadableKey[str]]:
        claimed = await claim_due(tx)
        known.clear()
        known.update({each.item.item_key: each for each in claimed if isinstance(each, ItemCard)})
        return await judge_due(tx, claimed, load(resources.config.policy).observatory)

    async def set_aside(tx: Transaction, key: str, why: str, again_at: datetime) -> None:
        await store.set_aside(tx, key, why, again_at, known[key].written if key in known else None)

    due = Due("observatory assess", judge, lambda each: each.item_key, keep_judged, aside=set_aside)

    async def mark_changed(tx: Transaction) -> int:
        return await store.mark_changed(tx, load(resources.config.policy).observatory)

    return (Timer("assess", 0.25, due), Timer("numbers", 5, mark_changed), Timer("ends", 5, publish_ends))
