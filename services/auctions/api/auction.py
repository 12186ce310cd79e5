"""JSON of an auction besides its bids: floors, receipts, participants, the proof."""

from datetime import datetime
from decimal import Decimal

import msgspec
from litestar import Controller, Response, get, put
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import JSONBody
from litestar.response import Stream

from catalogue.roles import OBSERVER, SUPPLIER_AGENT
from events.bounds import Amount
from infra.denied import Missing
from infra.web import PUBLIC, FromKeyed, FromResources, MemberVisit, PathId, PathNumber, allow, clean
from infra.web.errors import NotFound
from services.auctions import handlers, receipts
from services.auctions.bidders import Bidder, bidders
from services.auctions.domain.autobid import Autobid
from services.auctions.market_log import MarketLog, NotProvable, SubtreesMissing
from services.auctions.receipts import Receipt
from services.auctions.store import bids
from services.auctions.views import get_auction


class AutobidIn(msgspec.Struct, kw_only=True):
    """``floor`` is the lowest price at which the market may bid for the supplier. With ``on`` false the floor stays
    stored, but is not used."""

    floor: Amount
    on: bool = True


class AutobidOut(msgspec.Struct, kw_only=True):
    floor: Decimal
    on: bool
    set_at: datetime


class AuctionApi(Controller):
    path = "/api/auctions/{auction_id:str}"
    tags = ["auctions"]

    @get("/autobid", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def read_autobid(self, request: MemberVisit, resources: FromResources, auction_id: PathId) -> AutobidOut:
        """Return the caller's own floor. Nobody else sees it."""
        stored = await get_auction(resources, auction_id)
        autobid = stored.autobids.get(request.user.organisation_id)
        if autobid is None:
            raise Missing("autobid of yours in auction", auction_id)
        return AutobidOut(floor=autobid.floor, on=autobid.on, set_at=autobid.set_at)

    @put("/autobid", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def set_autobid(
        self,
        request: MemberVisit,
        resources: FromResources,
        keyed: FromKeyed,
        auction_id: PathId,
        data: JSONBody[AutobidIn],
    ) -> AutobidOut:
        """Let the market bid for the caller down to the floor, after a first bid by hand. The floor can be changed or
        switched off at any time."""
        async with resources.database.transaction("auctions") as tx:
            autobid = await keyed.once(
                tx, Autobid, lambda: handlers.set_autobid(tx, auction_id, data.floor, data.on, request.user)
            )
        return AutobidOut(floor=autobid.floor, on=autobid.on, set_at=autobid.set_at)

    @get("/receipts/{position:int}", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def read_receipt(
        self,
        request: MemberVisit,
        resources: FromResources,
        auction_id: PathId,
        position: PathNumber,
    ) -> Response[Receipt]:
        """Return the signed receipt of the caller's own bid, by the number of its line in the log. ``lonja verify
        receipt`` checks this file."""
        kept = await bids.of_line(resources.database.pool, clean(auction_id), position)
        if kept is None or kept.verdict.bid.supplier_id != request.user.organisation_id:
            raise Missing("bid of yours in the log's line", str(position))
        (receipt,) = receipts.issue(resources.signer, [kept])
        name = f"receipt-{kept.verdict.event.auction_id}-{position}.json"
        return Response(receipt, headers={"content-disposition": f'attachment; filename="{name}"'})

    @get("/participants", opt=allow(OBSERVER), raises=[NotFound])
    async def read_participants(self, resources: FromResources, auction_id: PathId) -> list[Bidder]:
        """Return who took part, for observers. It is refused until the auction is closed."""
        return await bidders(resources.database.pool, await get_auction(resources, auction_id))

    @get("/proof", opt=PUBLIC, raises=[NotFound], media_type="application/jsonl")
    async def read_proof(
        self, resources: FromResources, market_log: NamedDependency[MarketLog], auction_id: PathId
    ) -> Stream:
        """Return the whole public log of a closed auction with its proof, for ``lonja verify auction``, as JSON lines."""
        try:
            parts = await market_log.proof(resources.database.pool, clean(auction_id))
        except NotProvable:
            raise Missing("proof yet of auction", auction_id) from None
        except SubtreesMissing as missing:
            raise HTTPException(status_code=503, detail=str(missing), headers={"retry-after": "10"}) from None
        name = f"auction-{clean(auction_id)}.jsonl"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Stream(parts, media_type="application/jsonl", headers=headers)
