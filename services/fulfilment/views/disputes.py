"""Disputes about contracts that are carried out: one dispute with all its statements, and the moderators' list."""

from collections.abc import Sequence
from datetime import datetime
from heapq import nsmallest
from operator import attrgetter

import msgspec

from infra.denied import Missing
from infra.listing import Listed
from infra.service import Resources
from infra.tokens import Principal
from services.fulfilment.domain.state import Dispute, Execution
from services.fulfilment.store import executions
from services.fulfilment.views.execution import DisputeSummary, readable, summary

QUEUE = 20
"""How many contracts with a dispute are on one page, since each has long texts."""
OF_ONE = 5
"""How many open disputes of one contract the list has."""


class OpenDisputeView(msgspec.Struct, kw_only=True):
    contract_id: str
    dispute: DisputeSummary
    overdue: bool


async def get_dispute(
    resources: Resources, contract_id: str, number: int, principal: Principal | None
) -> tuple[Execution, Dispute]:
    """Return the execution and its dispute as the reader may see them. Raise Missing."""
    execution = await readable(resources, contract_id, principal)
    if not 1 <= number <= len(execution.disputes):
        raise Missing("dispute", str(number))
    return execution, execution.disputes[number - 1]


async def disputed(resources: Resources, number: int) -> Listed[Execution]:
    """Return a page of the contracts with an open dispute."""
    return await executions.disputed(resources.database.pool, limit=QUEUE, offset=QUEUE * (number - 1))


def open_disputes(found: Sequence[Execution], now: datetime) -> list[OpenDisputeView]:
    """Return the disputes of each contract that must be decided first, so that many of one contract do not hide those
    of others."""
    open_ones = [
        OpenDisputeView(contract_id=each.contract_id, dispute=summary(dispute), overdue=now >= dispute.decide_by)
        for each in found
        for dispute in nsmallest(OF_ONE, (one for one in each.disputes if one.open), key=attrgetter("decide_by"))
    ]
    return sorted(open_ones, key=lambda each: each.dispute.decide_by)
