"""JSON API of contracts and direct purchases. Concluded contracts are public; unsigned ones are their two parties'."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Controller, get, post
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from catalogue.policy import load
from events.values import Category, Line, Place
from infra.ids import new_id
from infra.service import Ground
from infra.tokens import BUYER_APPROVER, BUYER_OFFICER, SUPPLIER_AGENT, Principal
from infra.web import MEMBERS, PUBLIC, FromGround, IdempotencyKey, MemberVisit, Visit, allow, clean
from infra.web.errors import NotFound
from services.contracts import handlers
from services.contracts.domain.deals import PARTIES
from services.contracts.handlers import SEES_ALL, NewPurchase, may_see
from services.contracts.store import contracts, purchases
from services.contracts.store.contracts import Contract, Filter

PER_PAGE = 50
PARTY_ROLES = (SUPPLIER_AGENT, BUYER_OFFICER, BUYER_APPROVER)
Number = Annotated[int, QueryParameter(name="page", ge=1, le=100_000)]
State = Annotated[str, QueryParameter(name="state")]
"""The name ``state`` itself is the framework's."""
Words = Annotated[str, Meta(max_length=2000)]


class ContractSummary(msgspec.Struct, kw_only=True):
    """``waits_for`` is the organisation whose turn it is; the ``step`` is to be taken by ``due_at``."""

    contract_id: str
    process_id: str
    origin: str
    pool_id: str | None
    title: str
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    rank: int
    category: Category | None
    currency: str
    amount: Decimal
    state: str
    step: str | None
    due_at: datetime | None
    waits_for: str | None
    drafted_at: datetime
    concluded_at: datetime | None


class ContractPage(msgspec.Struct, kw_only=True):
    total: int
    page: int
    contracts: list[ContractSummary]


class Step(msgspec.Struct, kw_only=True):
    """``taken_at`` is None while it is ahead; ``member`` is named to the parties only."""

    step: str
    party: str
    taken_at: datetime | None
    member: str | None


class Ending(msgspec.Struct, kw_only=True):
    """``reason`` is lapsed or refused, ``by`` buyer or supplier; ``next_rank`` is who could be asked if the buyer wants."""

    reason: str
    by: str
    evasion: bool
    explanation: str
    ended_at: datetime | None
    next_rank: int | None


class ContractView(ContractSummary, kw_only=True):
    place: Place
    lines: tuple[Line, ...]
    steps: list[Step]
    ending: Ending | None


class StepIn(msgspec.Struct, kw_only=True):
    """supplier-offer, buyer-draft or supplier-signature."""

    step: Annotated[str, Meta(max_length=50)]


class RefusalIn(msgspec.Struct, kw_only=True):
    explanation: Words


class AnswerIn(msgspec.Struct, kw_only=True):
    accept: bool
    reason: Words = ""


class PurchaseView(msgspec.Struct, kw_only=True):
    """``answer`` is "" until there is one: accepted, refused or lapsed. ``contract_id`` is the latest contract's."""

    purchase_id: str
    offer_id: str
    sku_id: str
    title: str
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    currency: str
    place: Place
    requested_at: datetime
    due_at: datetime
    answer: str
    reason: str
    answered_at: datetime | None
    contract_id: str | None


class PurchaseRequestedOut(msgspec.Struct, kw_only=True):
    purchase_id: str


def is_party(principal: Principal | None) -> bool:
    """Somebody of an organisation that signs contracts."""
    return principal is not None and principal.may(*PARTY_ROLES)


def wanted_by(
    principal: Principal | None, *, mine: bool | None = None, state: str = "", process: str = "", q: str = ""
) -> Filter:
    """What a visitor, a party or an observer may list. ``mine`` is what a party asks for unless it says otherwise."""
    return Filter(
        viewer_id=principal.organisation_id if principal else "",
        all=principal is not None and principal.may(*SEES_ALL),
        mine=is_party(principal) if mine is None else mine and principal is not None,
        state=clean(state),
        process_id=clean(process),
        q=clean(q),
    )


