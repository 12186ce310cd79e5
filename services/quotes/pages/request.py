"""The list of requests, and one request: sealed quotes until the deadline, then the buyer's choice."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from functools import partial
from typing import Any, Literal
from urllib.parse import urlencode

import msgspec
from litestar import Controller, MediaType, get, post
from litestar.params import FromQuery
from litestar.response import Redirect, Response, ServerSentEvent, Template
from litestar.response.sse import ServerSentEventMessage

from catalogue import places
from catalogue.numbers import unambiguous
from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from catalogue.rules import RuleBroken
from events.bounds import Amount, Clause, Count, Days, Percent, Phrase
from events.values import Line
from infra.database import Transaction
from infra.denied import Missing
from infra.ids import new_id
from infra.listing import PAGES
from infra.live import BEAT, BEAT_SECONDS
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
    PathNumber,
    Short,
    Since,
    Visit,
    Words,
    allow,
    clean,
    errors_of_refusal,
    form_fields,
    form_page,
    leaf,
    leafed,
    misfits,
    page,
    read_form,
    redirect,
    refusal_of_state,
    ruled,
    whole,
)
from infra.web.filters import read_filters
from infra.web.gone import WORDS
from infra.web.languages import gettext, refusal_text, unit_name
from infra.web.pages import template_of
from services.market.lines import beside_references
from services.quotes import handlers, store
from services.quotes.handlers import NewQuote, channel
from services.quotes.store.listing import ListedRequest, RequestFilter, search
from services.quotes.views import PER_PAGE, RequestDetails, part_of, parts_of, read, read_participant

OFFICERS = allow(BUYER_OFFICER)
AGENTS = allow(SUPPLIER_AGENT)

Answer = Response[str] | Template | Redirect


def groups() -> list[tuple[str, str]]:
    return [
        ("open", gettext("Open for quotes")),
        ("choosing", gettext("The buyer chooses")),
        ("closed", gettext("Over")),
        ("all", gettext("All")),
    ]


class ChoiceForm(msgspec.Struct):
    participant: Count
    justification: Clause = ""


class RequestPages(Controller):
    path = "/quotes"
    include_in_schema = False

    @get(opt=PUBLIC)
    async def list_page(
        self,
        request: Visit,
        resources: FromResources,
        group: FromQuery[Literal["", "open", "choosing", "closed", "all"]] = "open",
        category: Short = "",
        region: Short = "",
        q: Words = "",
        mine: FromQuery[Literal["", "yes"]] = "",
        number: PageNumber = 1,
    ) -> Template:
        """List requests. With ``mine``, list those of the reader's own organisation. Requests that wait for its choice
        come before open ones."""
        user: Principal | None = request.scope.get("user")
        buyer = user.organisation_id if user and user.may(BUYER_OFFICER) else ""
        own = buyer if mine else ""
        asked, errors = read_filters(category=category, region=region)
        wanted = RequestFilter(group=group, words=clean(q), buyer_id=own, **asked)
        async with resources.database.transaction("quotes") as tx:
            found, number, last = await leaf(
                request,
                number,
                PER_PAGE,
                lambda each: search(tx, wanted, limit=PER_PAGE, offset=PER_PAGE * (each - 1)),
            )
            waiting = await _to_choose(tx, buyer) if buyer and group == "open" else []
        values = {"group": group, "category": category, "region": region, "q": q, "mine": "yes" if own else ""}
        return page(
            request,
            "quotes/list.html",
            status_code=422 if errors else 200,
            errors=errors,
            found=found,
            waiting=waiting,
            number=number,
            last=last,
            values=values,
            groups=groups(),
            query=urlencode({name: value for name, value in values.items() if value}),
        )

    @get("/{request_id:str}", opt=PUBLIC)
    async def request_page(
        self, request: Visit, resources: FromResources, request_id: PathId, number: PageNumber = 1
    ) -> Answer:
        """Show a request. ``number`` is the page of the participants."""
        async with resources.database.transaction("quotes") as tx:
            return await _page(tx, request, request_id, part=number)

    @get("/{request_id:str}/participants/{number:int}", opt=OFFICERS)
    async def participant_page(
        self, request: MemberVisit, resources: FromResources, request_id: PathId, number: PathNumber
    ) -> Answer:
        """Show the buyer one quote line by line. All quotes together can be many megabytes."""
        async with resources.database.transaction("quotes") as tx:
            one = await read_participant(tx, request_id, number, request.user)
            if not one.lines:
                raise Missing("participant", str(number))
            part = await part_of(tx, clean(request_id), number)
            shown = await read(tx, request_id, request.user, part=part)
        shown_page = page(request, "quotes/participant.html", shown=shown, part=part, one=one, unit_name=unit_name)
        return await rendered_beside(request, shown_page)

    @get("/{request_id:str}/live", opt=STREAMED)
    async def live(
        self, request: Visit, resources: FromResources, request_id: PathId, since: Since = -1
    ) -> ServerSentEvent:
        """Send the number of quotes whenever it changes, until the deadline."""
        return ServerSentEvent(_pushes(request, resources, clean(request_id), since))

    @post("/{request_id:str}/mine", opt=AGENTS)
    async def submit(self, request: MemberVisit, resources: FromResources, request_id: PathId) -> Answer:
        arrived_at = resources.clock()
        values = await form_fields(request)
        async with resources.database.transaction("quotes") as tx:
            shown = await read(tx, request_id, request.user)
            quote, errors = _quote(values, shown.lines)
            if quote is not None:
                try:
                    key = values.get("request_key", "")[:200] or new_id()
                    await handlers.submit(tx, request_id, quote, request.user, arrived_at, key)
                    said = gettext("Your quote was sealed.")
                    return redirect(f"/quotes/{request_id}#mine", said)
                except RuleBroken as broken:
                    line = str(broken.numbers.get("line"))
                    known = line in {each.line_id for each in shown.lines}
                    said = ruled(broken, shown.currency)
                    errors = {f"price-{line}": said} if known else errors_of_refusal(broken, values, shown.currency)
                    return await _page(tx, request, request_id, Filled(values, errors))
        tried = NewQuote(prices={}, delivery_days=1)
        instead = await refusal_of_state(
            resources.database,
            "quotes",
            lambda tx: handlers.submit(tx, request_id, tried, request.user, arrived_at, new_id()),
        )
        async with resources.database.transaction("quotes") as tx:
            return await _page(tx, request, request_id, Filled(values, errors, instead))

    @post("/{request_id:str}/mine/withdrawal", opt=AGENTS)
    async def withdraw(self, request: MemberVisit, resources: FromResources, request_id: PathId) -> Answer:
        arrived_at = resources.clock()
        async with resources.database.transaction("quotes") as tx:
            try:
                await handlers.withdraw(tx, request_id, request.user, arrived_at)
            except RuleBroken as broken:
                return await _page(tx, request, request_id, Filled(errors={"": refusal_text(broken)}))
        return redirect(f"/quotes/{request_id}", gettext("Your quote was withdrawn."))

    @post("/{request_id:str}/choice", opt=OFFICERS)
    async def choose(self, request: MemberVisit, resources: FromResources, request_id: PathId) -> Answer:
        """Handle the choice. The same form has a button for another page of participants, which keeps what was marked
        and typed."""
        values = await form_fields(request)
        if other := whole(values.get("show", "")):
            async with resources.database.transaction("quotes") as tx:
                return await _page(tx, request, request_id, Filled(values), part=min(other, PAGES))
        form, errors = read_form(values, ChoiceForm)
        instead = ""
        if form is None:
            instead = await refusal_of_state(
                resources.database, "quotes", lambda tx: handlers.choose(tx, request_id, 0, "", request.user)
            )
        async with resources.database.transaction("quotes") as tx:
            if form is not None:
                try:
                    await handlers.choose(tx, request_id, form.participant, form.justification, request.user)
                    return redirect(f"/quotes/{request_id}", gettext("You chose the winner."))
                except RuleBroken as broken:
                    errors = errors_of_refusal(broken, values)
            elif "participant" in errors:
                errors["participant"] = gettext("Choose one of the participants.")
            return await _page(tx, request, request_id, Filled(values, errors, instead), part=_part(values))

    @post("/{request_id:str}/rejection", opt=OFFICERS)
    async def reject_all(self, request: MemberVisit, resources: FromResources, request_id: PathId) -> Answer:
        values = await form_fields(request)
        if errors := misfits({"reason": values.get("reason", "")}, Clause):
            act = partial(handlers.reject_all, request_id=request_id, reason=WORDS, principal=request.user)
            over = await refusal_of_state(resources.database, "quotes", act)
            filled = Filled(values, {"": over} if over else errors)
            async with resources.database.transaction("quotes") as tx:
                return await _page(tx, request, request_id, filled, part=_part(values))
        async with resources.database.transaction("quotes") as tx:
            try:
                await handlers.reject_all(tx, request_id, values.get("reason", ""), request.user)
            except RuleBroken as broken:
                return await _page(
                    tx, request, request_id, Filled(values, errors_of_refusal(broken, values)), part=_part(values)
                )
        return redirect(f"/quotes/{request_id}", gettext("All quotes were rejected."))

    @post("/{request_id:str}/withdrawal", opt=OFFICERS)
    async def withdraw_request(self, request: MemberVisit, resources: FromResources, request_id: PathId) -> Answer:
        values = await form_fields(request)
        if errors := misfits({"reason": values.get("reason", "")}, Clause):
            act = partial(handlers.withdraw_request, request_id=request_id, reason=WORDS, principal=request.user)
            over = await refusal_of_state(resources.database, "quotes", act)
            filled = Filled(values, {"": over} if over else errors)
            async with resources.database.transaction("quotes") as tx:
                return await _page(tx, request, request_id, filled)
        async with resources.database.transaction("quotes") as tx:
            try:
                await handlers.withdraw_request(tx, request_id, values.get("reason", ""), request.user)
            except RuleBroken as broken:
                return await _page(tx, request, request_id, Filled(values, errors_of_refusal(broken, values)))
        return redirect(f"/quotes/{request_id}", gettext("The request was withdrawn."))


async def _to_choose(tx: Transaction, buyer_id: str) -> list[ListedRequest]:
    """Return the requests that wait for the buyer's choice, the nearest deadline first."""
    found = await search(tx, RequestFilter(group="choosing", buyer_id=buyer_id), limit=PER_PAGE, offset=0)
    return sorted(found.rows, key=lambda row: row.choose_by)


