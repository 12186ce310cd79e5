"""Refusals whose ground is disputed, as moderators see them."""

from datetime import datetime

import msgspec

from infra.listing import Listed
from infra.service import Resources
from services.contracts.domain.refusals import GroundedRefusal
from services.contracts.store import listing, refusals
from services.contracts.store.listing import ListedContract
from services.contracts.views import QUEUE


class DisputedRefusal(msgspec.Struct, kw_only=True):
    """What a moderator decides: whether the refusal was justified. ``refused_by`` is buyer or supplier."""

    contract_id: str
    title: str
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    refused_by: str
    refused_at: datetime
    ground_title: str
    explanation: str
    evidence: str
    reasons: str
    decide_by: datetime
    overdue: bool


async def undecided(resources: Resources, number: int) -> Listed[DisputedRefusal]:
    """Return a page of the refusals that wait for a decision, the earliest deadline first."""
    found = await refusals.disputed(resources.database.pool, limit=QUEUE, offset=QUEUE * (number - 1))
    ids = [each.ended.contract_id for each in found.rows]
    known = {each.contract_id: each for each in await listing.some(resources.database.pool, ids)}
    now = resources.clock()
    rows = [_told(known[each.ended.contract_id], each, now) for each in found.rows if each.ended.contract_id in known]
    return Listed(rows, found.total, found.more, found.end)


def _told(contract: ListedContract, refusal: GroundedRefusal, now: datetime) -> DisputedRefusal:
    assert refusal.disputed is not None, "a refusal waits once it is disputed"
    ended = refusal.ended
    same = "contract_id title buyer_id buyer_name supplier_id supplier_name"
    return DisputedRefusal(
        **{name: getattr(contract, name) for name in same.split()},
        refused_by=ended.by,
        refused_at=refusal.at,
        ground_title=ended.ground_title,
        explanation=ended.explanation,
        evidence=ended.evidence,
        reasons=refusal.disputed.reasons,
        decide_by=refusal.disputed.due_at,
        overdue=refusal.overdue(now),
    )
