"""Items that are due, and what their assessment leaves.

To judge an item takes seconds where it has many prices, and whoever keeps a price needs the item's row. So nobody who judges locks a row:
an advisory lock, which ends with its transaction, says that somebody judges the item. The row is locked at the end, to be written.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter

import asyncpg
import msgspec

from infra.database import Transaction
from infra.reading import Unreadable, readable
from services.observatory.domain import Rest
from services.observatory.store.reading import Card, Snapshot, card_of
from services.observatory.store.rulings import Change, put_changes

SHORT_LIVED = timedelta(days=1)
LONGEST_JUDGING = "5min"
"""A transaction that judges stands still for so long at most, while a thread computes: it keeps nobody waiting."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an assessment leaves at the item that ``card`` told of before. ``snapshot`` is a new one to keep, and ``change`` what it
    changes of those; None where the standing one holds."""

    card: Card
    observations: int
    reference_id: str | None
    published: bool
    due_at: datetime | None
    rest: Rest
    snapshot: Snapshot | None = None
    change: Change | None = None


class Overtaken(Exception):
    """Somebody else judged these items meanwhile: what was found of them here may be older."""

    def __init__(self, item_keys: set[str]) -> None:
        super().__init__(", ".join(sorted(item_keys)))
        self.item_keys = item_keys


_NEXT = """
with due as materialized (select item_key, in_bulk, due_at from observatory.items
  where in_bulk = any(array[false, true]) and due_at <= $1 order by in_bulk, due_at limit $2 offset $4),
heavy as (select item_key, sum(n) over (order by in_bulk, due_at, item_key) - n as before from due, lateral
  (select count(*) as n from (select from observatory.observations o where o.item_key = due.item_key limit $3) as o) as counted)