async def _page(tx: Transaction, request: Visit, request_id: str, filled: Filled = BLANK, part: int = 1) -> Answer:
    """Show the request. ``filled`` is a form that was refused; the answer is then a 422. ``part`` is the page of
    participants."""
    user: Principal | None = request.scope.get("user")
    shown = await read(tx, request_id, user, part=part)
    if (last := leafed(request, part, parts_of(shown))) != part:
        part, shown = last, await read(tx, request_id, user, part=last)
    db = await tx.raw()
    # References are published and shown without VAT, because suppliers may have different rates.
    plain = [msgspec.structs.replace(line, vat_included=False) for line in shown.lines]
    compared = await beside_references(db, store.references, plain, shown.place, shown.currency)
    buys = bool(user and user.organisation_id == shown.buyer_id)
    regions = places.regions(shown.place.country) if shown.place.country else {}
    answer = form_page(
        request,
        "quotes/request.html",
        filled,
        here=f"/quotes/{shown.request_id}" + (f"?page={part}" if part > 1 else ""),
        shown=shown,
        part=part,
        parts=parts_of(shown),
        beside=list(zip(shown.lines, compared, strict=True)),
        buys=buys and bool(user and user.may(BUYER_OFFICER)),
        quotes_here=bool(user and user.may(SUPPLIER_AGENT)) and not buys,
        values=filled.values or _former(shown),
        marked=_marked(filled.values, shown),
        request_key=new_id(),
        region_name=regions.get(shown.place.region or "", shown.place.region or shown.place.country or ""),
        unit_name=unit_name,
    )
    return await rendered_beside(request, answer) if buys and shown.participants else answer