async def visible(ground: Ground, contract_id: str, principal: Principal | None) -> Contract:
    """Raises NotFound, also for one that is not for these eyes."""
    found = await contracts.get(ground.database.pool, clean(contract_id))
    if found is None or not may_see(found, principal):
        raise NotFound("contract", contract_id)
    return found


async def own_purchase(ground: Ground, purchase_id: str, principal: Principal) -> purchases.Kept:
    """Raises NotFound, also for one of others."""
    found = await purchases.get(ground.database.pool, clean(purchase_id))
    if found is None or not (found.concerns(principal.organisation_id) or principal.may(*SEES_ALL)):
        raise NotFound("purchase", purchase_id)
    return found


def summary(contract: Contract) -> dict[str, Any]:
    drafted = contract.drafted
    same = "contract_id process_id origin pool_id title buyer_id buyer_name supplier_id supplier_name rank category currency amount"
    return {name: getattr(drafted, name) for name in same.split()} | {
        "state": contract.state,
        "step": contract.step,
        "due_at": contract.due_at,
        "waits_for": contract.waits_for or None,
        "drafted_at": contract.drafted_at,
        "concluded_at": contract.over_at if contract.state == "concluded" else None,
    }


def steps_of(contract: Contract, principal: Principal | None) -> list[Step]:
    """Those taken and those ahead."""
    insider = principal is not None and (contract.concerns(principal.organisation_id) or principal.may(*SEES_ALL))
    taken = {each.step: each for each in contract.steps}
    return [
        Step(
            step=step,
            party=PARTIES[step],
            taken_at=taken[step].at if step in taken else None,
            member=taken[step].member_name if step in taken and insider else None,
        )
        for step in contract.flow
    ]


def view(contract: Contract, principal: Principal | None) -> ContractView:
    ended = contract.ended
    ending = None
    if ended is not None:
        ending = Ending(
            reason=ended.reason,
            by=ended.by,
            evasion=ended.evasion,
            explanation=ended.explanation,
            ended_at=contract.over_at,
            next_rank=contract.next_rank,
        )
    return ContractView(
        **summary(contract),
        place=contract.drafted.place,
        lines=contract.drafted.lines,
        steps=steps_of(contract, principal),
        ending=ending,
    )


async def purchase_view(ground: Ground, kept: purchases.Kept) -> PurchaseView:
    requested = kept.purchase.requested
    drafted = await contracts.of_deal(ground.database.pool, kept.process_id, requested.buyer_id)
    same = "offer_id sku_id title buyer_id buyer_name supplier_id quantity unit_price amount currency place due_at"
    return PurchaseView(
        **{name: getattr(requested, name) for name in same.split()},
        purchase_id=kept.process_id,
        supplier_name=kept.purchase.supplier_name,
        requested_at=kept.requested_at,
        answer=kept.purchase.answer,
        reason=kept.reason,
        answered_at=kept.answered_at,
        contract_id=drafted[-1].drafted.contract_id if drafted else None,
    )


