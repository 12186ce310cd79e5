"""Lists of pools. Each row has only what one line of a list shows, because a whole pool can have megabytes of demands
and allocations. SQL is written by hand here for lists."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import ARRAY, ColumnElement, Text, case, cast, column, func, select, true
from sqlalchemy.dialects.postgresql import JSONB, JSONPATH
from sqlmodel import col

from events.values import Category
from infra.database import Transaction
from infra.listing import PLAN_FOR_VALUES, count
from infra.reading import listed
from services.pools.domain import PoolStage
from services.pools.store import PoolRow

GROUPS: Mapping[str, tuple[PoolStage, ...]] = {
    "enrolling": (PoolStage.ENROLLING,),
    "running": (PoolStage.FROZEN, PoolStage.SOURCING, PoolStage.CONTRACTING),
    "done": (PoolStage.CLOSED, PoolStage.CANCELLED),
}


class ListedPool(msgspec.Struct, frozen=True, kw_only=True):
    """One row of a list. Quantities are units of all lines together. ``saving`` is known once the result is divided."""

    pool_id: str
    title: str
    stage: PoolStage
    lead_id: str
    lead_name: str
    kind: str
    category: Category
    currency: str
    regions: tuple[str, ...]
    opened_at: datetime
    enrolment_ends_at: datetime
    minimum_quantity: Decimal
    firm_quantity: Decimal
    member_count: int
    auction_id: str | None
    saving: Decimal | None


async def search(
    tx: Transaction, *, group: str = "", region: str = "", category: str = "", limit: int = 50, offset: int = 0
) -> tuple[list[ListedPool], bool]:
    """Return pools, the newest first, and whether there are more. ``category`` is the beginning of a code. A pool
    without regions delivers to every region."""
    newest = (col(PoolRow.opened_at).desc(), col(PoolRow.pool_id))
    query = select(col(PoolRow.pool_id), col(PoolRow.opened_at), col(PoolRow.auction_id), col(PoolRow.state)).order_by(
        *newest
    )
    query = query.where(*_where(group, region, category))
    await (await tx.raw()).execute(PLAN_FOR_VALUES)
    rows = (await tx.session.exec(_shown(query.limit(limit + 1).offset(offset).subquery()))).all()
    return listed("summary of pool", rows[:limit], lambda row: row.pool_id, _summary), len(rows) > limit


async def fitting(tx: Transaction, *, group: str = "", region: str = "", category: str = "", most: int) -> int:
    """Return how many pools a search finds, or ``most`` + 1 if it finds more than ``most``."""
    rows = select(col(PoolRow.pool_id)).where(*_where(group, region, category)).limit(most + 1).subquery()
    return await tx.session.scalar(select(func.count()).select_from(rows)) or 0


def _where(group: str, region: str, category: str) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if group in GROUPS:
        where.append(col(PoolRow.stage).in_([stage.value for stage in GROUPS[group]]))
    if region:
        where.append(col(PoolRow.regions).contains([region]) | (func.cardinality(PoolRow.regions) == 0))
    if category:
        where.append(col(PoolRow.category).startswith(category, autoescape=True))
    return where


async def counts(tx: Transaction) -> dict[str, int]:
    """Return the number of pools by group, and of all pools as "all"; COUNTED + 1 if there are more than COUNTED."""
    db, pools = await tx.raw(), "select from pools.pools"
    found = {
        group: await count(db, f"{pools} where stage = any($1::text[])", [stage.value for stage in stages])
        for group, stages in GROUPS.items()
    }
    return found | {"all": await count(db, pools)}


def _shown(found: Any) -> Any:
    """Return the query for what is shown of these rows. The database parses each state once."""
    parts = (
        func.jsonb_to_record(found.c.state)
        .table_valued(
            column("opened", JSONB),
            column("stage", Text),
            column("enrolment_ends_at", Text),
            column("members", JSONB),
            column("allocated", JSONB),
        )
        .render_derived(name="parts", with_types=True)
    )
    return (
        select(
            found.c.pool_id,
            found.c.opened_at,
            found.c.auction_id,
            _object(parts.c.opened)
            .op("-", return_type=JSONB)(cast(["lines", "policy_text"], ARRAY(Text)))
            .label("terms"),
            parts.c.stage,
            parts.c.enrolment_ends_at,
            func.jsonb_path_query_array(parts.c.members, cast("$.*.demands[*].firm", JSONPATH), type_=JSONB).label(
                "firm"
            ),
            func.jsonb_array_length(func.jsonb_path_query_array(parts.c.members, cast("$.*", JSONPATH))).label(
                "member_count"
            ),
            parts.c.allocated["saving"].astext.label("saving"),
        )
        .select_from(found.join(parts, true()))
        .order_by(found.c.opened_at.desc(), found.c.pool_id)
    )


def _object(found: Any) -> Any:
    """Return this JSON, or an empty object in place of any other JSON, for which the database would fail the whole
    list."""
    return case((func.jsonb_typeof(found) == "object", found), else_=cast({}, JSONB))


def _summary(row: Any) -> ListedPool:
    shown = {
        "stage": row.stage,
        "opened_at": row.opened_at,
        "enrolment_ends_at": row.enrolment_ends_at,
        "firm_quantity": sum(map(Decimal, row.firm), Decimal(0)),
        "member_count": row.member_count,
        "auction_id": row.auction_id,
        "saving": row.saving,
    }
    return msgspec.convert(row.terms | shown, ListedPool)