def _part(values: Mapping[str, str]) -> int:
    """Return the page of participants from which the form was sent."""
    return min(whole(values.get("page", "")) or 1, PAGES)


def _marked(values: Mapping[str, str], shown: RequestDetails) -> int | None:
    """Return the participant that was marked, if it is on another page than this one."""
    number = whole(values.get("participant", ""))
    here = {one.number for one in shown.participants or ()}
    return number if number and number not in here and number <= (shown.participants_total or 0) else None


async def rendered_beside(request: Visit, answer: Template) -> Response[str]:
    """Render the page in a thread: a hundred lines of thousands of characters take time, and bids must not wait for the
    event loop."""
    assert answer.template_name is not None
    template = template_of(request, answer.template_name)
    text = await asyncio.to_thread(template.render, **answer.create_template_context(request))
    return Response(text, media_type=MediaType.HTML, status_code=answer.status_code, cookies=answer.cookies)


def _quote(values: Mapping[str, str], lines: tuple[Line, ...]) -> tuple[NewQuote | None, dict[str, str]]:
    shape = msgspec.defstruct(
        "QuoteForm",
        [
            *((f"price_{line.line_id}", Amount) for line in lines),
            ("vat_rate", Percent),
            ("delivery_days", Days),
            ("comment", Phrase, ""),
        ],
    )
    typed = {name.replace("price-", "price_"): text for name, text in values.items()}
    form, errors = read_form(typed, shape)
    if form is None:
        return None, {name.replace("price_", "price-"): sentence for name, sentence in errors.items()}
    read = msgspec.structs.asdict(form)
    prices = {line.line_id: read.pop(f"price_{line.line_id}") for line in lines}
    return NewQuote(prices=prices, **read), {}


