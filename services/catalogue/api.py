"""JSON API of the catalogue: everybody reads, members propose, moderators decide, suppliers offer."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Response, Router, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from catalogue.policy import load as load_policy
from catalogue.roles import BUYER_OFFICER, MODERATOR, SUPPLIER_AGENT
from events.bounds import Few, Packs, Reason, Title
from infra.database import Transaction
from infra.service import Resources
from infra.web import PUBLIC, FromKeyed, FromResources, IdempotencyKey, MemberVisit, PathId, Visit, Words, allow
from infra.web.arguments import NUMBER, CategoryCode, Region, number_in
from infra.web.filters import category_in, region_in
from services.catalogue import store, views
from services.catalogue.baskets import Basket, basket_of
from services.catalogue.finder import Finder
from services.catalogue.handlers import basket, offers, skus
from services.catalogue.handlers.offers import OfferTerms
from services.catalogue.handlers.skus import ProposedCard, SkuProposal
from services.catalogue.pricing import home_region
from services.catalogue.store import StandingOffer, Version, proposals
from services.catalogue.views import MOST_PAGES, MOST_PAGES_OF_OFFERS, Search, SearchPage, SkuPage, WantedPrices

Number = Annotated[int, Meta(ge=1, le=25_000)] | None


class ModeratorDecision(msgspec.Struct, frozen=True, kw_only=True):
    """A moderator's decision. ``version`` is the version that was checked; default: the newest."""

    version: Number = None


class Return(msgspec.Struct, frozen=True, kw_only=True):
    reasons: Few[Reason]
    version: Number = None


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """A SKU for the basket. ``quantity`` is in packs; if it is left out: the quantity that was in the basket before,
    else the smallest that is offered."""

    quantity: Packs | None = None


class Archiving(msgspec.Struct, frozen=True, kw_only=True):
    reason: Reason


class CatalogueApi(Controller):
    """A repeated decision or withdrawal changes nothing; repeated proposals and offers need the request key for
    that."""

    path = "/api/catalogue"
    tags = ["catalogue"]

    @get("/skus", opt=PUBLIC)
    async def search(
        self,
        request: Visit,
        resources: FromResources,
        finder: NamedDependency[Finder],
        q: Words = "",
        category: CategoryCode = "",
        region: Region = "",
        price_from: Annotated[
            str | None, QueryParameter(description="The price of one pack, VAT included", pattern=NUMBER)
        ] = None,
        price_to: Annotated[str | None, QueryParameter(pattern=NUMBER)] = None,
        eco: Annotated[str, QueryParameter(description="Name of an eco-label", max_length=100)] = "",
        attribute: Annotated[
            list[Annotated[Title, Meta(pattern=views.NAMED_VALUE)]] | None,
            QueryParameter(description="name=value, several times", max_items=20),
        ] = None,
        page: Annotated[int, QueryParameter(ge=1, le=MOST_PAGES)] = 1,
        sort: FromQuery[Literal["relevance", "price"]] = "relevance",
    ) -> SearchPage:
        """Search by words; inflections and typos are tolerated. Facets count all matches. A published SKU is found
        within a second."""
        asked = Search(
            q=q,
            category=category_in(category),
            region=region_in(region),
            served=True,
            price_from=number_in(price_from),
            price_to=number_in(price_to),
            eco=eco,
            attributes=tuple(attribute or ()),
            page=page,
            sort=sort,
        )
        async with resources.database.transaction("catalogue") as tx:
            return await views.search(tx, finder, asked, request.scope.get("user"))

    @get("/skus/{sku_id:str}", opt=PUBLIC)
    async def sku(
        self,
        request: Visit,
        resources: FromResources,
        finder: NamedDependency[Finder],
        sku_id: PathId,
        region: Region = "",
        quantity: Annotated[str | None, QueryParameter(description="Packs", pattern=NUMBER)] = None,
        page: Annotated[int, QueryParameter(ge=1, le=MOST_PAGES_OF_OFFERS)] = 1,
    ) -> SkuPage:
        """A SKU with a page of its offers, ordered by landed price for a region and quantity; those that are not
        available come last, with the reason."""
        async with resources.database.transaction("catalogue") as tx:
            reader = request.scope.get("user")
            wanted = WantedPrices(region=region_in(region), quantity=number_in(quantity), page=page)
            return await views.sku_page(tx, sku_id, wanted, finder.currency, reader)

    @post("/skus", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER))
    async def propose(
        self,
        resources: FromResources,
        finder: NamedDependency[Finder],
        request: MemberVisit,
        data: JSONBody[SkuProposal],
        idempotency_key: IdempotencyKey = "",
    ) -> Version:
        """Propose a new SKU. Similar cards cause the refusal ``near-duplicates``, with their ids, unless
        ``none_of_these`` says that they were checked."""
        return await self._propose(resources, finder, request, data, idempotency_key)

    @post("/skus/{sku_id:str}/versions", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER))
    async def propose_version(
        self,
        resources: FromResources,
        finder: NamedDependency[Finder],
        request: MemberVisit,
        sku_id: PathId,
        data: JSONBody[SkuProposal],
        idempotency_key: IdempotencyKey = "",
    ) -> Version:
        """Propose a new version of a published SKU, or a corrected version of a returned one."""
        return await self._propose(resources, finder, request, data, idempotency_key, sku_id)

    async def _propose(
        self, resources: Resources, finder: Finder, request: MemberVisit, data: SkuProposal, key: str, sku_id: str = ""
    ) -> Version:
        card = skus.card_of(data, sku_id)
        alike = () if data.none_of_these else await finder.near_duplicates(card)
        policy = load_policy(resources.config.policy)
        async with resources.database.transaction("catalogue") as tx:
            proposed = ProposedCard(proposal=data, sku_id=sku_id, alike=alike)
            return await skus.propose(tx, proposed, request.user, policy, key)

    @get("/moderation", opt=allow(MODERATOR))
    async def queue(
        self,
        resources: FromResources,
        limit: Annotated[int, QueryParameter(ge=1, le=50)] = 20,
        offset: Annotated[int, QueryParameter(ge=0, le=25_000)] = 0,
    ) -> Response[list[Version]]:
        """Cards that await a decision, most urgent first. The header ``x-total-count`` has their number, up to 1,000,
        and ``x-total-more`` says whether there are more. The texts of cards that a former release accepted and that are
        too long are cut."""
        async with resources.database.transaction("catalogue") as tx:
            found = await proposals.queue(tx, limit=limit, offset=offset)
        more = "true" if found.more else "false"
        return Response(list(found.rows), headers={"x-total-count": str(found.total), "x-total-more": more})

    @post("/skus/{sku_id:str}/publish", opt=allow(MODERATOR), status_code=200)
    async def publish(
        self,
        resources: FromResources,
        keyed: FromKeyed,
        sku_id: PathId,
        data: JSONBody[ModeratorDecision | None] = None,
    ) -> Version:
        async with resources.database.transaction("catalogue") as tx:
            return await keyed.once(tx, Version, lambda: skus.publish(tx, sku_id, data.version if data else None))

    @post("/skus/{sku_id:str}/return", opt=allow(MODERATOR), status_code=200)
    async def send_back(
        self, resources: FromResources, keyed: FromKeyed, sku_id: PathId, data: JSONBody[Return]
    ) -> Version:
        async with resources.database.transaction("catalogue") as tx:
            return await keyed.once(tx, Version, lambda: skus.send_back(tx, sku_id, data.reasons, data.version))

    @post("/skus/{sku_id:str}/archive", opt=allow(MODERATOR), status_code=200)
    async def archive(
        self, resources: FromResources, keyed: FromKeyed, sku_id: PathId, data: JSONBody[Archiving]
    ) -> Version:
        """Archive a SKU and its offers."""
        async with resources.database.transaction("catalogue") as tx:
            return await keyed.once(tx, Version, lambda: skus.archive(tx, sku_id, data.reason))

    @get("/offers", opt=allow(SUPPLIER_AGENT))
    async def own_offers(self, resources: FromResources, request: MemberVisit) -> list[StandingOffer]:
        """The offers of the caller's organisation, current ones first."""
        async with resources.database.transaction("catalogue") as tx:
            return [standing for standing, _ in await store.offers_of(tx, request.user.organisation_id)]

    @post("/offers", opt=allow(SUPPLIER_AGENT))
    async def publish_offer(
        self,
        resources: FromResources,
        request: MemberVisit,
        data: JSONBody[OfferTerms],
        idempotency_key: IdempotencyKey = "",
    ) -> StandingOffer:
        """Publish an offer, valid from today. With ``replaces`` it is an edit: the former offer is archived in the same
        step. One supplier can have at most 20 current offers on one SKU (``too-many-offers``), and can publish at most
        fifty on it within a day (``too-many-offers-of-a-day``)."""
        async with resources.database.transaction("catalogue") as tx:
            return await offers.publish_offer(
                tx, data, request.user, load_policy(resources.config.policy), idempotency_key
            )

    @post("/offers/{offer_id:str}/withdraw", opt=allow(SUPPLIER_AGENT), status_code=200)
    async def withdraw(
        self, resources: FromResources, keyed: FromKeyed, request: MemberVisit, offer_id: PathId
    ) -> StandingOffer:
        async with resources.database.transaction("catalogue") as tx:
            return await keyed.once(tx, StandingOffer, lambda: offers.withdraw(tx, offer_id, request.user))


