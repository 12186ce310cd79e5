"""The list, and the page of one auction: live by server-rendered fragments over SSE, whole without script."""

from collections.abc import AsyncIterator, Hashable
from decimal import Decimal
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream, Template
from litestar.response.sse import ServerSentEventMessage

from catalogue import places
from catalogue.money import minor_units
from catalogue.units import unit_word
from events.auctions import BidRefused
from infra.ids import new_id
from infra.service import Ground
from infra.tokens import BUYER_OFFICER, SUPPLIER_AGENT, Principal
from infra.web import PUBLIC, FromGround, MemberVisit, Visit, allow, clean, form_fields, page, read_form
from infra.web.errors import NotFound
from infra.web.languages import pgettext, refusal, spoken
from services.auctions.api import PER_PAGE, ask, status_of
from services.auctions.board import Board, Boards, Fragment
from services.auctions.domain.bids import ladder
from services.auctions.domain.picture import HEIGHT, WIDTH
from services.auctions.domain.rounds import turn_of
from services.auctions.lane import Answer, Lane
from services.auctions.store import auctions
from services.auctions.store.auctions import Filter

RUNGS = 4
OWN = ("mine",)
FRAGMENTS = ("price", "log", "said", *OWN)
SERVER_NOW, REQUEST_KEY = b"@server-now@", b"@request-key@"
"""What differs in fragments that are otherwise alike."""


class BidForm(msgspec.Struct):
    amount: Decimal
    request_key: str = ""


