"""Openings: the opportunities, and which of them are near enough to be recommended.

An opening that ends beyond the horizon needs no work until the horizon reaches it. Then it is marked as near, once, and
the lists of the suppliers that it concerns are made again (:mod:`store.marks`). An opening that is closed before that
changes no list.

SQL is written by hand here for lists, aggregates, guarded writes and several tables.
"""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from catalogue.policy import load
from infra.database import Transaction
from recommender import Opportunity

INVITED_AGAIN_AFTER = timedelta(hours=1)
REACHED = 10_000
"""The most openings that are marked as near at a time."""
ENDS = "(closes_at is null or (closes_at > $1 and closes_at <= $2))"
"""SQL condition: the opening ends between now and the horizon, or its end is not known yet."""
STILL_OPEN = f"""open and {ENDS} and not (kind = 'pool' and exists (
    select 1 from recommender.opportunities auction
    where auction.pool_id = one.opportunity_id and (auction.near or not auction.open)))"""
"""SQL condition: a pool is an opportunity only until its mini-auction is one. ``one`` is the table."""


class OpenOpportunity(msgspec.Struct, frozen=True, kw_only=True):
    """An open opportunity for display."""

    opportunity_id: str
    kind: str
    native: bool
    title: str
    buyer_id: str
    buyer_name: str
    region: str
    city: str
    category: str
    method: str
    currency: str
    amount: Decimal | None
    path: str
    closes_at: datetime | None

    def described(self) -> Opportunity:
        return Opportunity(
            buyer=self.buyer_name,
            region=self.region,
            city=self.city,
            category=self.category,
            method=self.method,
            title=self.title,
            id=self.opportunity_id,
        )


SHOWN = ", ".join(OpenOpportunity.__struct_fields__)


def horizon(policy: str, now: datetime) -> datetime:
    """The latest end of openings that are recommended ``now``. It moves in whole hours, so that openings with close
    ends become near together and a list is made again only once for all of them."""
    days = load(policy).recommendation.horizon_days
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(days=days)


async def reach(tx: Transaction, until: datetime) -> list[str]:
    """Mark openings that the horizon has reached, including new ones, as near, and return them. A row that is locked is
    handled next time."""
    connection = await tx.raw()
    rows = await connection.fetch(
        f"""select opportunity_id from recommender.opportunities where open and not near and {ENDS}
            limit {REACHED} for update skip locked""",
        tx.now,
        until,
    )
    reached = [row["opportunity_id"] for row in rows]
    if reached:
        await connection.execute(
            "update recommender.opportunities set near = true where opportunity_id = any($1::text[])", reached
        )
    return reached


async def candidates(tx: Transaction, until: datetime) -> list[OpenOpportunity]:
    """All openings that may be in a list."""
    rows = await (await tx.raw()).fetch(
        f"select {SHOWN} from recommender.opportunities one where near and {STILL_OPEN} order by opportunity_id",
        tx.now,
        until,
    )
    return [OpenOpportunity(**row) for row in rows]


async def uninvited(tx: Transaction, until: datetime) -> set[str]:
    """Candidates of this market for which no suppliers were ranked recently."""
    rows = await (await tx.raw()).fetch(
        f"""select opportunity_id from recommender.opportunities one where native and near and {STILL_OPEN} and not exists (
              select 1 from recommender.invitees
              where invitees.opportunity_id = one.opportunity_id and made_at > $3)""",
        tx.now,
        until,
        tx.now - INVITED_AGAIN_AFTER,
    )
    return {row["opportunity_id"] for row in rows}


async def opening(tx: Transaction, opportunity_id: str) -> OpenOpportunity | None:
    """An opportunity, open or not."""
    row = await (await tx.raw()).fetchrow(
        f"select {SHOWN} from recommender.opportunities where opportunity_id = $1", opportunity_id
    )
    return OpenOpportunity(**row) if row else None


async def close(tx: Transaction, opportunity_id: str) -> bool:
    """Close an opportunity. Return whether it was open and near, so that lists can contain it."""
    near = await (await tx.raw()).fetchval(
        "update recommender.opportunities set open = false where opportunity_id = $1 and open returning near",
        opportunity_id,
    )
    return bool(near)
