"""JSON API of mini-auctions. Until the close a bidder is a participant number here as everywhere."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec
from litestar import Controller, Response, Router, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.exceptions import HTTPException
from litestar.params import FromPath, FromQuery, JSONBody, PathParameter, QueryParameter
from msgspec import Meta

from catalogue.policy import load
from events.auctions import BidAccepted, BidRefused
from events.values import Category, Line, Place
from infra.ids import new_id
from infra.service import Ground
from infra.tokens import BUYER_OFFICER, MODERATOR, SUPPLIER_AGENT, Principal
from infra.web import PUBLIC, FromGround, IdempotencyKey, MemberVisit, allow, clean
from infra.web.errors import PROBLEM, NotFound
from services.auctions import handlers, receipts
from services.auctions.board import Boards
from services.auctions.domain.auction import Verdict
from services.auctions.domain.bids import next_bid
from services.auctions.domain.complaints import Complaint
from services.auctions.handlers import NewAuction
from services.auctions.lane import Answer, Asked, Lane, LaneBlocked, NoSuchAuction
from services.auctions.market_log import MarketLog, NotProvable
from services.auctions.receipts import Receipt
from services.auctions.store import auctions, bids, replicas
from services.auctions.store import complaints as filed
from services.auctions.store import market_log as log_store
from services.auctions.store.auctions import Filter, Stored

MOST_DIGITS = 20
"""Digits before the decimal point, and after it, beyond which a number is no amount."""
Page = Annotated[int, QueryParameter(ge=1, le=100_000)]
PER_PAGE = 50


class BidIn(msgspec.Struct, kw_only=True):
    """``amount`` in the auction's currency, best written as a string. ``request_key`` does what the header does. ``choices``
    answer the criteria of an auction that has some: the index of the option, from 0, for each."""

    amount: Decimal
    request_key: Annotated[str, Meta(max_length=200)] = ""
    choices: Annotated[tuple[int, ...], Meta(max_length=50)] = ()


class AutobidIn(msgspec.Struct, kw_only=True):
    """``floor`` is the lowest price at which the market may cut for you; ``on`` false keeps it and stops."""

    floor: Decimal
    on: bool = True


class AutobidOut(msgspec.Struct, kw_only=True):
    floor: Decimal
    on: bool
    set_at: datetime


class WithdrawalIn(msgspec.Struct, kw_only=True):
    reason: Annotated[str, Meta(max_length=2000)]


class Accepted(msgspec.Struct, kw_only=True):
    """The bid leads. ``closes_at`` is the effective end after it."""

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
    total: int
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


def status_of(stored: Stored, now: datetime) -> str:
    """scheduled, open, settling (ended, not closed yet) or closed."""
    if stored.result is not None:
        return "closed"
    if now < stored.opened.opens_at:
        return "scheduled"
    return "settling" if stored.state.over(now) else "open"


def summary(stored: Stored, now: datetime) -> dict[str, Any]:
    opened, state = stored.opened, stored.state.public()
    return {
        "auction_id": opened.auction_id,
        "title": opened.title,
        "status": status_of(stored, now),
        "buyer_id": opened.buyer_id,
        "buyer_name": opened.buyer_name,
        "kind": opened.kind,
        "category": opened.category,
        "place": opened.place,
        "currency": opened.currency,
        "initial_price": opened.initial_price,
        "price": state.price,
        "bids": state.sequence,
        "participants": len(state.participants),
        "opens_at": opened.opens_at,
        "closes_at": state.closes_at,
    }


async def winner_name(ground: Ground, stored: Stored) -> str | None:
    """After the close only."""
    if stored.result is None or stored.result.winner_id is None:
        return None
    found = await replicas.organisations.get(ground.database.pool, stored.result.winner_id)
    return found.name if found else stored.result.winner_id


class AuctionsApi(Controller):
    path = "/api/auctions"
    tags = ["auctions"]

    @get(opt=PUBLIC)
    async def list_auctions(
        self,
        ground: FromGround,
        status: FromQuery[str] = "",
        category: FromQuery[str] = "",
        region: FromQuery[str] = "",
        q: FromQuery[str] = "",
        page: Page = 1,
    ) -> AuctionPage:
        now = ground.clock()
        wanted = Filter(status=clean(status), category=clean(category), region=clean(region), q=clean(q))
        found, total = await auctions.listing(
            ground.database.pool, wanted, now=now, limit=PER_PAGE, offset=PER_PAGE * (page - 1)
        )
        return AuctionPage(
            total=total, page=page, auctions=[AuctionSummary(**summary(stored, now)) for stored in found]
        )

    @get("/{auction_id:str}", opt=PUBLIC, raises=[NotFound])
    async def read_auction(self, ground: FromGround, auction_id: FromPath[str]) -> AuctionView:
        now = ground.clock()
        stored = await existing(ground, auction_id)
        opened, result = stored.opened, stored.result
        return AuctionView(
            **summary(stored, now),
            step=opened.step,
            next_bid=None if stored.state.over(now) else next_bid(stored.state.public()),
            lines=result.lines if result and result.lines else opened.lines,
            policy=opened.policy,
            reference_ids=opened.reference_ids,
            pool_id=opened.pool_id,
            outcome=result.outcome if result else None,
            winner=await winner_name(ground, stored),
        )

    @get("/{auction_id:str}/bids", opt=PUBLIC, raises=[NotFound])
    async def read_verdicts(
        self,
        ground: FromGround,
        auction_id: FromPath[str],
        before: Annotated[int | None, QueryParameter(ge=1, le=2**31 - 1)] = None,
    ) -> list[PublicVerdict]:
        """Every verdict, the latest first, 200 at a time; ``before`` the last position read for those before it."""
        await existing(ground, auction_id)
        log = await bids.public_log(ground.database.pool, auction_id, limit=200, before=before)
        return [
            PublicAcceptance(position=position, event=event)
            if isinstance(event, BidAccepted)
            else PublicRefusal(position=position, event=event)
            for position, event in log
        ]

    @post(opt=allow(BUYER_OFFICER))
    async def open(
        self, request: MemberVisit, ground: FromGround, data: JSONBody[NewAuction], key: IdempotencyKey = ""
    ) -> AuctionOpenedOut:
        policy = load(ground.config.policy)
        async with ground.database.transaction("auctions") as tx:
            auction_id = await handlers.open_for_buyer(tx, data, request.user, policy, key or new_id())
        return AuctionOpenedOut(auction_id=auction_id)


class BidsApi(Controller):
    path = "/api/auctions/{auction_id:str}/bids"
    tags = ["auctions"]

    @post(opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def place_bid(
        self,
        request: MemberVisit,
        lane: NamedDependency[
            Lane
        ],  # alone: two dependencies are resolved in a task group, which costs as much as the bid
        auction_id: FromPath[str],
        data: JSONBody[BidIn],
        key: IdempotencyKey = "",
    ) -> Response[Accepted]:
        """201 when the bid leads, 422 with the rule it broke when it was refused. Either is stored; a repeat with the same
        ``Idempotency-Key`` gets the same answer."""
        arrived_at = lane.clock()
        answer = await ask(
            lane, request.user, auction_id, data.amount, key or data.request_key, arrived_at, data.choices
        )
        verdict = answer.verdict
        return Response(
            msgspec.json.encode(_body(answer)), status_code=201 if verdict.accepted else 422, media_type=_media(verdict)
        )

    @delete("/last", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def delete_last_bid(self, request: MemberVisit, ground: FromGround, auction_id: FromPath[str]) -> None:
        """Take one's own last bid back, where the policy lets bidders, once and within its seconds."""
        async with ground.database.transaction("auctions") as tx:
            await handlers.delete_last_bid(tx, auction_id, request.user)


