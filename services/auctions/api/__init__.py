"""JSON API of mini-auctions. Until the close a bidder is a participant number, here as everywhere."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Router, get, post
from litestar.di import Provide
from litestar.params import FromQuery, JSONBody, QueryParameter

from catalogue.policy import load
from catalogue.roles import BUYER_OFFICER
from events.auctions import BidAccepted, BidRefused
from events.bounds import Reason
from events.values import Category, Line, Place
from infra.ids import new_id
from infra.reading import UnreadableKey
from infra.web import (
    PUBLIC,
    FromKeyed,
    FromResources,
    IdempotencyKey,
    MemberVisit,
    PageNumber,
    PathId,
    Words,
    allow,
    clean,
)
from infra.web.arguments import CategoryCode, Region
from infra.web.errors import NotFound
from infra.web.filters import category_in, region_in
from services.auctions import handlers
from services.auctions.api.bids import BidIn, BidsApi, on_blocked
from services.auctions.board import Boards
from services.auctions.domain.auction import AuctionState
from services.auctions.domain.bids import next_bid
from services.auctions.handlers import NewAuction
from services.auctions.lane import Lane, LaneBlocked
from services.auctions.market_log import MarketLog
from services.auctions.store import bids
from services.auctions.store.listing import AuctionFilter
from services.auctions.views import get_auction, list_auctions, status_of, winner_name

__all__ = ["AuctionsApi", "BidIn", "BidsApi", "get_auction", "status_of", "with_lane"]


class AuctionSummary(msgspec.Struct, kw_only=True):
    auction_id: str
    title: str
    status: str
    buyer_id: str
    buyer_name: str
    kind: str
    category: Category
    place: Place
    currency: str
    initial_price: Decimal
    price: Decimal
    bids: int
    participants: int
    opens_at: datetime
    closes_at: datetime


class AuctionPage(msgspec.Struct, kw_only=True):
    """``total`` counts the auctions that match, up to 1,000; ``more`` says that there are more than that."""

    total: int
    more: bool
    page: int
    auctions: list[AuctionSummary]


class AuctionView(AuctionSummary, kw_only=True):
    """``next_bid`` is the highest amount that a rival of the leader could bid now. ``winner`` is named after the close."""

    step: Decimal
    next_bid: Decimal | None
    lines: tuple[Line, ...]
    policy: str
    reference_ids: tuple[str, ...]
    pool_id: str | None
    outcome: str | None = None
    winner: str | None = None


class PublicAcceptance(msgspec.Struct, kw_only=True, tag_field="verdict", tag="accepted"):
    position: int
    event: BidAccepted


class PublicRefusal(msgspec.Struct, kw_only=True, tag_field="verdict", tag="refused"):
    position: int
    event: BidRefused


PublicVerdict = PublicAcceptance | PublicRefusal


class AuctionOpenedOut(msgspec.Struct, kw_only=True):
    auction_id: str


class AuctionWithdrawalIn(msgspec.Struct, kw_only=True):
    reason: Reason


def summary(state: AuctionState, participants: int, over: bool, now: datetime) -> dict[str, Any]:
    """Return the summary. ``state`` is the public state."""
    opened = state.opened
    return {
        "auction_id": opened.auction_id,
        "title": opened.title,
        "status": status_of(state, over, now),
        "buyer_id": opened.buyer_id,
        "buyer_name": opened.buyer_name,
        "kind": opened.kind,
        "category": opened.category,
        "place": opened.place,
        "currency": opened.currency,
        "initial_price": opened.initial_price,
        "price": state.price,
        "bids": state.sequence,
        "participants": participants,
        "opens_at": opened.opens_at,
        "closes_at": state.closes_at,
    }


class AuctionsApi(Controller):
    path = "/api/auctions"
    tags = ["auctions"]

    @get(opt=PUBLIC)
    async def list_auctions(
        self,
        resources: FromResources,
        status: FromQuery[Literal["", "open", "closed"]] = "",
        category: CategoryCode = "",
        region: Region = "",
        q: Words = "",
        page: PageNumber = 1,
    ) -> AuctionPage:
        """List auctions: running ones by the nearest end, then closed ones, the latest first. ``category`` is the
        beginning of a code, ``region`` an ISO 3166-2 code or a country. ``q`` has words of the title or the buyer's
        name, or beginnings of words."""
        now = resources.clock()
        wanted = AuctionFilter(
            status=clean(status), category=category_in(category), region=region_in(region), q=clean(q)
        )
        found = await list_auctions(resources, wanted, now, page)
        return AuctionPage(
            total=found.total,
            more=found.more,
            page=page,
            auctions=[AuctionSummary(**summary(each.state, each.participants, each.over, now)) for each in found.rows],
        )

    @get("/{auction_id:str}", opt=PUBLIC, raises=[NotFound])
    async def read_auction(self, resources: FromResources, auction_id: PathId) -> AuctionView:
        now = resources.clock()
        stored = await get_auction(resources, auction_id)
        opened, result = stored.opened, stored.result
        public, over = stored.state.public(), stored.state.over(now)
        return AuctionView(
            **summary(public, len(public.participants), over, now),
            step=opened.step,
            next_bid=None if over else next_bid(public),
            lines=result.lines if result and result.lines else opened.lines,
            policy=opened.policy,
            reference_ids=opened.reference_ids,
            pool_id=opened.pool_id,
            outcome=result.outcome if result else None,
            winner=await winner_name(resources, stored),
        )

    @get("/{auction_id:str}/bids", opt=PUBLIC, raises=[NotFound])
    async def read_verdicts(
        self,
        resources: FromResources,
        auction_id: PathId,
        before: Annotated[int | None, QueryParameter(ge=1, le=2**31 - 1)] = None,
    ) -> list[PublicVerdict]:
        """List every verdict, the latest first, 200 at a time. To read on, send the last position as ``before``. A
        position is left out while its verdict cannot be read."""
        await get_auction(resources, auction_id)
        log = await bids.public_log(resources.database.pool, auction_id, limit=200, before=before)
        return [
            PublicAcceptance(position=position, event=event)
            if isinstance(event, BidAccepted)
            else PublicRefusal(position=position, event=event)
            for position, event in log
            if not isinstance(event, UnreadableKey)
        ]

    @post(opt=allow(BUYER_OFFICER))
    async def open(
        self, request: MemberVisit, resources: FromResources, data: JSONBody[NewAuction], key: IdempotencyKey = ""
    ) -> AuctionOpenedOut:
        policy = load(resources.config.policy)
        async with resources.database.transaction("auctions") as tx:
            auction_id = await handlers.open_for_buyer(tx, data, request.user, policy, key or new_id())
        return AuctionOpenedOut(auction_id=auction_id)

    @post("/{auction_id:str}/withdrawal", opt=allow(BUYER_OFFICER), raises=[NotFound], status_code=204)
    async def withdraw(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        auction_id: PathId,
        data: JSONBody[AuctionWithdrawalIn],
    ) -> None:
        """End the buyer's own auction without a winner, as long as the policy allows it. The reason is published."""
        async with resources.database.transaction("auctions") as tx:
            await keyed.do(tx, lambda: handlers.withdraw(tx, auction_id, data.reason, request.user))


def with_lane(lane: Lane, boards: Boards, market_log: MarketLog, *routes: Any) -> Router:
    """Return a router of these routes. Each of them may take the process's ``lane``, ``boards`` and ``market_log`` as
    arguments, and place bids."""
    shared = {
        "lane": Provide(lambda: lane, sync_to_thread=False),
        "boards": Provide(lambda: boards, sync_to_thread=False),
        "market_log": Provide(lambda: market_log, sync_to_thread=False),
    }
    return Router(path="", route_handlers=routes, dependencies=shared, exception_handlers={LaneBlocked: on_blocked})
