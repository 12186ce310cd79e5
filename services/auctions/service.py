"""Wiring of auctions."""

from infra.service import Ground, Service
from infra.web import routes
from services.auctions.api import AuctionsApi, BidsApi, SessionApi, with_lane
from services.auctions.board import Boards
from services.auctions.handlers import HANDLERS
from services.auctions.lane import Lane
from services.auctions.pages import AuctionPages, ComposePages
from services.auctions.store import Row
from services.auctions.timers import TIMERS

NAME = "auctions"


def create(ground: Ground) -> Service:
    lane = Lane(ground.database.url, ground.clock, ground.signer)
    return Service(
        name=NAME,
        metadata=Row.metadata,
        routes=[
            routes(
                ground,
                AuctionsApi,
                SessionApi,
                with_lane(lane, Boards(ground.database.pool), BidsApi, AuctionPages),
                ComposePages,
            )
        ],
        handlers=HANDLERS,
        timers=TIMERS,
        lifespans=[lane.running],
    )
