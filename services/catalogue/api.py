"""JSON API of the catalogue: everybody reads, members propose, moderators decide, suppliers offer."""

from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Response, Router, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromQuery, JSONBody, QueryParameter
from msgspec import Meta

from catalogue.policy import load as load_policy
from events.bounds import Few, Packs, Reason, Title
from infra.database import Transaction
from infra.service import Ground
from infra.tokens import BUYER_OFFICER, MODERATOR, SUPPLIER_AGENT
from infra.web import PUBLIC, FromGround, FromKeyed, IdempotencyKey, MemberVisit, PathId, Visit, allow
from infra.web.arguments import NUMBER, CategoryCode, Region, number_in
from infra.web.filters import category_in, region_in
from services.catalogue import store, views
from services.catalogue.baskets import Basket, basket_of
from services.catalogue.finder import Finder
from services.catalogue.handlers import basket, offers, skus
from services.catalogue.handlers.offers import Terms
from services.catalogue.handlers.skus import Proposal, ProposedCard
from services.catalogue.pricing import home_region
from services.catalogue.store import Standing, Version, proposals
from services.catalogue.views import MOST_PAGES, MOST_PAGES_OF_OFFERS, Search, SearchPage, SkuPage, WantedPrices

Words = Annotated[str, QueryParameter(max_length=300)]
Number = Annotated[int, Meta(ge=1, le=25_000)] | None


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """``version`` that was looked at; the newest where it is not said."""

    version: Number = None


class Return(msgspec.Struct, frozen=True, kw_only=True):
    reasons: Few[Reason]
    version: Number = None


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """``quantity`` in packs; left out: as many as were in, else the least that is offered."""

    quantity: Packs | None = None


class Archiving(msgspec.Struct, frozen=True, kw_only=True):
    reason: Reason