class BasketApi(Controller):
    """The basket of a member. Every call returns the whole basket."""

    path = "/api/catalogue/basket"
    tags = ["catalogue"]
    opt = allow(BUYER_OFFICER)

    @get()
    async def basket(self, resources: FromResources, finder: NamedDependency[Finder], request: MemberVisit) -> Basket:
        """The basket: each line with its best landed price at the buyer's place, or the reason why there is none."""
        async with resources.database.transaction("catalogue") as tx:
            return await _basket(tx, request, finder)

    @put("/{sku_id:str}")
    async def put(
        self,
        resources: FromResources,
        keyed: FromKeyed,
        finder: NamedDependency[Finder],
        request: MemberVisit,
        sku_id: PathId,
        data: JSONBody[Wish | None] = None,
    ) -> Basket:
        async with resources.database.transaction("catalogue") as tx:
            await keyed.do(tx, lambda: basket.put(tx, sku_id, data.quantity if data else None, request.user))
            return await _basket(tx, request, finder)

    @delete("/{sku_id:str}", status_code=200)
    async def take_out(
        self,
        resources: FromResources,
        keyed: FromKeyed,
        finder: NamedDependency[Finder],
        request: MemberVisit,
        sku_id: PathId,
    ) -> Basket:
        async with resources.database.transaction("catalogue") as tx:
            await keyed.do(tx, lambda: basket.take_out(tx, sku_id, request.user))
            return await _basket(tx, request, finder)


async def _basket(tx: Transaction, request: MemberVisit, finder: Finder) -> Basket:
    return await basket_of(tx, request.user, home_region(request.user), finder.currency)


def with_finder(finder: Finder, *handlers: Any) -> Router:
    """Routes that may take the process's ``finder`` as an argument."""
    return Router(
        path="", route_handlers=handlers, dependencies={"finder": Provide(lambda: finder, sync_to_thread=False)}
    )
