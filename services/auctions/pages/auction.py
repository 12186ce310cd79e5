"""The list, and the page of one auction: live by server-rendered fragments over SSE, whole without script."""

import itertools
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream, Template
from litestar.response.sse import ServerSentEventMessage

from catalogue import places
from catalogue.money import minor_units
from catalogue.numbers import written_out
from events.auctions import BidRefused
from events.bounds import Amount, Code, Id
from infra.ids import derive_id, new_id
from infra.service import Ground
from infra.tokens import BUYER_OFFICER, OBSERVER, SUPPLIER_AGENT, Principal
from infra.web import (
    PUBLIC,
    FromGround,
    MemberVisit,
    PathId,
    Short,
    Since,
    Visit,
    Words,
    allow,
    clean,
    form_fields,
    page,
    read_form,
)
from infra.web.errors import NotFound
from infra.web.languages import moment, refusal, spoken, unit_name
from infra.web.pages import money
from services.auctions.api import PER_PAGE, status_of
from services.auctions.api.bids import ask
from services.auctions.bidders import bidders
from services.auctions.board import Board, Boards, Fragment, Stamp
from services.auctions.domain.picture import HEIGHT, WIDTH
from services.auctions.domain.rounds import timetable, turn_of
from services.auctions.domain.scoring import ChoicesMissing, complete, score
from services.auctions.lane import Answer, Lane
from services.auctions.pages.own import Own, own_of
from services.auctions.store import auctions
from services.auctions.store.auctions import Filter

MANY_STEPS = 10
"""Cutting more than this at once is asked about once more: a bid cannot be taken back."""
MOST_CHOICES = 50
SHARED = ("price", "log", "said")
"""The fragments that are the same for all."""
RETRY = 1000
"""Milliseconds after which a browser that was cut off comes back."""
STAMP = timedelta(milliseconds=10)
"""How old the server's time may be in what is pushed."""
SERVER_NOW, REQUEST_KEY = b"@server-now@", b"@request-key@"
"""What is put into fragments when they are pushed."""


class BidForm(msgspec.Struct):
    """``sure`` is yes once the bidder was asked about a large cut, no where it wants to look first."""

    amount: Amount
    request_key: Id = ""
    sure: Code = ""


@dataclass(frozen=True, slots=True)
class Sure:
    """What a bidder is asked before its bid is placed. ``fields`` are those of the bid, ``cut`` what it is below ``from_``."""

    fields: dict[str, str]
    amount: Decimal
    from_: Decimal
    cut: Decimal
    part: Decimal
    steps: Decimal
    scored: str


class AuctionPages(Controller):
    path = "/auctions"
    include_in_schema = False

    @get(opt=PUBLIC)
    async def list_page(
        self,
        request: Visit,
        ground: FromGround,
        status: FromQuery[Literal["open", "closed", "all"]] = "open",
        category: Short = "",
        region: Short = "",
        q: Words = "",
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
        self, request: Visit, ground: FromGround, boards: NamedDependency[Boards], auction_id: PathId
    ) -> Template:
        return await self._page(request, ground, boards, auction_id)

    @get("/{auction_id:str}/live", opt=PUBLIC)
    async def live(
        self,
        request: Visit,
        ground: FromGround,
        boards: NamedDependency[Boards],
        auction_id: PathId,
        since: Since = -1,
    ) -> Stream:
        """Pushes what changed after the log's first ``since`` lines, or after those that a browser connecting again says it has seen:
        rendered once for all watchers, but for each one's own position."""
        if await boards.get(clean(auction_id)) is None:
            raise NotFound("auction", auction_id)
        last = request.headers.get("last-event-id", "")
        if last.isdecimal() and len(last) < 10:
            since = max(since, int(last))
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
        auction_id: PathId,
    ) -> Response[Any] | Template:
        arrived_at = ground.clock()
        fields = await form_fields(request)
        form, errors = read_form(fields, BidForm)
        board = await boards.get(clean(auction_id))
        if board is None:
            raise NotFound("auction", auction_id)
        answer, sure = None, None
        if form is not None:
            sure = _to_be_sure(board, request.user, form, fields) if form.sure != "yes" else None
        if form is not None and sure is None:
            answer = await ask(
                lane, request.user, auction_id, form.amount, _key(form, fields), arrived_at, _choices(fields)
            )
        if request.headers.get("hx-request") != "true":
            return await self._page(request, ground, boards, auction_id, answer, errors, sure, fields)
        board = await boards.get(clean(auction_id)) or board
        template = "sure" if sure else "answer"
        said = _render(request, template, board, ground, **_told(answer, board), errors=errors, sure=sure)
        return Response(said, media_type="text/html")

    @get("/{auction_id:str}/score", opt=PUBLIC)
    async def score_of_a_bid(
        self,
        request: Visit,
        ground: FromGround,
        boards: NamedDependency[Boards],
        auction_id: PathId,
    ) -> Response[Any]:
        """What a bid of this ``amount`` and these choices would be ranked on, as words; it need not be complete."""
        board = await boards.get(clean(auction_id))
        if board is None:
            raise NotFound("auction", auction_id)
        fields = {name: text for name, text in request.query_params.items() if isinstance(text, str)}
        form, _ = read_form(fields, BidForm)
        scored = ""
        if form is not None:
            scored = _scored(board, form.amount, _choices(fields))
        return Response(_render(request, "score", board, ground, scored=scored), media_type="text/html")

    async def _page(
        self,
        request: Visit,
        ground: Ground,
        boards: Boards,
        auction_id: str,
        answer: Answer | None = None,
        errors: dict[str, str] | None = None,
        sure: Sure | None = None,
        values: dict[str, str] | None = None,
    ) -> Template:
        board = await boards.get(clean(auction_id))
        if board is None:
            raise NotFound("auction", auction_id)
        refused = errors or (answer and not answer.verdict.accepted)
        user: Principal | None = request.scope.get("user")
        named = board.stored.result is not None and user is not None and user.may(OBSERVER)
        return page(
            request,
            "auctions/auction.html",
            status_code=422 if refused else 200,
            **_context(request, board, ground)
            | _told(answer, board)
            | {"bidders": await bidders(ground.database.pool, board.stored) if named else []}
            | {"errors": errors or {}, "sure": sure, "values": values if values and (errors or sure) else {}},
            shared={
                name: _fragment(request, name, board, ground).html.replace(
                    SERVER_NOW.decode(), ground.clock().isoformat()
                )
                for name in ("price", "log")
            },
        )


