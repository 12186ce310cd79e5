"""JSON API of contracts. Concluded contracts are public; unsigned ones are their two parties'."""

import msgspec
from litestar import Controller, get, post
from litestar.params import FromQuery, JSONBody

from events.bounds import Clause, Code, Count
from infra.tokens import BUYER_OFFICER, SUPPLIER_AGENT
from infra.web import (
    PUBLIC,
    FromGround,
    FromKeyed,
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
    """``total`` counts what fits, up to 1,000; ``more``: there is more than that. ``next`` asked for as ``after`` brings the contracts
    that follow, whatever was added meanwhile; "" where there are none."""

    total: int
    more: bool = False
    next: str = ""
    page: int
    contracts: list[ContractSummary]


class StepIn(Brought, frozen=True, kw_only=True):
    """supplier-offer, buyer-draft or supplier-signature, with what that brings."""

    step: Code


class RefusalIn(msgspec.Struct, kw_only=True):
    """``ground`` is a code of ``choices.grounds``, "" for none of them; ``evidence`` says where a justified one can be seen.
    ``version`` is the draft's that was read."""

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
        ground: FromGround,
        process: Short = "",
        wanted_state: State = "",
        q: Search = "",
        mine: FromQuery[bool | None] = None,
        number: PageNumber = 1,
        after: After = "",
    ) -> ContractPage:
        """A party's own contracts, or with ``mine=false`` the concluded ones of others too; to visitors the concluded ones.

        ``process`` is an auction, pool or purchase; ``state`` running, concluded or ended; ``q`` words of the title and of both names,
        or their beginnings. ``after`` is the ``next`` of the page before, and counts for more than ``page``."""
        wanted = wanted_by(request.scope.get("user"), mine=mine, state=wanted_state, process=process, q=q)
        async with ground.database.pool.acquire() as db:
            found = await listing.search(db, wanted, limit=PER_PAGE, offset=PER_PAGE * (number - 1), after=after)
        rows = [as_listed(each) for each in found.rows]
        return ContractPage(total=found.total, more=found.more, next=found.next, page=number, contracts=rows)

    @get("/{contract_id:str}", opt=PUBLIC, raises=[NotFound])
    async def read_contract(self, request: Visit, ground: FromGround, contract_id: PathId) -> ContractView:
        return await shown(ground, contract_id, request.scope.get("user"))

    @post("/{contract_id:str}/steps", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER), raises=[NotFound])
    async def take_step(
        self,
        request: MemberVisit,
        ground: FromGround,
        keyed: FromKeyed,
        contract_id: PathId,
        data: JSONBody[StepIn],
    ) -> ContractView:
        """Sign, or send the draft. A step taken already is answered with the contract as it stands."""
        async with ground.database.transaction("contracts") as tx:
            await keyed.do(
                tx,
                lambda: handlers.take_step(tx, clean(contract_id), clean(data.step), request.user, clean_all(data)),
            )
        return await shown(ground, contract_id, request.user)

    @post("/{contract_id:str}/refuse", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER), raises=[NotFound])
    async def refuse(
        self,
        request: MemberVisit,
        ground: FromGround,
        keyed: FromKeyed,
        contract_id: PathId,
        data: JSONBody[RefusalIn],
    ) -> ContractView:
        async with ground.database.transaction("contracts") as tx:
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
        return await shown(ground, contract_id, request.user)

    @post("/{contract_id:str}/activate", opt=allow(BUYER_OFFICER), raises=[NotFound])
    async def activate_next(
        self, request: MemberVisit, ground: FromGround, keyed: FromKeyed, contract_id: PathId
    ) -> ContractPage:
        """Ask the next bidder, after the supplier of this contract left. Answers with every contract of the deal."""
        async with ground.database.transaction("contracts") as tx:
            await keyed.do(tx, lambda: handlers.activate_next(tx, clean(contract_id), request.user))
        before = (await visible(ground, contract_id, request.user)).drafted
        found = await listing.of_deal(ground.database.pool, before.process_id, before.buyer_id)
        return ContractPage(total=len(found), page=1, contracts=[as_listed(each) for each in found])
