"""The list, and the page of one auction. The page is updated live by fragments over SSE, and complete without scripts."""

from typing import Any, Literal
from urllib.parse import urlencode

from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.response import Stream, Template

from catalogue.policy import load
from catalogue.roles import OBSERVER, SUPPLIER_AGENT
from infra.denied import Missing
from infra.service import Resources
from infra.tokens import Principal
from infra.web import (
    BLANK,
    PUBLIC,
    STREAMED,
    Filled,
    FromResources,
    MemberVisit,
    PageNumber,
    PathId,
    Short,
    Since,
    Visit,
    Words,
    allow,
    clean,
    form_fields,
    leaf,
    page,
    read_form,
    whole,
)
from infra.web.filters import read_filters
from infra.web.languages import gettext
from services.auctions import handlers
from services.auctions.bidders import bidders
from services.auctions.board import Boards
from services.auctions.handlers import NewBid
from services.auctions.lane import BidAnswer, Lane
from services.auctions.pages.bidding import BidForm, Sure, choices_in, key_of, scored_as, to_be_sure, verdict_of
from services.auctions.pages.fragments import SERVER_NOW, context, fragment, render
from services.auctions.pages.live import push
from services.auctions.store.listing import AuctionFilter
from services.auctions.views import PER_PAGE, list_auctions, status_of


class AuctionPages(Controller):
    path = "/auctions"
    include_in_schema = False

    @get(opt=PUBLIC)
    async def list_page(
        self,
        request: Visit,
        resources: FromResources,
        status: FromQuery[Literal["open", "closed", "all"]] = "open",
        category: Short = "",
        region: Short = "",
        q: Words = "",
        number: PageNumber = 1,
    ) -> Template:
        asked, errors = read_filters(category=category, region=region)
        wanted = AuctionFilter(status="" if status == "all" else clean(status), q=clean(q), **asked)
        now = resources.clock()
        found, number, last = await leaf(
            request, number, PER_PAGE, lambda each: list_auctions(resources, wanted, now, each)
        )
        values = {"status": status, "category": category, "region": region, "q": q}
        return page(
            request,
            "auctions/list.html",
            status_code=422 if errors else 200,
            errors=errors,
            rows=[(each, status_of(each.state, each.over, now)) for each in found.rows],
            found=found,
            number=number,
            last=last,
            values=values,
            query=urlencode({name: value for name, value in values.items() if value}),
            server_now=now.isoformat(),
            policy=load(resources.config.policy),
        )

    @get("/{auction_id:str}", opt=PUBLIC)
    async def auction_page(
        self, request: Visit, resources: FromResources, boards: NamedDependency[Boards], auction_id: PathId
    ) -> Template:
        return await shown(request, resources, boards, auction_id)

    @get("/{auction_id:str}/live", opt=STREAMED)
    async def live(
        self,
        request: Visit,
        resources: FromResources,
        boards: NamedDependency[Boards],
        auction_id: PathId,
        since: Since = -1,
    ) -> Stream:
        """Push what changed after the log's first ``since`` lines, or after the lines that a reconnecting browser says
        it has seen. It is rendered once for all watchers, except for each one's own position."""
        if await boards.get(clean(auction_id)) is None:
            raise Missing("auction", auction_id)
        last = whole(request.headers.get("last-event-id", ""))
        since = since if last is None else max(since, last)
        pushes = push(request, resources, boards, clean(auction_id), since)
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return Stream(pushes, media_type="text/event-stream", headers=headers)

    @post("/{auction_id:str}/bids", opt=allow(SUPPLIER_AGENT, batched=True), status_code=200)
    async def bid(
        self,
        request: MemberVisit,
        resources: FromResources,
        boards: NamedDependency[Boards],
        lane: NamedDependency[Lane],
        auction_id: PathId,
    ) -> Response[Any] | Template:
        arrived_at = resources.clock()
        fields = await form_fields(request)
        form, errors = read_form(fields, BidForm, asks=True)
        board = await boards.get(clean(auction_id))
        if board is None:
            raise Missing("auction", auction_id)
        answer, sure = None, None
        if form is None and board.stored.state.over(arrived_at):
            errors = {"": gettext("The mini-auction is over.")}
        if form is not None:
            asked = form.sure != "yes" and not board.stored.state.over(arrived_at)
            sure = to_be_sure(board, request.user, form, fields) if asked else None
        if form is not None and sure is None:
            bid = NewBid(
                auction_id=auction_id,
                amount=form.amount,
                request_key=key_of(form, fields),
                choices=choices_in(fields),
            )
            answer = await handlers.place_bid(lane, bid, request.user, arrived_at)
        if request.headers.get("hx-request") != "true":
            filled = Filled(fields, errors)
            return await shown(request, resources, boards, auction_id, answer=answer, sure=sure, filled=filled)
        board = await boards.get(clean(auction_id)) or board
        template = "sure" if sure else "answer"
        said = render(request, template, board, resources, **verdict_of(answer, board), errors=errors, sure=sure)
        return Response(said, media_type="text/html")

    @get("/{auction_id:str}/score", opt=PUBLIC)
    async def score_of_a_bid(
        self,
        request: Visit,
        resources: FromResources,
        boards: NamedDependency[Boards],
        auction_id: PathId,
    ) -> Response[Any]:
        """Return in words the value by which a bid of this ``amount`` with these choices would be ranked. The form may
        be incomplete."""
        board = await boards.get(clean(auction_id))
        if board is None:
            raise Missing("auction", auction_id)
        fields = {name: text for name, text in request.query_params.items() if isinstance(text, str)}
        form, _ = read_form(fields, BidForm, asks=True)
        scored = ""
        if form is not None:
            scored = scored_as(board, form.amount, choices_in(fields))
        return Response(render(request, "score", board, resources, scored=scored), media_type="text/html")


async def shown(
    request: Visit,
    resources: Resources,
    boards: Boards,
    auction_id: str,
    *,
    answer: BidAnswer | None = None,
    sure: Sure | None = None,
    filled: Filled = BLANK,
) -> Template:
    """Show the page of an auction, with the outcome of a form: the ``answer`` to a bid, or the question before it
    (``sure``), or the errors of the fields ``amount`` and ``floor``, or of the whole form."""
    board = await boards.get(clean(auction_id))
    if board is None:
        raise Missing("auction", auction_id)
    refused = filled.errors or (answer and not answer.verdict.accepted)
    user: Principal | None = request.scope.get("user")
    named = board.stored.result is not None and user is not None and user.may(OBSERVER)
    return page(
        request,
        "auctions/auction.html",
        status_code=422 if refused else 200,
        **context(request, board, resources)
        | verdict_of(answer, board)
        | {"bidders": await bidders(resources.database.pool, board.stored) if named else []}
        | {"errors": filled.errors, "sure": sure, "values": filled.values if refused or sure else {}}
        | {"instead": filled.instead},
        shared={
            name: fragment(request, name, board, resources).html.replace(
                SERVER_NOW.decode(), resources.clock().isoformat()
            )
            for name in ("price", "log")
        },
    )
