"""JSON API of contracts. Concluded contracts are public; only its two parties see an unsigned one."""

import msgspec
from litestar import Controller, get, post
from litestar.params import FromQuery, JSONBody

from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from events.bounds import Clause, Code, Count
from infra.web import (
    PUBLIC,
    FromKeyed,
    FromResources,
    MemberVisit,
    PageNumber,
    PathId,
    Short,
    Visit,
    allow,
    clean,
    clean_all,
)
from infra.web import Words as Search
from infra.web.errors import NotFound
from services.contracts import handlers
from services.contracts.arguments import After, State
from services.contracts.handlers import Brought
from services.contracts.store import listing
from services.contracts.views import ContractSummary, ContractView, as_listed, shown, visible, wanted_by

PER_PAGE = 50


class ContractPage(msgspec.Struct, kw_only=True):
    """``total`` counts the contracts that match, up to 1,000; ``more`` says that there are more than that. Send
    ``next`` as ``after`` to get the contracts that follow, even if contracts were added meanwhile; it is "" if none
    follow."""

    total: int
    more: bool = False
    next: str = ""
    page: int
    contracts: list[ContractSummary]


class StepIn(Brought, frozen=True, kw_only=True):
    """``step`` is supplier-offer, buyer-draft or supplier-signature; the other fields are what this step brings."""

    step: Code


class RefusalIn(msgspec.Struct, kw_only=True):
    """``ground`` is a code of ``choices.grounds``, or "" if none of them applies. ``evidence`` says where a justified
    ground can be seen. ``version`` is the version of the draft that was read."""

    explanation: Clause
    ground: Code = ""
    evidence: Clause = ""
    version: Count | None = None


class ContractsApi(Controller):
    path = "/api/contracts"
    tags = ["contracts"]

    @get(opt=PUBLIC)
    async def list_contracts(
        self,
        request: Visit,
        resources: FromResources,
        process: Short = "",
        wanted_state: State = "",
        q: Search = "",
        mine: FromQuery[bool | None] = None,
        number: PageNumber = 1,
        after: After = "",
    ) -> ContractPage:
        """List contracts: a party's own, or with ``mine=false`` also the concluded ones of others; for visitors only
        concluded ones.

        ``process`` is an auction, pool or purchase. ``state`` is running, concluded or ended. ``q`` has words, or
        beginnings of words, of the title and of both names. ``after`` is the ``next`` of the page before; if it is
        given, ``page`` does not count.
        """
        wanted = wanted_by(request.scope.get("user"), mine=mine, state=wanted_state, process=process, q=q)
        async with resources.database.pool.acquire() as db:
            found = await listing.search(db, wanted, limit=PER_PAGE, offset=PER_PAGE * (number - 1), after=after)
        rows = [as_listed(each) for each in found.rows]
        return ContractPage(total=found.total, more=found.more, next=found.next, page=number, contracts=rows)

    @get("/{contract_id:str}", opt=PUBLIC, raises=[NotFound])
    async def read_contract(self, request: Visit, resources: FromResources, contract_id: PathId) -> ContractView:
        return await shown(resources, contract_id, request.scope.get("user"))

    @post("/{contract_id:str}/steps", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER), raises=[NotFound])
    async def take_step(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        contract_id: PathId,
        data: JSONBody[StepIn],
    ) -> ContractView:
        """Sign, or send the draft. If the step was taken before, the answer is the contract as it is now."""
        async with resources.database.transaction("contracts") as tx:
            await keyed.do(
                tx,
                lambda: handlers.take_step(tx, clean(contract_id), clean(data.step), request.user, clean_all(data)),
            )
        return await shown(resources, contract_id, request.user)

    @post("/{contract_id:str}/refuse", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER), raises=[NotFound])
    async def refuse(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        contract_id: PathId,
        data: JSONBody[RefusalIn],
    ) -> ContractView:
        async with resources.database.transaction("contracts") as tx:
            await keyed.do(
                tx,
                lambda: handlers.refuse(
                    tx,
                    clean(contract_id),
                    clean(data.explanation),
                    request.user,
                    ground=clean(data.ground),
                    evidence=clean(data.evidence),
                    version=data.version,
                ),
            )
        return await shown(resources, contract_id, request.user)

    @post("/{contract_id:str}/activate", opt=allow(BUYER_OFFICER), raises=[NotFound])
    async def activate_next(
        self, request: MemberVisit, resources: FromResources, keyed: FromKeyed, contract_id: PathId
    ) -> ContractPage:
        """Ask the next bidder, after the supplier of this contract left. The answer has every contract of the deal."""
        async with resources.database.transaction("contracts") as tx:
            await keyed.do(tx, lambda: handlers.activate_next(tx, clean(contract_id), request.user))
        before = (await visible(resources, contract_id, request.user)).drafted
        found = await listing.of_deal(resources.database.pool, before.process_id, before.buyer_id)
        return ContractPage(total=len(found), page=1, contracts=[as_listed(each) for each in found])
