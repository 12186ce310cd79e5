"""Suspensions, as their organisation and moderators see them."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

import msgspec

from catalogue.actors import Party
from infra.listing import Listed
from infra.service import Resources
from infra.tokens import Principal
from services.conduct.domain.sanctions import Decision, Sanction
from services.conduct.store import replicas, sanctions
from services.conduct.views.record import Mentioned, mentioned

QUEUE = 20
"""How many suspensions or appeals are on one page, since each has long texts."""


class SanctionView(msgspec.Struct, kw_only=True):
    """A suspension as its organisation and moderators see it. ``state`` is in-force, past or lifted. ``appeal_until``
    is the last moment to appeal. An appeal must be decided by ``decide_by``; ``overdue`` says that it was not."""

    sanction_id: str
    organisation_id: str
    organisation_name: str
    side: Party
    level: int
    contracts: list[Mentioned]
    since: datetime
    until: datetime
    state: str
    appeal_until: datetime
    may_appeal: bool
    reasons: str
    decide_by: datetime | None
    overdue: bool
    decision: Decision | None
    explanation: str
    decided_at: datetime | None


async def own_sanctions(resources: Resources, organisation_id: str, number: int) -> Listed[Sanction]:
    """Return a page of one organisation's suspensions."""
    return await sanctions.of_organisation(
        resources.database.pool, organisation_id, limit=QUEUE, offset=QUEUE * (number - 1)
    )


async def appealed(resources: Resources, number: int) -> Listed[Sanction]:
    """Return a page of the suspensions whose appeals wait for a decision."""
    return await sanctions.appealed(resources.database.pool, limit=QUEUE, offset=QUEUE * (number - 1))


async def as_seen(resources: Resources, found: Sequence[Sanction], reader: Principal) -> list[SanctionView]:
    now = resources.clock()
    async with resources.database.pool.acquire() as db:
        ids = {each.sanctioned.organisation_id for each in found}
        names = await replicas.organisations.names(db, ids)
        contracts = await replicas.mentions(db, {one for each in found for one in each.sanctioned.contract_ids})
    return [
        SanctionView(
            sanction_id=told.sanction_id,
            organisation_id=told.organisation_id,
            organisation_name=names[told.organisation_id],
            side=cast(Party, told.side),
            level=told.level,
            contracts=[
                mentioned(contracts[one], cast(Party, told.side), contracts[one].over_at, reader)
                for one in told.contract_ids
                if one in contracts
            ],
            since=told.since,
            until=told.until,
            state=each.state(now),
            appeal_until=told.appeal_until,
            may_appeal=each.may_be_appealed(now),
            reasons=each.appealed.reasons if each.appealed else "",
            decide_by=each.appealed.due_at if each.appealed else None,
            overdue=each.overdue(now),
            decision=cast(Decision, each.decided.decision) if each.decided else None,
            explanation=each.decided.explanation if each.decided else "",
            decided_at=each.decided.decided_at if each.decided else None,
        )
        for each in found
        for told in (each.sanctioned,)
    ]
