"""Whose list is made anew, and when.

**Whom it concerns.** What opens or closes concerns those who work in its trade (:mod:`recommender.trades`: what they declared, and what
they offered, bid for or won) and those who sold to its buyer. All of these are found in an index. Whatever else may follow from it, such
as a supplier like others who won there, comes with the daily round of everybody, or with the next model.

**Walks.** A change of an opening marks nobody: it is noted, and asks for a walk through those it concerns, or through everybody. A walk
goes in portions, in the order of ids, and waits while enough lists wait to be made: so marks cost what making lists costs, however many
openings there are. Walks take turns, portion by portion. What is asked for again during a walk, or within GATHERED after it began, is
one more walk after it.

**Places.** A mark is set where none is: who waits keeps its place, and its row is not written again. A list that is being made has the
mark TAKEN; a mark that comes meanwhile replaces it, and so is not lost.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

import asyncpg

from infra.database import Transaction, columns
from recommender.trades import concerned, trades

EVERYONE, TRADE, BUYER = "everyone", "trade/", "buyer/"
GATHERED = timedelta(seconds=10)
"""From the beginning of a walk to that of the next one through the same suppliers."""
ROUND = timedelta(days=1)
"""At least so often everybody is walked through."""
PORTION = 1000
"""Suppliers that a walk comes to at a time."""
NOTED = 10_000
"""Changes that are looked at together."""
ENOUGH = 400
"""While so many lists wait to be made, no more are marked by walks."""
NAME = 200
"""Letters of a buyer's name that the index has."""
TAKEN = "to_timestamp(0)"
"""The mark of a list that is being made: it comes first again, should its maker die."""

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
"""Where those are whom a walk goes through: after one, each in the order of an index."""


async def mark(tx: Transaction, suppliers: Collection[str]) -> None:
    """Their lists are made anew. Imported suppliers have no members to read a list: theirs waits until it is asked for."""
    await (await tx.raw()).execute(
        f"with marked as (select supplier_id from recommender.suppliers where supplier_id = any($1::text[]) and native"
        f" and (dirty_at is null or dirty_at = {TAKEN}) order by supplier_id for update)"
        " update recommender.suppliers one set dirty_at = $2 from marked where one.supplier_id = marked.supplier_id",
        sorted(set(suppliers)),
        tx.now,
    )


async def settle(tx: Transaction, suppliers: Collection[str]) -> None:
    """Takes the marks away from those whose list was made, except from who was marked again meanwhile."""
    await (await tx.raw()).execute(
        f"""with one as (select supplier_id from recommender.suppliers where supplier_id = any($1::text[]) and dirty_at = {TAKEN}
              order by supplier_id for update)
            update recommender.suppliers made set dirty_at = null from one where made.supplier_id = one.supplier_id""",
        list(suppliers),
    )


async def keep_trades(tx: Transaction, declared: Iterable[tuple[str, Iterable[str]]]) -> None:
    """In which categories suppliers say that they work. What they said before stays: it costs a list that need not have been made."""
    kept = sorted({(trade, who) for who, categories in declared for one in categories for trade in trades(one)})
    if kept:
        await (await tx.raw()).execute(
            "insert into recommender.trades (trade, supplier_id) select * from unnest($1::text[], $2::text[])"
            " on conflict do nothing",
            *columns(kept),
        )


async def note_changed(tx: Transaction, opportunities: Collection[str]) -> None:
    """These opened or closed: whom they concern gets a new list. It is only noted, so that who notes it waits for nobody."""
    await (await tx.raw()).execute(
        "insert into recommender.changes (opportunity_id) select unnest($1::text[])", list(opportunities)
    )


async def ask_everyone(tx: Transaction) -> None:
    await _ask(tx, [EVERYONE])


async def ask(tx: Transaction) -> None:
    """Ask for the walks that follow from what changed, and for the daily round where the last one was long ago."""
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
    """Of a walk: ``suppliers`` it came to, at most ``most``; those whom somebody ``held`` are marked each by itself, so that no
    transaction waits while it holds what another may wait for. The walk does what was asked for up to ``goal``."""

    walk: str
    goal: int
    begins: bool
    suppliers: Sequence[str]
    most: int
    held: Sequence[str]


async def mark_portion(tx: Transaction) -> Portion | None:
    """Mark the next ones whom something concerns; None while enough lists wait, and when nothing was asked for. The walk stands where
    it stood until :func:`go_on`: in a transaction of its own, since who marks a supplier may be noting a change as well."""
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
    # Who makes lists walks too: what is taken now is left from a try that failed, and keeps its place.
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
    """The walk goes on after this portion, or is over."""
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
    """The next ones, in order."""
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
    """A former release keeps none."""
    rows = await (await tx.raw()).fetch(
        "select supplier_id, declared from recommender.suppliers where supplier_id = any($1::text[]) and native",
        suppliers,
    )
    await keep_trades(tx, [(row["supplier_id"], row["declared"]) for row in rows])
