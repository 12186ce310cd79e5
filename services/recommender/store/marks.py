"""Which suppliers get a new list of recommendations, and when.

**Words.** A mark (``dirty_at``) says that the list of a supplier is outdated and waits to be made again. A walk is a scan over suppliers
that sets marks; it handles one portion of at most PORTION suppliers per transaction.

**Concerned suppliers.** An opening that opens or closes concerns the suppliers of its trade (:mod:`recommender.trades`: what they declared,
offered, bid for or won) and those that sold to its buyer. All of these are found in an index. Other effects, such as on a supplier that
resembles the winners there, come with the daily walk over all suppliers, or with the next model.

**Walks.** A changed opening is only recorded; later a walk over the suppliers that it concerns marks their lists as outdated. A walk
goes in the order of ids, and waits while ENOUGH lists wait to be made. So marking never runs ahead of list making, however many openings
change. Several walks alternate, portion by portion. If a walk is asked for again while it runs, or within GATHERED after it began, it runs
once more after that.

**Places.** A mark is set only if there is none: a supplier that is already marked keeps its position in the queue, and its row is not
written again. A list that is being made has the mark TAKEN; a new mark replaces TAKEN, and so is not lost.

SQL is written by hand here for arrays, lists and guarded writes.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

import asyncpg

from infra.database import Transaction, columns
from recommender.trades import concerned, trades

EVERYONE, TRADE, BUYER = "everyone", "trade/", "buyer/"
GATHERED = timedelta(seconds=10)
"""Shortest time between the starts of two walks over the same suppliers."""
ROUND = timedelta(days=1)
"""Longest time between the starts of two walks over all suppliers."""
PORTION = 1000
"""Suppliers in one portion of a walk."""
NOTED = 10_000
"""Recorded changes that are read in one transaction."""
ENOUGH = 400
"""While this many lists wait to be made, walks mark no more."""
NAME = 200
"""The index has this many first characters of a buyer's name."""
TAKEN = "to_timestamp(0)"
"""The mark of a list that is being made. If the process that makes it dies, the list comes first again."""

SOURCES = {
    EVERYONE: ("select supplier_id from recommender.suppliers where $1 = '' and supplier_id > $2",),
    TRADE: (
        "select supplier_id from recommender.trades where trade = $1 and supplier_id > $2",
        "select supplier_id from recommender.interest where category = $1 and supplier_id > $2",
    ),
    BUYER: (
        f"select distinct supplier_id from recommender.awards where left(buyer_name, {NAME}) = $1 and supplier_id > $2",
    ),
}
"""Queries that list the suppliers of each kind of walk, after a given id, in the order of an index."""


async def mark(tx: Transaction, suppliers: Collection[str]) -> None:
    """Mark the lists of these suppliers as outdated. Imported suppliers have no members who read a list: their lists are made when a user
    asks for them."""
    await (await tx.raw()).execute(
        f"with marked as (select supplier_id from recommender.suppliers where supplier_id = any($1::text[]) and native"
        f" and (dirty_at is null or dirty_at = {TAKEN}) order by supplier_id for update)"
        " update recommender.suppliers one set dirty_at = $2 from marked where one.supplier_id = marked.supplier_id",
        sorted(set(suppliers)),
        tx.now,
    )


async def settle(tx: Transaction, suppliers: Collection[str]) -> None:
    """Clear the mark of suppliers whose list was made, unless they were marked again meanwhile."""
    await (await tx.raw()).execute(
        f"""with one as (select supplier_id from recommender.suppliers where supplier_id = any($1::text[]) and dirty_at = {TAKEN}
              order by supplier_id for update)
            update recommender.suppliers made set dirty_at = null from one where made.supplier_id = one.supplier_id""",
        list(suppliers),
    )


async def keep_trades(tx: Transaction, declared: Iterable[tuple[str, Iterable[str]]]) -> None:
    """Store the categories in which suppliers declare that they work. Earlier declarations are kept; at worst a list is made without
    need."""
    kept = sorted({(trade, who) for who, categories in declared for one in categories for trade in trades(one)})
    if kept:
        await (await tx.raw()).execute(
            "insert into recommender.trades (trade, supplier_id) select * from unnest($1::text[], $2::text[])"
            " on conflict do nothing",
            *columns(kept),
        )


async def note_changed(tx: Transaction, opportunities: Collection[str]) -> None:
    """Record that these openings opened or closed; the suppliers that they concern get a new list later. It is only recorded here, so that
    the caller waits for no lock."""
    await (await tx.raw()).execute(
        "insert into recommender.changes (opportunity_id) select unnest($1::text[])", list(opportunities)
    )


async def ask_everyone(tx: Transaction) -> None:
    await _ask(tx, [EVERYONE])


