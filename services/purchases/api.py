"""JSON API of direct purchases: the buyer's request and the supplier's answer."""

from typing import Annotated
from urllib.parse import quote

import msgspec
from litestar import Controller, Response, get, post
from litestar.params import JSONBody, QueryParameter

from catalogue.policy import load
from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from events.bounds import Clause
from infra.ids import new_id
from infra.web import MEMBERS, FromKeyed, FromResources, IdempotencyKey, MemberVisit, PageNumber, PathId, allow, clean
from infra.web.errors import NotFound
from services.purchases import handlers
from services.purchases.handlers import NewPurchase
from services.purchases.store import purchases
from services.purchases.views import PurchaseView, as_seen, own_purchase, purchase_view

PER_PAGE = 50
After = Annotated[str, QueryParameter(max_length=440, pattern=purchases.CURSOR)]


class AnswerIn(msgspec.Struct, kw_only=True):
    accept: bool
    reason: Clause = ""


class PurchaseRequestedOut(msgspec.Struct, kw_only=True):
    purchase_id: str


class PurchasesApi(Controller):
    path = "/api/contracts/purchases"
    tags = ["contracts"]

    @get(opt=MEMBERS)
    async def list_purchases(
        self, request: MemberVisit, resources: FromResources, number: PageNumber = 1, after: After = ""
    ) -> Response[list[PurchaseView]]:
        """Return the reader's purchases, as buyer or supplier, 50 at a time, unanswered ones first. The header ``Link``
        names the next page, and this link stays right while purchases are requested or answered. If both are given,
        ``after`` counts and ``page`` does not."""
        own = request.user.organisation_id
        offset = PER_PAGE * (number - 1)
        found = await purchases.listing(resources.database.pool, own, limit=PER_PAGE, offset=offset, after=after)
        link = f'</api/contracts/purchases?after={quote(found.next)}>; rel="next"'
        return Response(as_seen(found.rows), headers={"link": link} if found.next else {})

    @get("/{purchase_id:str}", opt=MEMBERS, raises=[NotFound])
    async def read_purchase(self, request: MemberVisit, resources: FromResources, purchase_id: PathId) -> PurchaseView:
        return purchase_view(await own_purchase(resources, purchase_id, request.user))

    @post(opt=allow(BUYER_OFFICER), raises=[NotFound])
    async def request_purchase(
        self, request: MemberVisit, resources: FromResources, data: JSONBody[NewPurchase], key: IdempotencyKey = ""
    ) -> PurchaseRequestedOut:
        policy = load(resources.config.policy)
        wanted = msgspec.structs.replace(
            data, offer_id=clean(data.offer_id), region=clean(data.region), locality=clean(data.locality)
        )
        async with resources.database.transaction("purchases") as tx:
            purchase_id = await handlers.request_purchase(tx, wanted, request.user, policy, clean(key) or new_id())
        return PurchaseRequestedOut(purchase_id=purchase_id)

    @post("/{purchase_id:str}/answer", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def answer_purchase(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        purchase_id: PathId,
        data: JSONBody[AnswerIn],
    ) -> PurchaseView:
        async with resources.database.transaction("purchases") as tx:
            await keyed.do(
                tx,
                lambda: handlers.answer_purchase(tx, clean(purchase_id), data.accept, clean(data.reason), request.user),
            )
        return purchase_view(await own_purchase(resources, purchase_id, request.user))
