"""Lists of recommendations: those that wait to be made again, the data for them, and the lists themselves. SQL is
written by hand here for aggregates, upserts, lists and guarded writes."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import delete
from sqlmodel import col, select

from events.recommender import Recommendation
from infra.database import Transaction
from infra.listing import count
from infra.reading import UnreadableRow, read_json
from recommender import Award, Opportunity, Scored, SupplierProfile
from recommender.interest import strongest
from services.recommender.store import marks
from services.recommender.store.openings import SHOWN, STILL_OPEN, OpenOpportunity
from services.recommender.store.rows import DismissalRow, SupplierRow

ACTIVE = 5
"""The most categories in which a supplier counts as active."""
BROADEST = 3
"""The least length of a useful code: shorter ones, such as the first digit of CPV divisions, contain half of the
market."""
HIDDEN = 50
"""The most dismissed opportunities that are shown to a supplier; the latest are chosen."""


class WaitingSupplier(msgspec.Struct, frozen=True, kw_only=True):
    """A supplier whose list is being made, as it was when it was taken. ``dismissed`` are its dismissed opportunities
    that are still open."""

    profile: SupplierProfile
    active: bool
    native: bool
    dismissed: frozenset[str]


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """A list for display. ``items`` are still open; ``hidden`` are the open ones that the supplier dismissed last."""

    model_id: str
    made_at: datetime
    items: list[Recommendation]
    hidden: list[OpenOpportunity]


class Invitee(msgspec.Struct, frozen=True, kw_only=True):
    supplier_id: str
    name: str
    score: float
    awards: int
    """Awards in the whole history."""
    in_category: int
    """Awards in the opportunity's category."""


class Together(msgspec.Struct, frozen=True, kw_only=True):
    sku_id: str
    name: str
    together: int


# Waiting lists


async def ask(tx: Transaction, supplier_id: str, fresh: timedelta) -> None:
    """Ask for the list of an imported supplier: it will be made unless there is one that is ``fresh``."""
    await (await tx.raw()).execute(
        """update recommender.suppliers set asked_at = $2, dirty_at = $2 where supplier_id = $1 and not native
           and dirty_at is null and (asked_at is null or asked_at < $3)""",
        supplier_id,
        tx.now,
        tx.now - fresh,
    )


async def take_waiting(tx: Transaction, limit: int) -> list[WaitingSupplier]:
    """Take the suppliers that have waited longest; their lists count as being made until they are settled or wait
    again."""
    rows = await (await tx.raw()).fetch(
        f"""with one as (select supplier_id, state, region, declared, native from recommender.suppliers
              where dirty_at is not null order by dirty_at limit $1 for update skip locked),
            taken as (update recommender.suppliers held set dirty_at = {marks.TAKEN} from one
              where held.supplier_id = one.supplier_id and dirty_at <> {marks.TAKEN})
           select supplier_id, state, region, declared, native,
             array(select distinct category from recommender.offers where offers.supplier_id = one.supplier_id
                   and not archived order by 1) as offered,
             array(select opportunity_id from recommender.dismissals join recommender.opportunities using (opportunity_id)
                   where dismissals.supplier_id = one.supplier_id and open) as dismissed,
             (select coalesce(jsonb_object_agg(category, points), '{{}}')::text from recommender.interest
              where interest.supplier_id = one.supplier_id) as interest
           from one""",
        limit,
    )
    return [
        WaitingSupplier(
            profile=SupplierProfile(
                supplier_id=row["supplier_id"],
                region=row["region"],
                declared=tuple(row["declared"]),
                offered=tuple(row["offered"]),
                active=active_in(read_json("interest of", row["supplier_id"], row["interest"], dict[str, int])),
            ),
            active=row["state"] == "active",
            native=row["native"],
            dismissed=frozenset(row["dismissed"]),
        )
        for row in rows
    ]


def active_in(points: dict[str, int]) -> tuple[str, ...]:
    """The few categories of most interest whose codes are not too short."""
    narrow = {category: n for category, n in points.items() if len(category.rpartition(":")[2]) >= BROADEST}
    return tuple(strongest(narrow, ACTIVE))


# The history of awards