def _told(answer: Answer | None, board: Board) -> dict[str, Any]:
    """What the answer to a bid shows: the verdict, why it was ``refused``, and the line of the log that its receipt is for."""
    if answer is None:
        return {"verdict": None, "refused": "", "position": None}
    event, refused = answer.verdict.event, ""
    if isinstance(event, BidRefused):
        numbers = {number.name: number.value for number in event.refusal.numbers}
        refused = refusal(event.refusal.rule, event.refusal.message, numbers, board.stored.opened.currency)
    return {"verdict": answer.verdict, "refused": refused, "position": answer.receipt.position}


async def _pushes(request: Visit, ground: Ground, boards: Boards, auction_id: str, since: int) -> AsyncIterator[bytes]:
    """Of each board the fragments that this watcher does not have already, in one piece, which ends with the server's time and how
    much of the log has been seen: who is cut off before that asks for the whole piece again. While a turn is sealed that is
    nothing for anybody but who bid. A beat says the time alone."""
    before: Board | None = None
    shown: bytes | None = None
    async for board in boards.watch(auction_id):
        news, beat = board.lines > since, before is None or board is before
        own = _own_part(request, board, ground)
        # the page came with what is no news, but for what its reader bid in a sealed turn
        changed = own != shown and (news or board.stored.state.sealed)
        stamp = _stamped(request, board, before, ground, news)
        if changed:
            yield stamp.shared + own.replace(REQUEST_KEY, new_id().encode()) + stamp.seen
        elif stamp.shared or beat:
            yield stamp.whole
        before, shown = board, own
        if board.stored.result is not None:
            yield ServerSentEventMessage("", event="done").encode()


def _stamped(request: Visit, board: Board, before: Board | None, ground: Ground, news: bool) -> Stamp:
    """What all get who had the same board ``before``, the time in it: put together once for those who get it at the same time."""
    key, now = (before.version if before else None, news, spoken()), ground.clock()
    stamp = board.stamps.get(key)
    if stamp is None or abs(now - stamp.at) > STAMP:
        text = now.isoformat()
        shared = _changed(request, board, before, ground).replace(SERVER_NOW, text.encode()) if news else b""
        seen = ServerSentEventMessage(text, event="seen", id=board.lines, retry=None if before else RETRY).encode()
        board.stamps[key] = stamp = Stamp(now, shared, seen, shared + seen)
    return stamp


def _changed(request: Visit, board: Board, before: Board | None, ground: Ground) -> bytes:
    """The fragments for all that are others than they were ``before``."""
    fragments = {name: _fragment(request, name, board, ground) for name in SHARED}
    return b"".join(
        fragment.message
        for name, fragment in fragments.items()
        if before is None or _fragment(request, name, before, ground) != fragment
    )


def _fragment(request: Visit, name: str, board: Board, ground: Ground) -> Fragment:
    """Rendered once for all; only the server's clock is to be put in anew."""
    key = (name, spoken())
    found = board.fragments.get(key)
    if found is None:
        html = _render(request, name, board, ground, pushed=True)
        found = board.fragments[key] = Fragment(html, ServerSentEventMessage(html, event=name).encode())
    return found


def _own_part(request: Visit, board: Board, ground: Ground) -> bytes:
    """As it is pushed to who asks, but for the key of a next bid."""
    principal: Principal | None = request.scope.get("user")
    reader = (principal.roles, principal.organisation_id) if principal else ((), "")
    part = board.own_parts.get((spoken(), reader))
    if part is None:
        own = own_of(board, reader[1], ground.clock())
        part = board.own_parts[spoken(), reader] = own.put_into(_alike(request, board, ground, own.alike))
    return part