async def ask(tx: Transaction) -> None:
    """Ask for the walks that follow from recorded changes, and for the walk over all suppliers if the last one began more than ROUND
    ago."""
    db = await tx.raw()
    changes = await db.fetch(
        """with noted as (delete from recommender.changes where position in (
             select position from recommender.changes order by position limit $1) returning opportunity_id)
           select distinct category, buyer_name from noted join recommender.opportunities using (opportunity_id)""",
        NOTED,
    )
    of_trades = {TRADE + trade for row in changes for trade in concerned(row["category"])}
    await _ask(tx, of_trades | {BUYER + row["buyer_name"][:NAME] for row in changes if row["buyer_name"]})
    await db.execute(
        "update recommender.work set asked = asked + 1 where name = $1 and done >= asked and (begun_at is null or begun_at < $2)",
        EVERYONE,
        tx.now - ROUND,
    )


async def _ask(tx: Transaction, walks: Collection[str]) -> None:
    if walks:
        await (await tx.raw()).execute(
            """insert into recommender.work as old (name, asked, done) select name, 1, 0 from unnest($1::text[]) name
               on conflict (name) do update set asked = old.asked + 1""",
            sorted(walks),
        )


class Portion(NamedTuple):
    """One portion of a walk: its ``suppliers``, at most ``most``. Those whose rows were locked (``held``) are then marked in a transaction
    each, so that no transaction holds some rows while it waits for others. ``goal``: the walk answers all requests up to this number."""

    walk: str
    goal: int
    begins: bool
    suppliers: Sequence[str]
    most: int
    held: Sequence[str]


async def mark_portion(tx: Transaction) -> Portion | None:
    """Mark the suppliers of the next portion. None while enough lists wait, or if no walk was asked for. The position of the walk is
    saved by :func:`go_on`, in a transaction of its own, because a transaction that marks suppliers may also record a change."""
    db = await tx.raw()
    waiting = await db.fetchval(
        "select count(*) from (select from recommender.suppliers where dirty_at is not null limit $1) found", ENOUGH
    )
    if waiting >= ENOUGH:
        return None
    row = await db.fetchrow(
        """select name, coalesce(goal, asked) as goal, reached, goal is null as begins from recommender.work
           where done < asked and (goal is not null or begun_at is null or begun_at <= $1)
           order by walked_at nulls first, name limit 1""",
        tx.now - GATHERED,
    )
    if row is None:
        return None
    suppliers = await _after(db, row["name"], row["reached"], PORTION)
    # The process that makes lists also runs the walks, so a mark TAKEN seen here is left over from a failed try; it is kept.
    held = await db.fetch(
        """with free as (select supplier_id from recommender.suppliers where supplier_id = any($1::text[]) and native
             and dirty_at is null order by supplier_id for update skip locked),
           marked as (update recommender.suppliers one set dirty_at = $2 from free where one.supplier_id = free.supplier_id
             returning one.supplier_id)
           select supplier_id from recommender.suppliers where supplier_id = any($1::text[]) and native and dirty_at is null
             and supplier_id not in (select supplier_id from marked)""",
        suppliers,
        tx.now,
    )
    return Portion(row["name"], row["goal"], row["begins"], suppliers, PORTION, [each["supplier_id"] for each in held])


async def go_on(tx: Transaction, portion: Portion) -> None:
    """Save that the walk has handled this portion; it continues after it, or has ended."""
    if portion.walk == EVERYONE:
        await _mend_trades(tx, portion.suppliers)
    over = len(portion.suppliers) < portion.most
    await (await tx.raw()).execute(
        """update recommender.work set walked_at = clock_timestamp(), begun_at = case when $2 then $3 else begun_at end,
             goal = case when not $4 then $5::int end, reached = case when $4 then '' else $6 end,
             done = case when $4 then $5 else done end where name = $1""",
        portion.walk,
        portion.begins,
        tx.now,
        over,
        portion.goal,
        "" if over else portion.suppliers[-1],
    )


async def _after(db: asyncpg.Connection, name: str, reached: str, most: int) -> list[str]:
    """The ids of the next suppliers of this walk, in order."""
    kind = next(each for each in SOURCES if name.startswith(each))
    parts = " union ".join(f"({source} order by supplier_id limit $3)" for source in SOURCES[kind])
    rows = await db.fetch(
        f"select distinct supplier_id from ({parts}) one order by supplier_id limit $3",
        name.removeprefix(kind),
        reached,
        most,
    )
    return [row["supplier_id"] for row in rows]


async def _mend_trades(tx: Transaction, suppliers: Sequence[str]) -> None:
    """Fill in the trades of suppliers that a former release stored without trades."""
    rows = await (await tx.raw()).fetch(
        "select supplier_id, declared from recommender.suppliers where supplier_id = any($1::text[]) and native",
        suppliers,
    )
    await keep_trades(tx, [(row["supplier_id"], row["declared"]) for row in rows])
