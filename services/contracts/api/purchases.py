"""JSON API of direct purchases: asking a supplier for what it offers, and its answer."""

from datetime import datetime
from decimal import Decimal

import msgspec
from litestar import Controller, get, post
from litestar.params import JSONBody

from catalogue.policy import load
from events.bounds import Clause
from events.values import Place
from infra.ids import new_id
from infra.service import Ground
from infra.tokens import BUYER_OFFICER, SUPPLIER_AGENT, Principal
from infra.web import MEMBERS, FromGround, FromKeyed, IdempotencyKey, MemberVisit, PathId, allow, clean
from infra.web.errors import NotFound
from services.contracts.api import PER_PAGE, Number
from services.contracts.handlers import SEES_ALL
from services.contracts.handlers import purchases as handlers
from services.contracts.handlers.purchases import NewPurchase
from services.contracts.store import contracts, purchases


class AnswerIn(msgspec.Struct, kw_only=True):
    accept: bool
    reason: Clause = ""


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


async def own_purchase(ground: Ground, purchase_id: str, principal: Principal) -> purchases.Kept:
    """Raises NotFound, also for one of others."""
    found = await purchases.get(ground.database.pool, clean(purchase_id))
    if found is None or not (found.concerns(principal.organisation_id) or principal.may(*SEES_ALL)):
        raise NotFound("purchase", purchase_id)
    return found


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
    async def read_purchase(self, request: MemberVisit, ground: FromGround, purchase_id: PathId) -> PurchaseView:
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
        keyed: FromKeyed,
        purchase_id: PathId,
        data: JSONBody[AnswerIn],
    ) -> PurchaseView:
        async with ground.database.transaction("contracts") as tx:
            await keyed.do(
                tx,
                lambda: handlers.answer_purchase(tx, clean(purchase_id), data.accept, clean(data.reason), request.user),
            )
        return await purchase_view(ground, await own_purchase(ground, purchase_id, request.user))
