"""JSON of refusals whose ground is disputed: filed by the other side, decided by a moderator."""

from datetime import datetime

import msgspec
from litestar import Controller, get, post
from litestar.params import JSONBody

from events.bounds import Clause
from infra.listing import Listed
from infra.service import Ground
from infra.tokens import ADMINISTRATOR, BUYER_OFFICER, MODERATOR, SUPPLIER_AGENT
from infra.web import FromGround, FromKeyed, MemberVisit, PageNumber, PathId, allow, clean
from infra.web.errors import NotFound
from services.contracts.api import QUEUE, ContractView, shown
from services.contracts.domain.refusals import Refusal, Verdict
from services.contracts.handlers import refusals as handlers
from services.contracts.store import listing, refusals
from services.contracts.store.listing import Summary


class DisputeIn(msgspec.Struct, kw_only=True):
    reasons: Clause


class VerdictIn(msgspec.Struct, kw_only=True):
    decision: Verdict
    explanation: Clause


class DisputedRefusal(msgspec.Struct, kw_only=True):
    """What a moderator decides: was the refusal justified? ``refused_by`` is buyer or supplier."""

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


async def waiting(ground: Ground, number: int) -> Listed[DisputedRefusal]:
    """A page of those that wait for a decision, what is due first first."""
    found = await refusals.disputed(ground.database.pool, limit=QUEUE, offset=QUEUE * (number - 1))
    ids = [each.ended.contract_id for each in found.rows]
    known = {each.contract_id: each for each in await listing.some(ground.database.pool, ids)}
    now = ground.clock()
    rows = [_told(known[each.ended.contract_id], each, now) for each in found.rows if each.ended.contract_id in known]
    return Listed(rows, found.total, found.more)


def _told(contract: Summary, refusal: Refusal, now: datetime) -> DisputedRefusal:
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


class RefusalsApi(Controller):
    path = "/api/contracts"
    tags = ["contracts"]

    @get("/refusals", opt=allow(MODERATOR, ADMINISTRATOR))
    async def list_disputed(self, ground: FromGround, number: PageNumber = 1) -> list[DisputedRefusal]:
        """Refusals whose ground is disputed and that wait for a decision, 20 at a time: what is due first first."""
        return list((await waiting(ground, number)).rows)

    @post("/{contract_id:str}/refusal/dispute", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER), raises=[NotFound])
    async def dispute(
        self, request: MemberVisit, ground: FromGround, keyed: FromKeyed, contract_id: PathId, data: JSONBody[DisputeIn]
    ) -> ContractView:
        """The ground on which the other side refused does not hold. Once for each contract."""
        async with ground.database.transaction("contracts") as tx:
            await keyed.do(tx, lambda: handlers.dispute(tx, clean(contract_id), clean(data.reasons), request.user))
        return await shown(ground, contract_id, request.user)

    @post("/{contract_id:str}/refusal/decision", opt=allow(MODERATOR), raises=[NotFound])
    async def decide(
        self, request: MemberVisit, ground: FromGround, keyed: FromKeyed, contract_id: PathId, data: JSONBody[VerdictIn]
    ) -> ContractView:
        """A refusal that was not justified counts as the breach that it was."""
        async with ground.database.transaction("contracts") as tx:
            await keyed.do(tx, lambda: handlers.decide(tx, clean(contract_id), data.decision, clean(data.explanation)))
        return await shown(ground, contract_id, request.user)
