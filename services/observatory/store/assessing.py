"""Items that are due, and what their assessment leaves."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import itemgetter

import msgspec

from infra.database import Transaction
from infra.reading import Unreadable, readable
from services.observatory.domain import Rest
from services.observatory.store.reading import Card, Snapshot, card_of
from services.observatory.store.rulings import Change, put_changes

SHORT_LIVED = timedelta(days=1)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What an assessment leaves at its item. ``snapshot`` is a new one to keep, and ``change`` what it
    changes of those; None where the standing one holds."""

    item_key: str
    observations: int
    reference_id: str | None
    published: bool
    due_at: datetime | None
    rest: Rest
    snapshot: Snapshot | None = None
    change: Change | None = None


async def claim_due(tx: Transaction, most: int, prices: int) -> list[Card | Unreadable[str]]:
    """Items whose time has come, those of live prices first, locked; nobody else assesses them meanwhile, and they are due no more.
    Those that stay due are free again with the end of the transaction: so many that all have ``prices`` together, or the first alone
    where it has more."""
    rows = await (await tx.raw()).fetch(
        "with due as materialized (select item_key, in_bulk, due_at from observatory.items"
        " where in_bulk = any(array[false, true]) and due_at <= $1 order by in_bulk, due_at limit $2 for update skip locked),"
        " heavy as (select item_key, sum(n) over (order by in_bulk, due_at, item_key) - n as before from due, lateral"
        " (select count(*) as n from (select from observatory.observations o where o.item_key = due.item_key limit $3) as o) as counted)"
        " update observatory.items i set due_at = null from heavy where i.item_key = heavy.item_key and heavy.before < $3"
        " returning i.*",
        tx.now,
        most,
        prices,
    )
    return readable(rows, itemgetter("item_key"), card_of)


async def settle(tx: Transaction, outcomes: Sequence[Outcome]) -> None:
    """Keep what an assessment found: new snapshots, and where their items stand.

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
    await connection.execute(
        "update observatory.items i set observations = o.n, reference_id = o.reference_id, published = o.published,"
        " due_at = o.due_at, in_bulk = true, trouble = null, rests_until = o.rests_until, rest = o.rest from unnest($1::text[], $2::int[],"
        " $3::text[], $4::bool[], $5::timestamptz[], $6::timestamptz[], $7::interval[])"
        " as o (item_key, n, reference_id, published, due_at, rests_until, rest) where i.item_key = o.item_key",
        [outcome.item_key for outcome in outcomes],
        [outcome.observations for outcome in outcomes],
        [outcome.reference_id for outcome in outcomes],
        [outcome.published for outcome in outcomes],
        [outcome.due_at for outcome in outcomes],
        [outcome.rest.until for outcome in outcomes],
        [outcome.rest.owed for outcome in outcomes],
    )


async def set_aside(tx: Transaction, item_key: str, why: str, again_at: datetime) -> None:
    """The item's prices cannot be judged: it is due again then, or when new ones come."""
    await (await tx.raw()).execute(
        "update observatory.items set trouble = $2, due_at = $3 where item_key = $1", item_key, why, again_at
    )


async def last_versions(tx: Transaction, item_keys: Sequence[str]) -> dict[str, int]:
    """Of each item that has one."""
    rows = await (await tx.raw()).fetch(
        "select item_key, last.version from unnest($1::text[]) as asked (item_key) cross join lateral ("
        " select version from observatory.snapshots s where s.item_key = asked.item_key order by version desc limit 1) as last",
        list(item_keys),
    )
    return {row["item_key"]: row["version"] for row in rows}