class CatalogueApi(Controller):
    """Decisions and withdrawals change nothing when they are repeated; proposing and offering need the key for that."""

    path = "/api/catalogue"
    tags = ["catalogue"]

    @get("/skus", opt=PUBLIC)
    async def search(
        self,
        request: Visit,
        ground: FromGround,
        finder: NamedDependency[Finder],
        q: Words = "",
        category: CategoryCode = "",
        region: Region = "",
        price_from: Annotated[
            str | None, QueryParameter(description="Of one pack, VAT included", pattern=NUMBER)
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
        """Words with stems and typos forgiven; facets count all that match. A published SKU is found within a second."""
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
        async with ground.database.transaction("catalogue") as tx:
            return await views.search(tx, finder, asked, request.scope.get("user"))

    @get("/skus/{sku_id:str}", opt=PUBLIC)
    async def sku(
        self,
        request: Visit,
        ground: FromGround,
        finder: NamedDependency[Finder],
        sku_id: PathId,
        region: Region = "",
        quantity: Annotated[str | None, QueryParameter(description="Packs", pattern=NUMBER)] = None,
        page: Annotated[int, QueryParameter(ge=1, le=MOST_PAGES_OF_OFFERS)] = 1,
    ) -> SkuPage:
        """With a page of its offers by landed price for a region and quantity; those not available come last and say why."""
        async with ground.database.transaction("catalogue") as tx:
            reader = request.scope.get("user")
            wanted = WantedPrices(region=region_in(region), quantity=number_in(quantity), page=page)
            return await views.sku_page(tx, sku_id, wanted, finder.currency, reader)

    @post("/skus", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER))
    async def propose(
        self,
        ground: FromGround,
        finder: NamedDependency[Finder],
        request: MemberVisit,
        data: JSONBody[Proposal],
        idempotency_key: IdempotencyKey = "",
    ) -> Version:
        """A new SKU. Refused as ``near-duplicates``, with their ids, until ``none_of_these`` says that they were looked at."""
        return await self._propose(ground, finder, request, data, idempotency_key)

    @post("/skus/{sku_id:str}/versions", opt=allow(SUPPLIER_AGENT, BUYER_OFFICER))
    async def propose_version(
        self,
        ground: FromGround,
        finder: NamedDependency[Finder],
        request: MemberVisit,
        sku_id: PathId,
        data: JSONBody[Proposal],
        idempotency_key: IdempotencyKey = "",
    ) -> Version:
        """A new version of a published SKU, or a returned one mended."""
        return await self._propose(ground, finder, request, data, idempotency_key, sku_id)

    async def _propose(
        self, ground: Ground, finder: Finder, request: MemberVisit, data: Proposal, key: str, sku_id: str = ""
    ) -> Version:
        card = skus.card_of(data, sku_id)
        alike = () if data.none_of_these else await finder.near_duplicates(card)
        policy = load_policy(ground.config.policy)
        async with ground.database.transaction("catalogue") as tx:
            proposed = ProposedCard(proposal=data, sku_id=sku_id, alike=alike)
            return await skus.propose(tx, proposed, request.user, policy, key)

    @get("/moderation", opt=allow(MODERATOR))
    async def queue(
        self,
        ground: FromGround,
        limit: Annotated[int, QueryParameter(ge=1, le=50)] = 20,
        offset: Annotated[int, QueryParameter(ge=0, le=25_000)] = 0,
    ) -> Response[list[Version]]:
        """What awaits a decision, most urgent first; the header ``x-total-count`` says how many there are in all, up to 1,000, and
        ``x-total-more`` whether there are more than that. Cards of a former release that are longer than a card may be come with their
        texts cut."""
        async with ground.database.transaction("catalogue") as tx:
            found = await proposals.queue(tx, limit=limit, offset=offset)
        more = "true" if found.more else "false"
        return Response(list(found.rows), headers={"x-total-count": str(found.total), "x-total-more": more})

    @post("/skus/{sku_id:str}/publish", opt=allow(MODERATOR), status_code=200)
    async def publish(
        self, ground: FromGround, keyed: FromKeyed, sku_id: PathId, data: JSONBody[Decision | None] = None
    ) -> Version:
        async with ground.database.transaction("catalogue") as tx:
            return await keyed.once(tx, Version, lambda: skus.publish(tx, sku_id, data.version if data else None))

    @post("/skus/{sku_id:str}/return", opt=allow(MODERATOR), status_code=200)
    async def send_back(self, ground: FromGround, keyed: FromKeyed, sku_id: PathId, data: JSONBody[Return]) -> Version:
        async with ground.database.transaction("catalogue") as tx:
            return await keyed.once(tx, Version, lambda: skus.send_back(tx, sku_id, data.reasons, data.version))

    @post("/skus/{sku_id:str}/archive", opt=allow(MODERATOR), status_code=200)
    async def archive(self, ground: FromGround, keyed: FromKeyed, sku_id: PathId, data: JSONBody[Archiving]) -> Version:
        """Its offers are archived with it."""
        async with ground.database.transaction("catalogue") as tx:
            return await keyed.once(tx, Version, lambda: skus.archive(tx, sku_id, data.reason))

    @get("/offers", opt=allow(SUPPLIER_AGENT))
    async def own_offers(self, ground: FromGround, request: MemberVisit) -> list[Standing]:
        """Of one's own organisation, standing ones first."""
        async with ground.database.transaction("catalogue") as tx:
            return [standing for standing, _ in await store.offers_of(tx, request.user.organisation_id)]

    @post("/offers", opt=allow(SUPPLIER_AGENT))
    async def publish_offer(
        self, ground: FromGround, request: MemberVisit, data: JSONBody[Terms], idempotency_key: IdempotencyKey = ""
    ) -> Standing:
        """Valid from today. With ``replaces`` it is an edit: the former offer is archived in the same step. Of one supplier at most 20
        offers stand on one SKU (``too-many-offers``), and fifty are published on it within a day (``too-many-offers-of-a-day``)."""
        async with ground.database.transaction("catalogue") as tx:
            return await offers.publish_offer(
                tx, data, request.user, load_policy(ground.config.policy), idempotency_key
            )

    @post("/offers/{offer_id:str}/withdraw", opt=allow(SUPPLIER_AGENT), status_code=200)
    async def withdraw(self, ground: FromGround, keyed: FromKeyed, request: MemberVisit, offer_id: PathId) -> Standing:
        async with ground.database.transaction("catalogue") as tx:
            return await keyed.once(tx, Standing, lambda: offers.withdraw(tx, offer_id, request.user))


class BasketApi(Controller):
    """One basket a member. Every call answers with the whole of it."""

    path = "/api/catalogue/basket"
    tags = ["catalogue"]
    opt = allow(BUYER_OFFICER)

    @get()
    async def basket(self, ground: FromGround, finder: NamedDependency[Finder], request: MemberVisit) -> Basket:
        """Each line at its best landed price at the buyer's place, or why there is none."""
        async with ground.database.transaction("catalogue") as tx:
            return await _basket(tx, request, finder)

    @put("/{sku_id:str}")
    async def put(
        self,
        ground: FromGround,
        keyed: FromKeyed,
        finder: NamedDependency[Finder],
        request: MemberVisit,
        sku_id: PathId,
        data: JSONBody[Wish | None] = None,
    ) -> Basket:
        async with ground.database.transaction("catalogue") as tx:
            await keyed.do(tx, lambda: basket.put(tx, sku_id, data.quantity if data else None, request.user))
            return await _basket(tx, request, finder)

    @delete("/{sku_id:str}", status_code=200)
    async def take_out(
        self,
        ground: FromGround,
        keyed: FromKeyed,
        finder: NamedDependency[Finder],
        request: MemberVisit,
        sku_id: PathId,
    ) -> Basket:
        async with ground.database.transaction("catalogue") as tx:
            await keyed.do(tx, lambda: basket.take_out(tx, sku_id, request.user))
            return await _basket(tx, request, finder)


async def _basket(tx: Transaction, request: MemberVisit, finder: Finder) -> Basket:
    return await basket_of(tx, request.user, home_region(request.user), finder.currency)


def with_finder(finder: Finder, *handlers: Any) -> Router:
    """Each may take the process's ``finder`` as an argument."""
    return Router(
        path="", route_handlers=handlers, dependencies={"finder": Provide(lambda: finder, sync_to_thread=False)}
    )