async def count_awards(tx: Transaction, most: int) -> int:
    """The number of awards that count, up to ``most`` + 1."""
    return await count(await tx.raw(), "select from recommender.awards where not cancelled", most=most)


async def last_heard(tx: Transaction) -> datetime | None:
    """The time of the last change of the history."""
    last: datetime | None = await (await tx.raw()).fetchval("select max(heard_at) from recommender.awards")
    return last


async def awards_version(tx: Transaction) -> tuple[int, datetime | None]:
    """(number of awards that count, time of the last change). It counts all of them."""
    row = await (await tx.raw()).fetchrow(
        "select count(*) filter (where not cancelled) as n, max(heard_at) as at from recommender.awards"
    )
    assert row is not None
    return row["n"], row["at"]


async def awards(tx: Transaction) -> list[Award]:
    """The whole history. A contract of a process with awards to the same supplier repeats the award and is left out."""
    rows = await (await tx.raw()).fetch(
        """select * from recommender.awards one where not cancelled and not (kind = 'contract' and exists (
             select 1 from recommender.awards award where award.kind = 'award'
             and award.process_id = one.process_id and award.supplier_id = one.supplier_id))
           order by awarded_on, process_id, award_id, supplier_id"""
    )
    return [
        Award(
            supplier=row["supplier_id"],
            opportunity=Opportunity(
                buyer=row["buyer_name"],
                region=row["region"],
                city=row["city"],
                category=row["category"],
                method=row["method"],
                title=row["title"],
            ),
            date=row["awarded_on"],
            tender=row["process_id"],
        )
        for row in rows
    ]


# Lists that were made


async def replace_list(tx: Transaction, supplier_id: str, model_id: str, items: Sequence[Recommendation]) -> bool:
    """Store the list. Return whether it differs from the last one (changes of scores or ends do not count)."""
    connection = await tx.raw()
    last = await connection.fetchval(
        "select items::text from recommender.lists where supplier_id = $1 for update", supplier_id
    )
    before = _former(supplier_id, last) if last else []
    await connection.execute(
        """insert into recommender.lists (supplier_id, model_id, made_at, items) values ($1, $2, $3, $4::text::jsonb)
           on conflict (supplier_id) do update set model_id = excluded.model_id, made_at = excluded.made_at,
               items = excluded.items""",
        supplier_id,
        model_id,
        tx.now,
        msgspec.json.encode(items).decode(),
    )
    return [_said(item) for item in before] != [_said(item) for item in items]


def _former(supplier_id: str, items: str) -> list[Recommendation]:
    """One that this release cannot read says something else than a new one does, and is replaced."""
    try:
        return read_json("recommendations of", supplier_id, items, list[Recommendation])
    except UnreadableRow:
        return []


def _said(item: Recommendation) -> tuple[object, ...]:
    return item.opportunity_id, item.title, item.path, item.reasons


async def made(tx: Transaction, supplier_id: str, until: datetime) -> Made | None:
    """The list, with opportunities that end up to ``until``; None while none was made yet."""
    connection = await tx.raw()
    row = await connection.fetchrow(
        "select model_id, made_at, items::text from recommender.lists where supplier_id = $1", supplier_id
    )
    if row is None:
        return None
    listed = read_json("recommendations of", supplier_id, row["items"], list[Recommendation])
    ends = {
        found["opportunity_id"]: found["closes_at"]
        for found in await connection.fetch(
            f"""select opportunity_id, closes_at from recommender.opportunities one
                where opportunity_id = any($3::text[]) and {STILL_OPEN} and not exists (
                  select 1 from recommender.dismissals where dismissals.supplier_id = $4
                  and dismissals.opportunity_id = one.opportunity_id)""",
            tx.now,
            until,
            [item.opportunity_id for item in listed],
            supplier_id,
        )
    }
    hidden = await connection.fetch(
        f"""select {SHOWN} from recommender.dismissals join recommender.opportunities one using (opportunity_id)
            where supplier_id = $3 and {STILL_OPEN} order by dismissed_at desc, opportunity_id limit {HIDDEN}""",
        tx.now,
        until,
        supplier_id,
    )
    return Made(
        model_id=row["model_id"],
        made_at=row["made_at"],
        items=[
            msgspec.structs.replace(item, closes_at=ends[item.opportunity_id])
            for item in listed
            if item.opportunity_id in ends
        ],
        hidden=[OpenOpportunity(**found) for found in hidden],
    )


