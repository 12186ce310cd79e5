"""Wiring of auctions."""

from infra.service import Resources, Service, Timer
from infra.web import routes
from services.auctions.api import AuctionsApi, BidsApi, with_lane
from services.auctions.api.auction import AuctionApi
from services.auctions.api.complaints import ComplaintsApi
from services.auctions.api.market_log import MarketLogApi
from services.auctions.board import Boards
from services.auctions.handlers import reactions
from services.auctions.lane import Lane
from services.auctions.market_log import MarketLog
from services.auctions.pages import ActPages, AuctionComposePages, AuctionPages, ComplaintPages
from services.auctions.store import Row
from services.auctions.timers import TIMERS

NAME = "auctions"


def create(resources: Resources) -> Service:
    lane = Lane(resources.database.url, resources.clock, resources.signer)
    market_log = MarketLog(resources.signer)
    shared = with_lane(
        lane, Boards(resources.database.pool, resources.live), market_log, BidsApi, AuctionApi, AuctionPages, ActPages
    )
    return Service(
        name=NAME,
        metadata=Row.metadata,
        routes=[
            routes(resources, AuctionsApi, ComplaintsApi, MarketLogApi, shared, AuctionComposePages, ComplaintPages)
        ],
        reactions=reactions,
        timers=(*TIMERS, Timer("market log", 1, market_log.anchor)),
        lifespans=[lane.running],
    )