class ContractsApi(Controller):
    path = "/api/contracts"
    tags = ["contracts"]

    @get(opt=PUBLIC)
    async def list_contracts(
        self,
        request: Visit,
        ground: FromGround,
        process: FromQuery[str] = "",
        wanted_state: State = "",
        q: FromQuery[str] = "",
        mine: FromQuery[bool | None] = None,
        number: Number = 1,
    ) -> ContractPage:
        """A party's own contracts, or with ``mine=false`` the concluded ones of others too; to visitors the concluded ones.

        ``process`` is an auction, pool or purchase; ``state`` running, concluded or ended."""
        wanted = wanted_by(request.scope.get("user"), mine=mine, state=wanted_state, process=process, q=q)
        found, total = await contracts.listing(
            ground.database.pool, wanted, limit=PER_PAGE, offset=PER_PAGE * (number - 1)
        )
        return ContractPage(total=total, page=number, contracts=[ContractSummary(**summary(each)) for each in found])

    @get("/{contract_id:str}", opt=PUBLIC, raises=[NotFound])
    async def read_contract(self, request: Visit, ground: FromGround, contract_id: FromPath[str]) -> ContractView:
        principal = request.scope.get("user")
        return view(await visible(ground, contract_id, principal), principal)

    @post("/{contract_id:str}/steps", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER), raises=[NotFound])
    async def take_step(
        self,
        request: MemberVisit,
        ground: FromGround,
        contract_id: FromPath[str],
        data: JSONBody[StepIn],
    ) -> ContractView:
        """Sign, or send the draft. A step taken already is answered with the contract as it stands."""
        async with ground.database.transaction("contracts") as tx:
            await handlers.take_step(tx, clean(contract_id), clean(data.step), request.user)
        return view(await visible(ground, contract_id, request.user), request.user)

    @post("/{contract_id:str}/refuse", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER), raises=[NotFound])
    async def refuse(
        self,
        request: MemberVisit,
        ground: FromGround,
        contract_id: FromPath[str],
        data: JSONBody[RefusalIn],
    ) -> ContractView:
        async with ground.database.transaction("contracts") as tx:
            await handlers.refuse(tx, clean(contract_id), clean(data.explanation), request.user)
        return view(await visible(ground, contract_id, request.user), request.user)

    @post("/{contract_id:str}/activate", opt=allow(BUYER_OFFICER), raises=[NotFound])
    async def activate_next(self, request: MemberVisit, ground: FromGround, contract_id: FromPath[str]) -> ContractPage:
        """Ask the next bidder, after the supplier of this contract left. Answers with every contract of the deal."""
        async with ground.database.transaction("contracts") as tx:
            await handlers.activate_next(tx, clean(contract_id), request.user)
        before = (await visible(ground, contract_id, request.user)).drafted
        found = await contracts.of_deal(ground.database.pool, before.process_id, before.buyer_id)
        return ContractPage(total=len(found), page=1, contracts=[ContractSummary(**summary(each)) for each in found])


class PurchasesApi(Controller):
    path = "/api/contracts/purchases"
    tags = ["contracts"]

    @get(opt=MEMBERS)
    async def list_purchases(self, request: MemberVisit, ground: FromGround, number: Number = 1) -> list[PurchaseView]:
        """One's own, as buyer or as supplier, 50 at a time: unanswered ones first."""
        found = await purchases.listing(
            ground.database.pool, request.user.organisation_id, limit=PER_PAGE, offset=PER_PAGE * (number - 1)
        )
        return [await purchase_view(ground, each) for each in found]

    @get("/{purchase_id:str}", opt=MEMBERS, raises=[NotFound])
    async def read_purchase(self, request: MemberVisit, ground: FromGround, purchase_id: FromPath[str]) -> PurchaseView:
        return await purchase_view(ground, await own_purchase(ground, purchase_id, request.user))

    @post(opt=allow(BUYER_OFFICER), raises=[NotFound])
    async def request_purchase(
        self, request: MemberVisit, ground: FromGround, data: JSONBody[NewPurchase], key: IdempotencyKey = ""
    ) -> PurchaseRequestedOut:
        policy = load(ground.config.policy)
        wanted = msgspec.structs.replace(
            data, offer_id=clean(data.offer_id), region=clean(data.region), locality=clean(data.locality)
        )
        async with ground.database.transaction("contracts") as tx:
            purchase_id = await handlers.request_purchase(tx, wanted, request.user, policy, clean(key) or new_id())
        return PurchaseRequestedOut(purchase_id=purchase_id)

    @post("/{purchase_id:str}/answer", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def answer_purchase(
        self,
        request: MemberVisit,
        ground: FromGround,
        purchase_id: FromPath[str],
        data: JSONBody[AnswerIn],
    ) -> PurchaseView:
        async with ground.database.transaction("contracts") as tx:
            await handlers.answer_purchase(tx, clean(purchase_id), data.accept, clean(data.reason), request.user)
        return await purchase_view(ground, await own_purchase(ground, purchase_id, request.user))