class SessionApi(Controller):
    """What a bidder and the buyer do besides bidding."""

    path = "/api/auctions/{auction_id:str}"
    tags = ["auctions"]

    @get("/autobid", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def read_autobid(self, request: MemberVisit, ground: FromGround, auction_id: FromPath[str]) -> AutobidOut:
        """One's own floor; nobody else sees it."""
        stored = await existing(ground, auction_id)
        autobid = stored.autobids.get(request.user.organisation_id)
        if autobid is None:
            raise NotFound("autobid of yours in auction", auction_id)
        return AutobidOut(floor=autobid.floor, on=autobid.on, set_at=autobid.set_at)

    @put("/autobid", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def set_autobid(
        self, request: MemberVisit, ground: FromGround, auction_id: FromPath[str], data: JSONBody[AutobidIn]
    ) -> AutobidOut:
        """Let the market cut down to the floor, after a first bid by hand; change it or switch it off at any time."""
        check_length(data.floor)
        async with ground.database.transaction("auctions") as tx:
            autobid = await handlers.set_autobid(tx, auction_id, data.floor, data.on, request.user)
        return AutobidOut(floor=autobid.floor, on=autobid.on, set_at=autobid.set_at)

    @get("/receipts/{position:int}", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def read_receipt(
        self,
        request: MemberVisit,
        ground: FromGround,
        auction_id: FromPath[str],
        position: Annotated[int, PathParameter(ge=0, le=2**31 - 1)],
    ) -> Response[Receipt]:
        """The signed receipt of one's own bid, by the number of its line in the log: a file that ``lonja verify receipt`` checks."""
        kept = await bids.of_line(ground.database.pool, clean(auction_id), position)
        if kept is None or kept.verdict.bid.supplier_id != request.user.organisation_id:
            raise NotFound("bid of yours in the log's line", str(position))
        (receipt,) = receipts.issue(ground.signer, [kept])
        name = f"receipt-{kept.verdict.event.auction_id}-{position}.json"
        return Response(receipt, headers={"content-disposition": f'attachment; filename="{name}"'})

    @get("/proof", opt=PUBLIC, raises=[NotFound])
    async def read_proof(
        self, ground: FromGround, market_log: NamedDependency[MarketLog], auction_id: FromPath[str]
    ) -> Response[bytes]:
        """The whole public log of a closed session with its proof, for ``lonja verify auction``; JSON lines."""
        try:
            content = await market_log.proof(ground.database.pool, clean(auction_id))
        except NotProvable:
            raise NotFound("proof yet of auction", auction_id) from None
        name = f"auction-{clean(auction_id)}.jsonl"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(content, media_type="application/jsonl", headers=headers)

    @post("/withdrawal", opt=allow(BUYER_OFFICER), raises=[NotFound], status_code=204)
    async def withdraw(
        self, request: MemberVisit, ground: FromGround, auction_id: FromPath[str], data: JSONBody[WithdrawalIn]
    ) -> None:
        """The buyer ends its session without a winner, giving the reason, as long as the policy allows it."""
        async with ground.database.transaction("auctions") as tx:
            await handlers.withdraw(tx, auction_id, data.reason, request.user)


class ComplaintIn(msgspec.Struct, kw_only=True):
    """``evidence`` says where it can be seen: addresses, documents, lines of the log."""

    grounds: Annotated[str, Meta(max_length=4000)]
    evidence: Annotated[str, Meta(max_length=4000)]


class ComplaintOut(msgspec.Struct, kw_only=True):
    complaint_id: str


class DecisionIn(msgspec.Struct, kw_only=True):
    """``upheld`` cancels the session if it still runs."""

    decision: Literal["upheld", "rejected"]
    reason: Annotated[str, Meta(max_length=4000)]


class ComplaintsApi(Controller):
    path = "/api/auctions"
    tags = ["auctions"]

    @post("/{auction_id:str}/complaints", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def complain(
        self,
        request: MemberVisit,
        ground: FromGround,
        auction_id: FromPath[str],
        data: JSONBody[ComplaintIn],
        key: IdempotencyKey = "",
    ) -> ComplaintOut:
        """Say what is wrong with a session that is not closed. A moderator decides; who complains is not made public."""
        async with ground.database.transaction("auctions") as tx:
            complaint_id = await handlers.complain(
                tx, auction_id, data.grounds, data.evidence, request.user, key or new_id()
            )
        return ComplaintOut(complaint_id=complaint_id)

    @get("/complaints", opt=allow(MODERATOR))
    async def list_complaints(self, ground: FromGround) -> list[Complaint]:
        """Those to be decided first, the oldest first."""
        return [complaint for complaint, _ in await filed.listing(ground.database.pool)]

    @post("/complaints/{complaint_id:str}/decision", opt=allow(MODERATOR), raises=[NotFound])
    async def decide(self, ground: FromGround, complaint_id: FromPath[str], data: JSONBody[DecisionIn]) -> Complaint:
        async with ground.database.transaction("auctions") as tx:
            return await handlers.decide_complaint(tx, complaint_id, data.decision, data.reason)


class CheckpointOut(msgspec.Struct, kw_only=True):
    """What the market signs of its log now. ``size`` 0: nothing was closed yet, and nothing is signed."""

    key: str
    size: int = 0
    root: str = ""
    signed_at: datetime | None = None
    signature: str = ""


class MarketLogApi(Controller):
    """The market's Merkle log: whoever keeps its checkpoints and fetches its leaves sees that nothing signed was changed."""

    path = "/api/log"
    tags = ["auctions"]

    @get(opt=PUBLIC)
    async def read_checkpoint(self, ground: FromGround) -> CheckpointOut:
        """The latest checkpoint, and the market's public key (Ed25519, hexadecimal)."""
        latest = await log_store.checkpoint(ground.database.pool)
        if latest is None:
            return CheckpointOut(key=ground.signer.key)
        return CheckpointOut(**msgspec.structs.asdict(latest))

    @get("/leaves", opt=PUBLIC)
    async def read_leaves(
        self, ground: FromGround, after: Annotated[int, QueryParameter(ge=0, le=2**62)] = 0
    ) -> list[str]:
        """1,000 leaves in order, from the one after number ``after``."""
        return await log_store.leaves(ground.database.pool, after=after, limit=1000)


def check_length(amount: Decimal) -> None:
    """400 for what is no number, or too long to compute with."""
    if not amount.is_finite() or amount.adjusted() >= MOST_DIGITS or -int(amount.as_tuple().exponent) > MOST_DIGITS:
        raise HTTPException(status_code=400, detail="the amount is not a number of reasonable length")


async def ask(
    lane: Lane,
    principal: Principal,
    auction_id: str,
    amount: Decimal,
    key: str,
    arrived_at: datetime,
    choices: tuple[int, ...] = (),
) -> Answer:
    """The lane's verdict and receipt, its errors as HTTP's: 400 for what is no amount, 404, 503 with the remedy."""
    check_length(amount)
    try:
        return await lane.place(
            Asked(clean(auction_id), principal.organisation_id, clean(key) or new_id(), amount, arrived_at, choices)
        )
    except NoSuchAuction:
        raise NotFound("auction", auction_id) from None
    except LaneBlocked:
        raise HTTPException(
            status_code=503,
            detail="The bid could not be decided now. Send it again with the same Idempotency-Key: if it was decided"
            " after all, you get that verdict.",
            headers={"retry-after": "1"},
        ) from None


def _body(answer: Answer) -> Any:
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


async def existing(ground: Ground, auction_id: str) -> Stored:
    stored = await auctions.get(ground.database.pool, clean(auction_id))
    if stored is None:
        raise NotFound("auction", auction_id)
    return stored


def with_lane(lane: Lane, boards: Boards, market_log: MarketLog, *routes: Any) -> Router:
    """Each may take the process's ``lane``, ``boards`` and ``market_log`` as arguments."""
    shared = {
        "lane": Provide(lambda: lane, sync_to_thread=False),
        "boards": Provide(lambda: boards, sync_to_thread=False),
        "market_log": Provide(lambda: market_log, sync_to_thread=False),
    }
    return Router(path="", route_handlers=routes, dependencies=shared)
