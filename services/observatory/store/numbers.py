"""The numbers by which items are judged: if the policy changes them, all items are marked to be judged again, in
portions. SQL is written by hand here for locks and arrays."""

import msgspec

from catalogue.policy import ObservatoryRules
from infra.database import Transaction

AT_ONCE = 2_000
"""The most items that are marked in one transaction."""


async def mark_changed(tx: Transaction, rules: ObservatoryRules) -> int:
    """Mark the next items that were judged by other numbers. Return how many were examined. They wait behind all items
    that live prices made due.

    If no numbers are stored, items were judged by the default numbers, because the former release had no others.
    """
    db = await tx.raw()
    now = _text(rules)
    row = await db.fetchrow("select rules, marked_to from observatory.numbers for update skip locked")
    if row is None:
        await db.execute(
            "insert into observatory.numbers (rules) values ($1) on conflict do nothing", _text(ObservatoryRules())
        )
        return 0
    same = row["rules"] == now
    if same and row["marked_to"] is None:
        return 0
    keys = [
        each["item_key"]
        for each in await db.fetch(
            "select item_key from observatory.items where item_key > $1 order by item_key limit $2 for update",
            row["marked_to"] if same else "",
            AT_ONCE,
        )
    ]
    await db.execute(
        "update observatory.items set due_at = least(due_at, $2), in_bulk = in_bulk or due_at is null"
        " where item_key = any($1::text[]) and observations > 0",
        keys,
        tx.now,
    )
    last = keys[-1] if len(keys) == AT_ONCE else None
    await db.execute("update observatory.numbers set rules = $1, marked_to = $2", now, last)
    return len(keys)


def _text(rules: ObservatoryRules) -> str:
    return msgspec.json.encode(rules).decode()
