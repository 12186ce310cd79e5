"""What everybody may see of a pool. Members' names are public from the start, because with whom one buys is part of the
terms."""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import msgspec

from events.pools import Allocation, PoolMemberEnrolled
from events.values import Line, Refusal
from infra.database import Transaction
from infra.denied import Missing
from infra.tokens import Principal
from services.pools import store
from services.pools.store import PoolContract, StoredPool
from services.pools.store.listing import ListedPool

DEEPEST = 25_000
"""The last position at which a page of the list can begin, because the database walks over all rows before it."""


class PoolResult(msgspec.Struct, frozen=True, kw_only=True):
    """``allocations`` are those of the members shown, ``mine`` is the reader's. The amounts and savings of all members
    sum up exactly to those of the pool."""

    supplier_id: str
    supplier_name: str
    amount: Decimal
    standalone: Decimal
    saving: Decimal
    allocations: tuple[Allocation, ...]
    mine: Allocation | None


class PoolDetails(ListedPool, frozen=True, kw_only=True):
    """``lines`` have initial prices; ``demand`` has the packs that the members want together.

    ``members`` are those of one ``page`` of ``pages``, in the order of their enrolment; ``allocations`` and
    ``contracts`` (by member) are theirs. ``mine`` is the reader's own enrolment, which is on one of the pages too; the
    reader's contract is on every page.
    """

    lines: tuple[Line, ...]
    demand: tuple[Line, ...]
    below_minimum: str
    savings_rule: str
    policy: str
    duration_minutes: int
    extended: bool
    page: int
    pages: int
    members: tuple[PoolMemberEnrolled, ...]
    mine: PoolMemberEnrolled | None
    refusal: Refusal | None
    result: PoolResult | None
    contracts: dict[str, PoolContract]


async def get_pool(tx: Transaction, pool_id: str) -> StoredPool:
    """Return the stored pool. Raise Missing."""
    kept = await store.read(tx, pool_id)
    if kept is None:
        raise Missing("pool", pool_id)
    return kept


async def details(tx: Transaction, pool_id: str, reader: Principal | None = None, number: int = 1) -> PoolDetails:
    """Return the pool as the reader may see it. ``number`` is the page of the members. Raise Missing."""
    return await details_of(tx, await get_pool(tx, pool_id), reader.organisation_id if reader else "", number)


async def details_of(tx: Transaction, kept: StoredPool, reader: str, number: int) -> PoolDetails:
    """Return the pool as an organisation sees it. ``number`` is the page of the members; a page after the last has
    none."""
    pool, opened = kept.pool, kept.pool.opened
    members = pool.pages[number - 1] if number <= len(pool.pages) else ()
    result = None
    if (allocated := pool.allocated) is not None:
        supplier = await store.organisations.get(await tx.raw(), allocated.supplier_id)
        result = PoolResult(
            supplier_id=allocated.supplier_id,
            supplier_name=supplier.name if supplier else allocated.supplier_id,
            amount=allocated.amount,
            standalone=allocated.standalone,
            saving=allocated.saving,
            allocations=tuple(share for each in members if (share := pool.shares.get(each.member_id)) is not None),
            mine=pool.shares.get(reader),
        )
    return PoolDetails(
        **_summary(kept),
        lines=opened.lines,
        demand=pool.demand,
        below_minimum=opened.below_minimum,
        savings_rule=opened.savings_rule,
        policy=opened.policy,
        duration_minutes=opened.duration_minutes,
        extended=pool.extended,
        page=number,
        pages=len(pool.pages),
        members=members,
        mine=pool.members.get(reader),
        refusal=pool.refusal,
        result=result,
        contracts=await store.contracts_of_members(tx, opened.pool_id, {reader, *(each.member_id for each in members)}),
    )


def _summary(kept: StoredPool) -> Mapping[str, Any]:
    pool, opened = kept.pool, kept.pool.opened
    return {
        "pool_id": opened.pool_id,
        "title": opened.title,
        "stage": pool.stage,
        "lead_id": opened.lead_id,
        "lead_name": opened.lead_name,
        "kind": opened.kind,
        "category": opened.category,
        "currency": opened.currency,
        "regions": opened.regions,
        "opened_at": kept.opened_at,
        "enrolment_ends_at": pool.enrolment_ends_at,
        "minimum_quantity": opened.minimum_quantity,
        "firm_quantity": pool.firm_quantity,
        "member_count": len(pool.members),
        "auction_id": kept.auction_id,
        "saving": pool.allocated.saving if pool.allocated else None,
    }
