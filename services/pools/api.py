"""JSON of pools: everybody reads, officers of active buyers take part."""

from typing import Annotated, Literal

import msgspec
from litestar import Controller, get, post
from litestar.params import JSONBody, QueryParameter

from catalogue.policy import load as load_policy
from catalogue.roles import BUYER_OFFICER
from events.bounds import Reason
from infra.web import PUBLIC, FromKeyed, FromResources, IdempotencyKey, MemberVisit, PageNumber, PathId, Visit, allow
from infra.web.arguments import CategoryCode, Region
from infra.web.filters import category_in, region_in
from services.pools import handlers, views
from services.pools.handlers import Enrolment, PoolOpening, Sourcing
from services.pools.store.listing import ListedPool, search
from services.pools.views import DEEPEST, PoolDetails

OFFICERS = allow(BUYER_OFFICER)


class EnrolmentReason(msgspec.Struct, frozen=True):
    reason: Reason = ""


class PoolsApi(Controller):
    path = "/api/pools"
    tags = ["pools"]

    @get(opt=PUBLIC)
    async def pools(
        self,
        resources: FromResources,
        group: Annotated[Literal["", "enrolling", "running", "done"], QueryParameter(description="Empty for all")] = "",
        region: Region = "",
        category: CategoryCode = "",
        limit: Annotated[int, QueryParameter(ge=1, le=100)] = 50,
        offset: Annotated[int, QueryParameter(ge=0, le=DEEPEST)] = 0,
    ) -> list[ListedPool]:
        """List pools, the newest first."""
        region, category = region_in(region), category_in(category)
        async with resources.database.transaction("pools") as tx:
            found, _ = await search(tx, group=group, region=region, category=category, limit=limit, offset=offset)
        return found

    @get("/{pool_id:str}", opt=PUBLIC)
    async def pool(
        self, resources: FromResources, request: Visit, pool_id: PathId, page: PageNumber = 1
    ) -> PoolDetails:
        """Return a pool. ``page`` is the page of its members and their allocations."""
        async with resources.database.transaction("pools") as tx:
            return await views.details(tx, pool_id, request.scope.get("user"), page)

    @post(opt=OFFICERS)
    async def open_pool(
        self,
        resources: FromResources,
        request: MemberVisit,
        data: JSONBody[PoolOpening],
        idempotency_key: IdempotencyKey = "",
    ) -> PoolDetails:
        """Open a pool that the caller's organisation leads."""
        policy = load_policy(resources.config.policy)
        async with resources.database.transaction("pools") as tx:
            pool_id = await handlers.open_pool(tx, data, request.user, policy, idempotency_key)
            return await views.details(tx, pool_id, request.user)

    @post("/{pool_id:str}/enrolment", opt=OFFICERS, status_code=200)
    async def enrol(
        self,
        resources: FromResources,
        keyed: FromKeyed,
        request: MemberVisit,
        pool_id: PathId,
        data: JSONBody[Enrolment],
    ) -> PoolDetails:
        """Set the firm demand of the caller's organisation. Before the freeze, sending it again replaces the former
        demand."""
        async with resources.database.transaction("pools") as tx:
            await keyed.do(tx, lambda: handlers.enrol(tx, pool_id, data, request.user))
            return await views.details(tx, pool_id, request.user)

    @post("/{pool_id:str}/withdraw", opt=OFFICERS, status_code=200)
    async def withdraw(
        self,
        resources: FromResources,
        keyed: FromKeyed,
        request: MemberVisit,
        pool_id: PathId,
        data: JSONBody[EnrolmentReason],
    ) -> PoolDetails:
        """Withdraw. Before the freeze it has no consequence; after it, it is a default that is published with its
        reason."""
        async with resources.database.transaction("pools") as tx:
            await keyed.do(tx, lambda: handlers.withdraw(tx, pool_id, request.user, data.reason))
            return await views.details(tx, pool_id, request.user)

    @post("/{pool_id:str}/freeze", opt=OFFICERS, status_code=200)
    async def freeze(
        self, resources: FromResources, keyed: FromKeyed, request: MemberVisit, pool_id: PathId
    ) -> PoolDetails:
        """End the enrolment early, as the lead."""
        async with resources.database.transaction("pools") as tx:
            await keyed.do(tx, lambda: handlers.freeze(tx, pool_id, request.user))
            return await views.details(tx, pool_id, request.user)

    @post("/{pool_id:str}/source", opt=OFFICERS, status_code=200)
    async def source(
        self,
        resources: FromResources,
        keyed: FromKeyed,
        request: MemberVisit,
        pool_id: PathId,
        data: JSONBody[Sourcing],
    ) -> PoolDetails:
        """Ask for a mini-auction of the frozen demand, as the lead. ``auction_id`` follows once it is open."""
        async with resources.database.transaction("pools") as tx:
            await keyed.do(tx, lambda: handlers.request_sourcing(tx, pool_id, data, request.user))
            return await views.details(tx, pool_id, request.user)

    @post("/{pool_id:str}/cancel", opt=OFFICERS, status_code=200)
    async def cancel(
        self,
        resources: FromResources,
        keyed: FromKeyed,
        request: MemberVisit,
        pool_id: PathId,
        data: JSONBody[EnrolmentReason],
    ) -> PoolDetails:
        async with resources.database.transaction("pools") as tx:
            await keyed.do(tx, lambda: handlers.cancel(tx, pool_id, request.user, data.reason))
            return await views.details(tx, pool_id, request.user)
