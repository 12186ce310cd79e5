"""JSON of bids: they are placed in the lane, and may be deleted."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, delete, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.params import JSONBody
from msgspec import Meta

from catalogue.roles import SUPPLIER_AGENT
from events.auctions import BidAccepted
from events.bounds import Amount, Id
from infra.web import FromKeyed, FromResources, IdempotencyKey, MemberVisit, PathId, Visit, allow
from infra.web.errors import PROBLEM, NotFound, on_http_error
from infra.web.languages import gettext
from services.auctions import handlers
from services.auctions.domain.auction import Verdict
from services.auctions.handlers import NewBid
from services.auctions.lane import BidAnswer, Lane, LaneBlocked
from services.auctions.receipts import Receipt


class BidIn(msgspec.Struct, kw_only=True):
    """``amount`` is in the auction's currency, preferably written as a string. ``request_key`` means the same as the
    header. ``choices`` answer the criteria of an auction that has some: the index of the chosen option, from 0, for
    each criterion."""

    amount: Amount
    request_key: Id = ""
    choices: Annotated[tuple[int, ...], Meta(max_length=50)] = ()


class Accepted(msgspec.Struct, kw_only=True):
    """The bid leads. ``closes_at`` is the effective end after the bid."""

    auction_id: str
    verdict: str
    sequence: int
    participant: int
    amount: Decimal
    currency: str
    arrived_at: datetime
    closes_at: datetime
    extended: bool
    choices: tuple[int, ...]
    score: str
    receipt: Receipt


class BidsApi(Controller):
    path = "/api/auctions/{auction_id:str}/bids"
    tags = ["auctions"]

    @post(opt=allow(SUPPLIER_AGENT, batched=True), raises=[NotFound])
    async def place_bid(
        self,
        request: MemberVisit,
        lane: NamedDependency[
            Lane
        ],  # alone: two dependencies would be resolved in a task group, which costs as much as the bid
        auction_id: PathId,
        data: JSONBody[BidIn],
        key: IdempotencyKey = "",
    ) -> Response[Accepted]:
        """Place a bid. The answer is 201 if the bid leads, or 422 with the broken rule if it was refused. Both are
        stored. A repeat with the same ``Idempotency-Key`` gets the same verdict with a newly signed receipt."""
        arrived_at = lane.clock()
        bid = NewBid(
            auction_id=auction_id, amount=data.amount, request_key=key or data.request_key, choices=data.choices
        )
        answer = await handlers.place_bid(lane, bid, request.user, arrived_at)
        verdict = answer.verdict
        return Response[Any](
            msgspec.json.encode(_body(answer)), status_code=201 if verdict.accepted else 422, media_type=_media(verdict)
        )

    @delete("/last", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def delete_last_bid(
        self, request: MemberVisit, resources: FromResources, keyed: FromKeyed, auction_id: PathId
    ) -> None:
        """Delete the caller's own last bid, if the policy allows it: once, and within its number of seconds."""
        async with resources.database.transaction("auctions") as tx:
            await keyed.do(tx, lambda: handlers.delete_last_bid(tx, auction_id, request.user))


def on_blocked(request: Visit, _: LaneBlocked) -> Response[Any]:
    """Answer 503 with the remedy, for bids from pages and from programs alike."""
    blocked = HTTPException(
        status_code=503,
        detail="The bid could not be decided now. Send it again with the same Idempotency-Key: if it was decided"
        " after all, you get that verdict.",
        headers={"retry-after": "1"},
        extra={
            "said": gettext(
                "The bid could not be decided now. Send it again: if it was decided after all, you get that verdict."
            )
        },
    )
    return on_http_error(request, blocked)


def _body(answer: BidAnswer) -> Any:
    event = answer.verdict.event
    if isinstance(event, BidAccepted):
        return {"verdict": "accepted", **msgspec.structs.asdict(event), "receipt": answer.receipt}
    refusal = event.refusal
    return {
        "type": "about:blank",
        "title": "refused by a rule",
        "status": 422,
        "detail": refusal.message,
        "rule": refusal.rule,
        "field": refusal.field or None,
        "numbers": {number.name: number.value for number in refusal.numbers},
        "verdict": "refused",
        "auction_id": event.auction_id,
        "participant": event.participant,
        "amount": event.amount,
        "arrived_at": event.arrived_at,
        "receipt": answer.receipt,
    }


def _media(verdict: Verdict) -> str:
    return "application/json" if verdict.accepted else PROBLEM