async def is_imported(tx: Transaction, supplier_id: str) -> bool:
    native = (await tx.session.exec(select(SupplierRow.native).where(SupplierRow.supplier_id == supplier_id))).first()
    return native is False


async def knows(tx: Transaction, supplier_id: str) -> bool:
    """Whether the supplier declared or did anything from which recommendations can follow."""
    query = """select cardinality(declared) > 0
                 or exists (select 1 from recommender.offers where offers.supplier_id = $1 and not archived)
                 or exists (select 1 from recommender.awards where awards.supplier_id = $1 and not cancelled)
                 or exists (select 1 from recommender.interest where interest.supplier_id = $1)
               from recommender.suppliers where supplier_id = $1"""
    return bool(await (await tx.raw()).fetchval(query, supplier_id))


async def dismiss(tx: Transaction, supplier_id: str, opportunity_id: str) -> None:
    await (await tx.raw()).execute(
        "insert into recommender.dismissals (supplier_id, opportunity_id, dismissed_at) values ($1, $2, $3) on conflict do nothing",
        supplier_id,
        opportunity_id,
        tx.now,
    )
    await marks.mark(tx, [supplier_id])


async def restore(tx: Transaction, supplier_id: str, opportunity_id: str) -> None:
    await tx.session.exec(
        delete(DismissalRow).where(
            col(DismissalRow.supplier_id) == supplier_id, col(DismissalRow.opportunity_id) == opportunity_id
        )
    )
    await marks.mark(tx, [supplier_id])


# For buyers and the public


async def keep_invitees(tx: Transaction, invitees: dict[str, list[Scored]]) -> None:
    await (await tx.raw()).executemany(
        """insert into recommender.invitees (opportunity_id, made_at, suppliers) values ($1, $2, $3::text::jsonb)
           on conflict (opportunity_id) do update set made_at = excluded.made_at, suppliers = excluded.suppliers""",
        [(one, tx.now, msgspec.json.encode(ranked).decode()) for one, ranked in sorted(invitees.items())],
    )


async def invitees(tx: Transaction, opening: OpenOpportunity, limit: int) -> list[Invitee] | None:
    """The suppliers to invite that may supply now, best first; None while none were ranked yet."""
    connection = await tx.raw()
    found = await connection.fetchval(
        "select suppliers::text from recommender.invitees where opportunity_id = $1", opening.opportunity_id
    )
    if found is None:
        return None
    ranked = read_json("invitees of", opening.opportunity_id, found, list[Scored])
    rows = await connection.fetch(
        """select supplier_id, name, count(award_id) as awards, count(award_id) filter (where category = $2) as in_category
           from recommender.suppliers left join recommender.awards using (supplier_id)
           where supplier_id = any($1::text[]) and state = 'active' and cancelled is not true
           group by supplier_id""",
        [one.supplier for one in ranked],
        opening.category,
    )
    known: dict[str, Any] = {row["supplier_id"]: row for row in rows}
    return [Invitee(score=one.score, **row) for one in ranked if (row := known.get(one.supplier))][:limit]


async def bought_with(tx: Transaction, sku_ids: Collection[str], limit: int) -> list[Together]:
    """The SKUs that are bought most often together with any of these, without these themselves."""
    rows = await (await tx.raw()).fetch(
        """select other_sku_id as sku_id, coalesce(max(name), other_sku_id) as name, sum(together)::int as together
           from recommender.co_purchases left join recommender.skus on skus.sku_id = other_sku_id
           where co_purchases.sku_id = any($1::text[]) and other_sku_id <> all($1::text[])
           group by other_sku_id order by sum(together) desc, other_sku_id limit $2""",
        list(sku_ids),
        limit,
    )
    return [Together(**row) for row in rows]


async def offered_skus(tx: Transaction, supplier_id: str, limit: int) -> list[str]:
    rows = await (await tx.raw()).fetch(
        "select sku_id from recommender.offers where supplier_id = $1 and not archived limit $2", supplier_id, limit
    )
    return sorted({row["sku_id"] for row in rows})