select item_key from heavy where before < $3
"""
_CLAIM = """
select item_key from unnest($1::text[]) as next (item_key)
where pg_try_advisory_xact_lock(hashtextextended('observatory/judging/' || item_key, 0))
"""


async def claim_due(tx: Transaction, most: int, prices: int) -> list[Card | Unreadable[str]]:
    """Items whose time has come and that nobody else judges, those of live prices first: so many that all have ``prices`` together, or
    the first alone where it has more. Until the end of the transaction nobody else claims them. They stay due until they are settled:
    of a process that dies meanwhile they are due at once."""
    db = await tx.raw()
    await db.execute("select set_config('idle_in_transaction_session_timeout', $1, true)", LONGEST_JUDGING)
    passed_over = 0
    while following := await db.fetch(_NEXT, tx.now, most, prices, passed_over):
        mine = await db.fetch(_CLAIM, [row["item_key"] for row in following])
        # Who judged one of them a moment ago has ended, and what it left is seen only now.
        rows = await db.fetch(
            "select xmin, * from observatory.items where item_key = any($1::text[]) and due_at <= $2 order by item_key",
            [row["item_key"] for row in mine],
            tx.now,
        )
        if rows:
            return readable(rows, itemgetter("item_key"), card_of)
        passed_over += len(following)
    return []


async def overtaken(tx: Transaction, cards: Iterable[Card], *, lock: bool = False) -> set[str]:
    """Those that somebody else judged since, though this process believes it has their locks. Prices only make an item due earlier, and
    who judged it makes it due later or no more."""
    known = {card.item.item_key: card for card in cards}
    rows = await (await tx.raw()).fetch(
        "select item_key, reference_id, published, due_at from observatory.items where item_key = any($1::text[]) order by item_key"
        + (" for update" if lock else ""),
        list(known),
    )
    return {row["item_key"] for row in rows if _is_judged_since(known[row["item_key"]], row)}


def _is_judged_since(card: Card, row: asyncpg.Record) -> bool:
    never = datetime.max.replace(tzinfo=UTC)
    return (row["reference_id"], row["published"]) != (card.reference_id, card.published) or (
        (row["due_at"] or never) > (card.due_at or never)
    )


async def settle(tx: Transaction, outcomes: Sequence[Outcome]) -> None:
    """Keep what an assessment found: new snapshots, and where their items stand. An item that was written meanwhile, because of a price
    or of its SKU, is judged again after its rest. Raises Overtaken, and then nothing of it may stay. The items are locked last, by
    whoever keeps prices.

    A new snapshot takes the place of one that was history and stood for less than a day: nobody was told of that one. An import of old
    prices would leave a version of all of them for each of them.
    """
    connection = await tx.raw()
    new = [outcome.snapshot for outcome in outcomes if outcome.snapshot]
    await connection.executemany(
        "insert into observatory.snapshots (reference_id, item_key, version, made_at, current, valued_on, kind, unit,"
        " currency, level, place_code, median, p25, p75, observations, suppliers, variation, grade, body, terms, digest)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19::text::jsonb,"
        " $20::text::jsonb, $21)",
        [
            (
                snapshot.reference_id,
                made.item_key,
                snapshot.version,
                snapshot.made_at,
                snapshot.current,
                made.valued_on,
                made.kind,
                made.unit,
                made.currency,
                made.level,
                made.place_code,
                made.median,
                made.p25,
                made.p75,
                made.observations,
                made.suppliers,
                made.variation,
                made.grade,
                msgspec.json.encode(made).decode(),
                msgspec.json.encode(snapshot.terms).decode(),
                snapshot.digest,
            )
            for snapshot in new
            for made in [snapshot.reference]
        ],
    )
    await connection.execute(
        "delete from observatory.snapshots s using unnest($1::text[], $2::int[]) as n (item_key, version)"
        " where s.item_key = n.item_key and s.version = n.version - 1 and not s.current and s.made_at > $3",
        [each.reference.item_key for each in new],
        [each.version for each in new],
        tx.now - SHORT_LIVED,
    )
    await put_changes(tx, [outcome.change for outcome in outcomes if outcome.change])
    if others := await overtaken(tx, (outcome.card for outcome in outcomes), lock=True):
        raise Overtaken(others)
    await connection.execute(
        "update observatory.items i set observations = o.n, reference_id = o.reference_id, published = o.published,"
        " due_at = case when i.xmin::text = o.written then o.due_at else o.rests_until end,"
        " in_bulk = i.in_bulk or i.xmin::text = o.written,"
        " trouble = null, rests_until = o.rests_until, rest = o.rest from unnest($1::text[], $2::int[],"
        " $3::text[], $4::bool[], $5::timestamptz[], $6::timestamptz[], $7::interval[], $8::text[])"
        " as o (item_key, n, reference_id, published, due_at, rests_until, rest, written) where i.item_key = o.item_key",
        [outcome.card.item.item_key for outcome in outcomes],
        [outcome.observations for outcome in outcomes],
        [outcome.reference_id for outcome in outcomes],
        [outcome.published for outcome in outcomes],
        [outcome.due_at for outcome in outcomes],
        [outcome.rest.until for outcome in outcomes],
        [outcome.rest.owed for outcome in outcomes],
        [str(outcome.card.written) for outcome in outcomes],
    )


async def set_aside(tx: Transaction, item_key: str, why: str, again_at: datetime, written: int | None) -> None:
    """The item's prices cannot be judged: it is due again then, or when new ones come, which they did where it was ``written`` since."""
    await (await tx.raw()).execute(
        "update observatory.items set trouble = $2, due_at = case when xmin::text = coalesce($4, xmin::text) then $3 else due_at end"
        " where item_key = $1",
        item_key,
        why,
        again_at,
        None if written is None else str(written),
    )


async def last_versions(tx: Transaction, item_keys: Sequence[str]) -> dict[str, int]:
    """Of each item that has one."""
    rows = await (await tx.raw()).fetch(
        "select item_key, last.version from unnest($1::text[]) as asked (item_key) cross join lateral ("
        " select version from observatory.snapshots s where s.item_key = asked.item_key order by version desc limit 1) as last",
        list(item_keys),
    )
    return {row["item_key"]: row["version"] for row in rows}
