"""JSON of the recommender."""

from datetime import datetime, timedelta

import msgspec
from litestar import Controller, get, post

from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from events.recommender import Recommendation
from infra.database import Transaction
from infra.denied import Missing
from infra.web import MEMBERS, PUBLIC, FromKeyed, FromResources, MemberVisit, PathId, Short, allow
from services.recommender.store import advice, openings, trainings
from services.recommender.store.advice import Invitee, Made, Together
from services.recommender.store.openings import horizon
from services.recommender.store.trainings import Training
from services.recommender.views import TRAININGS, own_opening

ASKED_FRESH = timedelta(hours=1)
TOGETHER = 10


class Recommendations(msgspec.Struct, frozen=True, kw_only=True):
    """``made_at`` is null while the first list is being made: ask again in a few seconds."""

    supplier_id: str
    model_id: str = ""
    made_at: datetime | None = None
    items: list[Recommendation] = []


class Invitees(msgspec.Struct, frozen=True, kw_only=True):
    """Suppliers from the history of awards, most likely first; ``ranked`` is false until they are ranked, which happens
    when the end of the purchase is within the horizon of recommendations."""

    opportunity_id: str
    ranked: bool
    suppliers: list[Invitee]


class Trainings(msgspec.Struct, frozen=True, kw_only=True):
    """Trainings, newest first. ``in_use`` is the model that is used for recommendations: ``plain`` while none was
    learned."""

    in_use: str
    trainings: list[Training]


async def dismiss(tx: Transaction, supplier_id: str, opportunity_id: str) -> None:
    """Store that the supplier dismissed the opportunity. Raise Missing."""
    if await openings.opening(tx, opportunity_id) is None:
        raise Missing("opportunity", opportunity_id)
    await advice.dismiss(tx, supplier_id, opportunity_id)


def answer(supplier_id: str, made: Made | None) -> Recommendations:
    if made is None:
        return Recommendations(supplier_id=supplier_id)
    return Recommendations(supplier_id=supplier_id, model_id=made.model_id, made_at=made.made_at, items=made.items)


class RecommenderApi(Controller):
    path = "/api"
    tags = ["recommender"]

    @get("/recommendations", opt=allow(SUPPLIER_AGENT))
    async def own(self, resources: FromResources, request: MemberVisit) -> Recommendations:
        """Open purchases that fit the caller's organisation, each with its reasons."""
        supplier_id = request.user.organisation_id
        async with resources.database.transaction("recommender") as tx:
            return answer(supplier_id, await advice.made(tx, supplier_id, horizon(resources.config.policy, tx.now)))

    @post("/recommendations/{opportunity_id:str}/dismiss", opt=allow(SUPPLIER_AGENT), status_code=204)
    async def dismiss(
        self, resources: FromResources, keyed: FromKeyed, request: MemberVisit, opportunity_id: PathId
    ) -> None:
        """Dismiss an opportunity: it is left out of lists and mail. A repeat changes nothing."""
        async with resources.database.transaction("recommender") as tx:
            await keyed.do(tx, lambda: dismiss(tx, request.user.organisation_id, opportunity_id))

    @post("/recommendations/{opportunity_id:str}/restore", opt=allow(SUPPLIER_AGENT), status_code=204)
    async def restore(
        self, resources: FromResources, keyed: FromKeyed, request: MemberVisit, opportunity_id: PathId
    ) -> None:
        async with resources.database.transaction("recommender") as tx:
            await keyed.do(tx, lambda: advice.restore(tx, request.user.organisation_id, opportunity_id))

    @get("/recommendations/suppliers", opt=allow(BUYER_OFFICER))
    async def suppliers(self, resources: FromResources, request: MemberVisit, auction: Short) -> Invitees:
        """Suppliers to invite to a mini-auction of the caller's organisation."""
        _, invitees = await own_opening(resources, request.user, auction)
        return Invitees(opportunity_id=auction, ranked=invitees is not None, suppliers=invitees or [])

    @get("/recommender/suppliers/{supplier_id:str}", opt=MEMBERS)
    async def imported(self, resources: FromResources, supplier_id: PathId) -> Recommendations:
        """The list of a supplier in imported data. It is made when it is asked for. Lists of registered suppliers are
        not public."""
        async with resources.database.transaction("recommender") as tx:
            if not await advice.is_imported(tx, supplier_id):
                raise Missing("imported supplier", supplier_id)
            await advice.ask(tx, supplier_id, ASKED_FRESH)
            return answer(supplier_id, await advice.made(tx, supplier_id, horizon(resources.config.policy, tx.now)))

    @get("/recommender/figures", opt=PUBLIC)
    async def figures(self, resources: FromResources) -> Trainings:
        """The measurements of the last trainings, and whether each model was used."""
        async with resources.database.transaction("recommender") as tx:
            in_use = await trainings.id_in_use(tx)
            return Trainings(in_use=in_use, trainings=await trainings.newest(tx, TRAININGS))

    @get("/recommender/co-purchases", opt=PUBLIC)
    async def co_purchases(self, resources: FromResources, sku: Short) -> list[Together]:
        """SKUs that were bought together with this one in contracts, most frequent first."""
        async with resources.database.transaction("recommender") as tx:
            return await advice.bought_with(tx, [sku], TOGETHER)
