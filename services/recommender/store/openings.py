"""Openings: what there is to win, and which of it is near enough to be recommended.

One that ends beyond the horizon costs nobody anything: it lies here, unread, until the horizon comes to it. Then it is marked as near,
once, and the lists of those whom it concerns are made anew (:mod:`store.marks`). What is closed before that changes no list.
"""

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from catalogue.policy import load
from infra.database import Transaction
from recommender import Opportunity

INVITED_AGAIN_AFTER = timedelta(hours=1)
REACHED = 10_000
"""That the horizon comes to at a time."""
ENDS = "(closes_at is null or (closes_at > $1 and closes_at <= $2))"
"""Between now and the horizon, or at a time that nobody knows yet."""
STILL_OPEN = f"""open and {ENDS} and not (kind = 'pool' and exists (
    select 1 from recommender.opportunities auction
    where auction.pool_id = one.opportunity_id and (auction.near or not auction.open)))"""
"""A pool is an opportunity until its mini-auction is one. ``one`` is the table."""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """An open opportunity as it is shown."""

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


SHOWN = ", ".join(Opening.__struct_fields__)


def horizon(policy: str, now: datetime) -> datetime:
    """Until when an opening ends that is recommended ``now``. It moves by whole hours, so that openings that end one after the other
    are come to together: for all of them a list is made anew once."""
    days = load(policy).recommendation.horizon_days
    return now.replace(minute=0, second=0, microsecond=0) + timedelta(days=days)


async def reach(tx: Transaction, until: datetime) -> list[str]:
    """Marks openings that the horizon came to, new ones among them, and returns them. A row that somebody else holds comes next time."""
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


async def candidates(tx: Transaction, until: datetime) -> list[Opening]:
    """All that may be in a list."""
    rows = await (await tx.raw()).fetch(
        f"select {SHOWN} from recommender.opportunities one where near and {STILL_OPEN} order by opportunity_id",
        tx.now,
        until,
    )
    return [Opening(**row) for row in rows]


async def uninvited(tx: Transaction, until: datetime) -> set[str]:
    """Candidates of this market for which no suppliers were ranked lately."""
    rows = await (await tx.raw()).fetch(
        f"""select opportunity_id from recommender.opportunities one where native and near and {STILL_OPEN} and not exists (
              select 1 from recommender.invitees
              where invitees.opportunity_id = one.opportunity_id and made_at > $3)""",
        tx.now,
        until,
        tx.now - INVITED_AGAIN_AFTER,
    )
    return {row["opportunity_id"] for row in rows}


async def opening(tx: Transaction, opportunity_id: str) -> Opening | None:
    """An opportunity, open or not."""
    row = await (await tx.raw()).fetchrow(
        f"select {SHOWN} from recommender.opportunities where opportunity_id = $1", opportunity_id
    )
    return Opening(**row) if row else None


async def close(tx: Transaction, opportunity_id: str) -> bool:
    """Whether it was open and near, so that a list can have it."""
    near = await (await tx.raw()).fetchval(
        "update recommender.opportunities set open = false where opportunity_id = $1 and open returning near",
        opportunity_id,
    )
    return bool(near)