def _alike(request: Visit, board: Board, ground: Ground, own: Own) -> bytes:
    """An own part for all whose parts differ in numbers alone, rendered once."""
    principal: Principal | None = request.scope.get("user")
    buys = principal is not None and principal.organisation_id == board.stored.opened.buyer_id
    key = (spoken(), principal.roles if principal else None, buys, own)
    part = board.own_parts.get(key)
    if part is None:
        more = {**own.for_template(), "pushed": True, "request_key": REQUEST_KEY.decode()}
        html = _render(request, "mine", board, ground, **more)
        part = board.own_parts[key] = ServerSentEventMessage(html, event="mine").encode()
    return part


def _render(request: Visit, name: str, board: Board, ground: Ground, **more: Any) -> str:
    template = request.app.template_engine.get_template(f"auctions/_{name}.html")
    context = {**_context(request, board, ground), **more, "csrf_input": ""}
    return str(template.render(**context))


def _context(request: Visit, board: Board, ground: Ground) -> dict[str, Any]:
    stored = board.stored
    principal: Principal | None = request.scope.get("user")
    state, rules = stored.state.public(), stored.state.rules
    over = state.over(ground.clock())
    own = principal.organisation_id if principal else ""
    one_day = state.closes_at - stored.opened.opens_at <= timedelta(days=1)
    return {
        "board": board,
        "opened": stored.opened,
        "state": state,
        "result": stored.result,
        "policy": stored.policy,
        "over": over,
        "turn": turn_of(state),
        "timetable": timetable(state),
        "policy_has_autobid": bool(rules.autobid_seconds),
        "is_member": principal is not None,
        "is_supplier": bool(principal and principal.may(SUPPLIER_AGENT)),
        "is_buyer": bool(principal and principal.may(BUYER_OFFICER) and own == stored.opened.buyer_id),
        "leading": state.last_of(state.leader_id or ""),
        "request_key": new_id(),
        "pushed": False,
        "errors": {},
        "values": {},
        "verdict": None,
        "sure": None,
        "decimals": minor_units(stored.opened.currency),
        "unit_name": unit_name,
        "scored_value": lambda event: _scored(board, event.amount, event.choices),
        "chart_size": (WIDTH, HEIGHT),
        "at": _hour if one_day else _day_and_hour,
        "region_name": _region_name(stored.opened.place.country, stored.opened.place.region),
        **own_of(board, own, ground.clock()).for_template(),
    }


def _hour(instant: datetime) -> str:
    return instant.strftime("%H:%M:%S")


def _day_and_hour(instant: datetime) -> str:
    return moment(instant, seconds=True).removesuffix(" UTC")


def _choices(fields: Mapping[str, str]) -> tuple[int, ...]:
    """The option chosen for each criterion, ``choice-0`` and so on; it ends where one is missing, and the verdict says so."""
    numbers = itertools.takewhile(
        lambda text: text.isdecimal() and len(text) < 4, (fields.get(f"choice-{n}", "") for n in range(MOST_CHOICES))
    )
    return tuple(int(text) for text in numbers)


def _to_be_sure(board: Board, principal: Principal, form: BidForm, fields: Mapping[str, str]) -> Sure | None:
    """The question to ask before a bid that cuts many steps, or that its bidder wants to look at; None where there is none.

    Bids that can still be changed freely, sealed first ones, are asked about on demand only."""
    state, own = board.stored.state.public(), principal.organisation_id
    from_ = state.price
    if state.rules.improve_on == "own":
        last = state.last_of(own)
        from_ = last.amount if last else state.opened.initial_price
    cut, step = from_ - form.amount, state.opened.step
    free = bool(state.rules.pauses_seconds) and state.round is None
    if form.amount <= 0 or not (form.sure == "no" or (cut > MANY_STEPS * step and not free)):
        return None
    kept = {name: text for name, text in fields.items() if name == "request_key" or name.startswith("choice-")}
    return Sure(
        fields=kept | {"amount": written_out(form.amount), "sure": "yes"},
        amount=form.amount,
        from_=from_,
        cut=cut,
        part=cut * 100 / from_,
        steps=(cut / step).quantize(Decimal("0.1")),
        scored=_scored(board, form.amount, _choices(fields)),
    )


def _key(form: BidForm, fields: dict[str, str]) -> str:
    """A form is sent again with another amount before the page has a new key for it: that is another bid."""
    if not form.request_key:
        return ""
    return derive_id(form.request_key, f"{form.amount:f}", *map(str, _choices(fields)))


def _scored(board: Board, amount: Decimal, choices: tuple[int, ...]) -> str:
    """The value that such a bid is ranked on, rounded for the eye; "" where the price alone counts or choices are missing."""
    opened = board.stored.opened
    if not opened.scoring.criteria:
        return ""
    try:
        complete(opened.scoring, choices)
    except ChoicesMissing:
        return ""
    exact = score(opened.scoring, amount, choices)
    return money(Decimal(exact.numerator) / Decimal(exact.denominator), opened.currency)


def _region_name(country: str | None, region: str | None) -> str:
    return places.regions(country).get(region or "", region or country) if country else (region or "")
