"""Due items, and the storage of their assessments.

Judging an item with many prices takes seconds, and storing a new price needs the item's row. Therefore the row is not
locked while it is judged: an advisory lock, which ends with its transaction, shows that the item is being judged. The
row is locked only at the end, to be written.

SQL is written by hand here for JSON.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import itemgetter

import asyncpg
import msgspec

from infra.database import Transaction
from infra.reading import UnreadableKey, readable
from services.observatory.domain import Rest
from services.observatory.store.reading import ItemCard, Snapshot, card_of
from services.observatory.store.rulings import RulingChange, put_changes

SHORT_LIVED = timedelta(days=1)
LONGEST_JUDGING = "5min"
"""The longest idle time of a judging transaction, while a thread computes. It delays no other work."""


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an assessment of the item in ``card``. ``snapshot`` is a new snapshot to store, and ``change`` the
    changed rulings; both are None if the current snapshot is unchanged."""

    card: ItemCard
    observations: int
    reference_id: str | None
    published: bool
    due_at: datetime | None
    rest: Rest
    snapshot: Snapshot | None = None
    change: RulingChange | None = None


class Overtaken(Exception):
    """Another process judged these items meanwhile: the results here may be older."""

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


async def claim_due(tx: Transaction, most: int, prices: int) -> list[ItemCard | UnreadableKey[str]]:
    """Claim due items that no other process judges, those with live prices first: so many that they have at most
    ``prices`` together, or only the first if it has more. No other process claims them before this transaction ends.
    They stay due until they are settled, so that they are due at once if the process dies."""
    db = await tx.raw()
    await db.execute("select set_config('idle_in_transaction_session_timeout', $1, true)", LONGEST_JUDGING)
    passed_over = 0
    while following := await db.fetch(_NEXT, tx.now, most, prices, passed_over):
        mine = await db.fetch(_CLAIM, [row["item_key"] for row in following])
        # A process that judged one of them a moment ago has ended, and its result is visible only now.
        rows = await db.fetch(
            "select xmin, * from observatory.items where item_key = any($1::text[]) and due_at <= $2 order by item_key",
            [row["item_key"] for row in mine],
            tx.now,
        )
        if rows:
            return readable(rows, itemgetter("item_key"), card_of)
        passed_over += len(following)
    return []


async def overtaken(tx: Transaction, cards: Iterable[ItemCard], *, lock: bool = False) -> set[str]:
    """The items that another process has judged since, although this process should have their locks. A new price makes
    an item due earlier; a judgement makes it due later or not at all."""
    known = {card.item.item_key: card for card in cards}
    rows = await (await tx.raw()).fetch(
        "select item_key, reference_id, published, due_at from observatory.items where item_key = any($1::text[]) order by item_key"
        + (" for update" if lock else ""),
        list(known),
    )
    return {row["item_key"] for row in rows if _is_judged_since(known[row["item_key"]], row)}


def _is_judged_since(card: ItemCard, row: asyncpg.Record) -> bool:
    never = datetime.max.replace(tzinfo=UTC)
    return (row["reference_id"], row["published"]) != (card.reference_id, card.published) or (
        (row["due_at"] or never) > (card.due_at or never)
    )


async def settle(tx: Transaction, outcomes: Sequence[Outcome]) -> None:
    """Store the results of an assessment: new snapshots, and the states of their items. An item that was written
    meanwhile, because of a price or of its SKU, is judged again after its rest. Raise Overtaken: then the transaction
    must be rolled back. The items are locked last, because storing prices also locks them.

    A new snapshot replaces one that was history and existed for less than a day, which was never published: otherwise
    an import of old prices would leave one version for each price.
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
    """Store that the item's prices cannot be judged. It is due again at ``again_at``, or when new prices come, which is
    the case if it was ``written`` since."""
    await (await tx.raw()).execute(
        "update observatory.items set trouble = $2, due_at = case when xmin::text = coalesce($4, xmin::text) then $3 else due_at end"
        " where item_key = $1",
        item_key,
        why,
        again_at,
        None if written is None else str(written),
    )


async def last_versions(tx: Transaction, item_keys: Sequence[str]) -> dict[str, int]:
    """The number of the last version of each item that has one."""
    rows = await (await tx.raw()).fetch(
        "select item_key, last.version from unnest($1::text[]) as asked (item_key) cross join lateral ("
        " select version from observatory.snapshots s where s.item_key = asked.item_key order by version desc limit 1) as last",
        list(item_keys),
    )
    return {row["item_key"]: row["version"] for row in rows}