class AuctionPages(Controller):
    path = "/auctions"
    include_in_schema = False

    @get(opt=PUBLIC)
    async def list_page(
        self,
        request: Visit,
        ground: FromGround,
        status: FromQuery[str] = "open",
        category: FromQuery[str] = "",
        region: FromQuery[str] = "",
        q: FromQuery[str] = "",
        number: Annotated[int, QueryParameter(name="page", ge=1, le=100_000)] = 1,
    ) -> Template:
        wanted = Filter(
            status="" if status == "all" else clean(status), category=clean(category), region=clean(region), q=clean(q)
        )
        now = ground.clock()
        found, total = await auctions.listing(
            ground.database.pool, wanted, now=now, limit=PER_PAGE, offset=PER_PAGE * (number - 1)
        )
        values = {"status": status, "category": category, "region": region, "q": q}
        return page(
            request,
            "auctions/list.html",
            rows=[(stored, status_of(stored, now)) for stored in found],
            total=total,
            number=number,
            last=max(1, -(-total // PER_PAGE)),
            values=values,
            query=urlencode({name: value for name, value in values.items() if value}),
            server_now=now.isoformat(),
        )

    @get("/{auction_id:str}", opt=PUBLIC)
    async def auction_page(
        self, request: Visit, ground: FromGround, boards: NamedDependency[Boards], auction_id: FromPath[str]
    ) -> Template:
        return await self._page(request, ground, boards, auction_id)

    @get("/{auction_id:str}/live", opt=PUBLIC)
    async def live(
        self,
        request: Visit,
        ground: FromGround,
        boards: NamedDependency[Boards],
        auction_id: FromPath[str],
        since: FromQuery[int] = -1,
    ) -> Stream:
        """Pushes what changed after the log's first ``since`` lines: rendered once for all watchers, but for each one's own
        position."""
        if await boards.get(clean(auction_id)) is None:
            raise NotFound("auction", auction_id)
        pushes = _pushes(request, ground, boards, clean(auction_id), since)
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        return Stream(pushes, media_type="text/event-stream", headers=headers)

    @post("/{auction_id:str}/bids", opt=allow(SUPPLIER_AGENT), status_code=200)
    async def bid(
        self,
        request: MemberVisit,
        ground: FromGround,
        boards: NamedDependency[Boards],
        lane: NamedDependency[Lane],
        auction_id: FromPath[str],
    ) -> Response[Any] | Template:
        arrived_at = ground.clock()
        form, errors = read_form(await form_fields(request), BidForm)
        answer = None
        if form is not None:
            key = form.request_key[:200]
            answer = await ask(lane, request.user, auction_id, form.amount, key, arrived_at)
        if request.headers.get("hx-request") != "true":
            return await self._page(request, ground, boards, auction_id, answer, errors)
        board = await boards.get(clean(auction_id))
        if board is None:
            raise NotFound("auction", auction_id)
        said = _render(request, "answer", board, ground, **_told(answer, board.stored.opened.currency), errors=errors)
        return Response(said, media_type="text/html")

    async def _page(
        self,
        request: Visit,
        ground: Ground,
        boards: Boards,
        auction_id: str,
        answer: Answer | None = None,
        errors: dict[str, str] | None = None,
    ) -> Template:
        board = await boards.get(clean(auction_id))
        if board is None:
            raise NotFound("auction", auction_id)
        refused = errors or (answer and not answer.verdict.accepted)
        return page(
            request,
            "auctions/auction.html",
            status_code=422 if refused else 200,
            **_context(request, board, ground),
            **_told(answer, board.stored.opened.currency),
            errors=errors or {},
            shared={
                name: _fragment(request, name, board, ground).html.replace(
                    SERVER_NOW.decode(), ground.clock().isoformat()
                )
                for name in ("price", "log")
            },
        )


def _told(answer: Answer | None, currency: str) -> dict[str, Any]:
    """What the answer to a bid shows: the verdict, why it was ``refused``, and the line of the log that its receipt is for."""
    if answer is None:
        return {"verdict": None, "refused": "", "position": None}
    event, refused = answer.verdict.event, ""
    if isinstance(event, BidRefused):
        numbers = {number.name: number.value for number in event.refusal.numbers}
        refused = refusal(event.refusal.rule, event.refusal.message, numbers, currency)
    return {"verdict": answer.verdict, "refused": refused, "position": answer.receipt.position}


async def _pushes(request: Visit, ground: Ground, boards: Boards, auction_id: str, since: int) -> AsyncIterator[bytes]:
    """Of each board the fragments that this watcher does not have already, in one piece. While a turn is sealed that is nothing
    for anybody but who bid."""
    before: Board | None = None
    async for board in boards.watch(auction_id):
        if board.lines > since:
            pushed = _push(request, ground, board, before, FRAGMENTS)
        else:  # the page came with it, but for what its reader bid in a sealed turn
            pushed = _push(request, ground, board, before, OWN) if board.stored.state.sealed else b""
        before = board
        if pushed:
            if REQUEST_KEY in pushed:
                pushed = pushed.replace(REQUEST_KEY, new_id().encode())
            yield pushed.replace(SERVER_NOW, ground.clock().isoformat().encode())
        if board.stored.result is not None:
            yield ServerSentEventMessage("", event="done").encode()


def _push(request: Visit, ground: Ground, board: Board, before: Board | None, names: tuple[str, ...]) -> bytes:
    """What is new after ``before``, put together once for all who see the same."""
    key = (names, before.version if before else None, spoken(), _audience(request, board))
    pushed = board.pushes.get(key)
    if pushed is None:
        fragments = [(_fragment(request, name, board, ground), name) for name in names]
        board.pushes[key] = pushed = b"".join(
            fragment.message
            for fragment, name in fragments
            if before is None or _fragment(request, name, before, ground) != fragment
        )
    return pushed


def _fragment(request: Visit, name: str, board: Board, ground: Ground) -> Fragment:
    """Rendered once for all who see the same; only the server's clock and the key of a next bid are to be put in anew."""
    key = (name, spoken(), _audience(request, board) if name in OWN else None)
    found = board.fragments.get(key)
    if found is None:
        html = _render(request, name, board, ground, pushed=True, request_key=REQUEST_KEY.decode())
        found = board.fragments[key] = Fragment(html, ServerSentEventMessage(html, event=name).encode())
    return found


def _audience(request: Visit, board: Board) -> Hashable:
    """Whoever has the same sees the same: the own part is one's own from the first accepted bid on."""
    principal: Principal | None = request.scope.get("user")
    if principal is None:
        return None
    own = principal.organisation_id
    takes_part = own in board.stored.state.participants
    buys = own == board.stored.opened.buyer_id
    return principal.roles, buys, own if takes_part else ""


def _render(request: Visit, name: str, board: Board, ground: Ground, **more: Any) -> str:
    template = request.app.template_engine.get_template(f"auctions/_{name}.html")
    context = {**_context(request, board, ground), **more, "csrf_input": ""}
    return str(template.render(**context))


def _context(request: Visit, board: Board, ground: Ground) -> dict[str, Any]:
    stored = board.stored
    principal: Principal | None = request.scope.get("user")
    state = stored.state.public()
    over = state.over(ground.clock())
    own = principal.organisation_id if principal else ""
    return {
        "board": board,
        "opened": stored.opened,
        "state": state,
        "result": stored.result,
        "policy": stored.policy,
        "over": over,
        "turn": turn_of(state),
        "autobid": stored.autobids.get(own),
        "policy_has_autobid": bool(state.rules.autobid_seconds),
        "rungs": () if over else ladder(state, RUNGS, own if own in state.participants else None),
        "me": principal,
        "is_supplier": bool(principal and principal.may(SUPPLIER_AGENT)),
        "is_buyer": bool(principal and principal.may(BUYER_OFFICER) and own == stored.opened.buyer_id),
        "participant": stored.state.number_of(own),
        "leads": bool(own) and state.leader_id == own,
        "last_own": stored.state.last_of(own),
        "request_key": new_id(),
        "pushed": False,
        "decimals": minor_units(stored.opened.currency),
        "unit_name": _unit_name,
        "chart_size": (WIDTH, HEIGHT),
        "region_name": _region_name(stored.opened.place.country, stored.opened.place.region),
    }


def _unit_name(code: str) -> str:
    return pgettext("unit", unit_word(code))


def _region_name(country: str | None, region: str | None) -> str:
    return places.regions(country).get(region or "", region or country) if country else (region or "")
