"""JSON of refusals whose ground is disputed: the other side files the dispute, a moderator decides it."""

import msgspec
from litestar import Controller, get, post
from litestar.params import JSONBody

from catalogue.roles import ADMINISTRATOR, BUYER_OFFICER, MODERATOR, SUPPLIER_AGENT
from events.bounds import Clause
from infra.web import FromKeyed, FromResources, MemberVisit, PageNumber, PathId, allow, clean
from infra.web.errors import NotFound
from services.contracts.domain.refusals import Verdict
from services.contracts.handlers import refusals as handlers
from services.contracts.views import ContractView, shown
from services.contracts.views.refusals import DisputedRefusal, undecided


class RefusalDisputeIn(msgspec.Struct, kw_only=True):
    reasons: Clause


class VerdictIn(msgspec.Struct, kw_only=True):
    decision: Verdict
    explanation: Clause


class RefusalsApi(Controller):
    path = "/api/contracts"
    tags = ["contracts"]

    @get("/refusals", opt=allow(MODERATOR, ADMINISTRATOR))
    async def list_disputed(self, resources: FromResources, number: PageNumber = 1) -> list[DisputedRefusal]:
        """List refusals whose ground is disputed and that wait for a decision, 20 at a time, the earliest deadline
        first."""
        return list((await undecided(resources, number)).rows)

    @post("/{contract_id:str}/refusal/dispute", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER), raises=[NotFound])
    async def dispute(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        contract_id: PathId,
        data: JSONBody[RefusalDisputeIn],
    ) -> ContractView:
        """Claim that the ground on which the other side refused does not hold. A contract has one such dispute."""
        async with resources.database.transaction("contracts") as tx:
            await keyed.do(tx, lambda: handlers.dispute(tx, clean(contract_id), clean(data.reasons), request.user))
        return await shown(resources, contract_id, request.user)

    @post("/{contract_id:str}/refusal/decision", opt=allow(MODERATOR), raises=[NotFound])
    async def decide(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        contract_id: PathId,
        data: JSONBody[VerdictIn],
    ) -> ContractView:
        """Decide whether the refusal was justified. If it was not, it counts as a breach."""
        async with resources.database.transaction("contracts") as tx:
            await keyed.do(tx, lambda: handlers.decide(tx, clean(contract_id), data.decision, clean(data.explanation)))
        return await shown(resources, contract_id, request.user)