def _former(shown: RequestDetails) -> dict[str, str]:
    """Return the reader's own quote as form fields, even if it was withdrawn."""
    if shown.mine is None:
        return {"vat_rate": unambiguous(shown.vat_percent)}
    prices = {
        f"price-{line.line_id}": unambiguous(line.unit_price, kept=True)
        for line in shown.mine.lines
        if line.unit_price is not None
    }
    return prices | {
        "vat_rate": unambiguous(shown.mine.vat_rate),
        "delivery_days": str(shown.mine.delivery_days),
        "comment": shown.mine.comment,
    }


async def _pushes(
    request: Visit, resources: Resources, request_id: str, since: int
) -> AsyncIterator[ServerSentEventMessage]:
    """Yield the pushes of a live page. Each is rendered as for a visitor, so it says nothing that the page does not
    show to everybody. If nothing changed, a comment is sent."""
    template = template_of(request, "quotes/_state.html")
    quiet = ServerSentEventMessage(data=None, comment="nothing new")
    async for said in resources.live.watch(channel(request_id), beat=BEAT_SECONDS):
        if said is None or said is BEAT:
            yield quiet
        if said is BEAT or (said is not None and said["version"] <= since):
            continue
        async with resources.database.transaction("quotes") as tx:
            try:
                shown: Any = await read(tx, request_id, None)
            except Missing:
                return
            context = {"shown": shown, "now": resources.clock, "pushed": True}
        if shown.version > since:
            since = shown.version
            yield ServerSentEventMessage(template.render(**context), event="state")
        if shown.status not in ("open", "settling"):
            yield ServerSentEventMessage("", event="done")
            return
