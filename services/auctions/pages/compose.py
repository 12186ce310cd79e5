"""The page that opens a mini-auction: from SKUs, an earlier auction, an earlier contract or nothing. Lines can be added
and removed without losing input. Known prices are shown beside the lines, every error at its field, and the whole
opening once before it is opened."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import zip_longest
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.response import Template

from catalogue import places
from catalogue.calendar import RegionCalendar
from catalogue.categories import is_goods, is_works
from catalogue.durations import DurationOutsideWindow, durations, next_start
from catalogue.numbers import unambiguous
from catalogue.policy import Duration, Policy, load
from catalogue.roles import BUYER_OFFICER
from catalogue.rules import RuleBroken
from events.accounts import OrganisationRegistered
from events.auctions import AuctionOpened
from events.values import Category, Line
from infra.denied import Missing
from infra.ids import new_id
from infra.service import Resources
from infra.web import (
    FromResources,
    MemberVisit,
    Several,
    Short,
    Words,
    allow,
    clean,
    form_fields,
    page,
    redirect,
    shown_again,
)
from infra.web.forms import Fields
from infra.web.languages import gettext, refusal_text, unit_name
from infra.web.pages import number as written
from services.auctions import handlers, last_time
from services.auctions.handlers import NewAuction, NewLine
from services.auctions.pages import draft
from services.auctions.pages.draft import MOST_LINES
from services.auctions.store import auctions, listing, past, replicas
from services.auctions.store.listing import AuctionFilter
from services.market.form_lines import field_of
from services.market.lines import Beside
from services.market.replicas import calendar_of

SHOWN_OF_BEFORE = 30


class AuctionComposePages(Controller):
    path = "/auctions/new"
    include_in_schema = False
    opt = allow(BUYER_OFFICER)

    @get()
    async def compose_page(
        self,
        request: MemberVisit,
        resources: FromResources,
        again: Short = "",
        contract: Short = "",
        sku: Several = None,
        quantity: Several = None,
    ) -> Template:
        """Show the form. ``again`` is an auction to open once more, ``contract`` an own contract of the buyer whose
        lines are wanted again. Pairs of ``sku`` and ``quantity`` are lines to begin with."""
        async with resources.database.pool.acquire() as db:
            buyer = await handlers.buyer_of(db, request.user)
            fields = _head(buyer, load(resources.config.policy))
            if again:
                before = await auctions.get(db, clean(again))
                if before is None:
                    raise Missing("auction", again)
                opened = before.opened
                known = await replicas.skus.get(db, [line.sku_id for line in opened.lines if line.sku_id])
                fields |= draft.of_lines(opened.lines, known) | draft.of_place(opened.place) | _vat(opened.lines)
                fields |= {"title": opened.title, "kind": opened.kind, **draft.of_scoring(opened.scoring)}
                fields["equivalents"] = "on" if opened.equivalents else ""
            elif contract:
                signed = await past.get(db, clean(contract))
                if signed is None or signed.buyer_id != request.user.organisation_id:
                    raise Missing("contract of yours", contract)
                known = await replicas.skus.get(db, [line.sku_id for line in signed.lines if line.sku_id])
                fields |= draft.of_lines(signed.lines, known) | draft.of_place(signed.place) | _vat(signed.lines)
                fields["title"] = signed.title
                # The price that was paid is shown as the last price. If a reference price binds, the unit price begins
                # with it.
                beside = await handlers.priced(db, signed.lines, signed.place, load(resources.config.policy).currency)
                fields |= {f"line-{n}-unit_price": "" for n, each in enumerate(beside) if each.reference}
            else:
                fields |= await _from_query(db, sku or (), quantity or ())
        return await _form(request, resources, fields, {}, prefill=True)

    @get("/history")
    async def history(self, request: MemberVisit, resources: FromResources, q: Words = "") -> Template:
        """Show the buyer's own closed auctions and its contracts. Each can be the basis of a new auction."""
        own, words = request.user.organisation_id, clean(q)[:200]
        now = resources.clock()
        async with resources.database.pool.acquire() as db:
            over = AuctionFilter(status="closed", buyer_id=own, q=words)
            auctions = await listing.search(db, over, now=now, limit=SHOWN_OF_BEFORE, offset=0)
            contracts = await past.of_buyer(db, own, words, SHOWN_OF_BEFORE)
        return page(
            request,
            "auctions/history.html",
            auctions=[each for each in auctions.rows if each.outcome],
            contracts=contracts,
            outcomes=outcomes(),
            values={"q": words},
        )

    @post()
    async def compose(self, request: MemberVisit, resources: FromResources) -> Response[Any] | Template:
        fields = await form_fields(request)
        fields.pop("_csrf_token", None)
        action = fields.pop("action", "")
        for box in ("vat_included", "equivalents"):
            fields.setdefault(box, "")
        if action not in ("review", "open"):
            return await _form(request, resources, draft.edited(fields, action), {}, prefill=True)
        policy = load(resources.config.policy)
        async with resources.database.pool.acquire() as db:
            buyer = await handlers.buyer_of(db, request.user)
        wanted, errors = await draft.read(fields, buyer.time_zone)
        if wanted is not None:
            try:
                if action == "review":
                    return await _review(request, resources, fields, wanted, policy)
                async with resources.database.transaction("auctions") as tx:
                    auction_id = await handlers.open_for_buyer(
                        tx, wanted, request.user, policy, fields.get("request_key") or new_id()
                    )
                said = gettext("The mini-auction was opened.")
                if wanted.opens_at is not None and wanted.opens_at > resources.clock():
                    said = gettext("The mini-auction was published.")
                return redirect(f"/auctions/{auction_id}", said)
            except RuleBroken as broken:
                errors = {_field_of(broken, fields): refusal_text(broken, policy.currency, buyer.time_zone)}
                fields = shown_again(fields, broken)
        return await _form(request, resources, fields, errors, status_code=422)


def kinds() -> dict[str, str]:
    return {"goods": gettext("Goods"), "works": gettext("Works"), "services": gettext("Services")}


def scorings() -> dict[str, str]:
    return {
        "price": gettext("only the price"),
        "quality": gettext("the price divided by a quality coefficient"),
        "life-cycle": gettext("the price and the cost of the life cycle"),
    }


def outcomes() -> dict[str, str]:
    return {
        "successful": gettext("closed"),
        "unsuccessful": gettext("closed without a bid"),
        "withdrawn": gettext("withdrawn"),
        "cancelled": gettext("cancelled"),
    }


def _of_the_initial_price(percent: Decimal) -> str:
    return gettext("%(part)s of the initial price", part=f"{written(percent)} %")


def _field_of(broken: RuleBroken, fields: Fields) -> str:
    """Return the field at which the refusal is shown: at the line that it is about, or at the typed time, or else at
    the duration."""
    if broken.field == "opens_at" and not fields.get("opens_at", "").strip():
        return "duration_minutes"
    return field_of(broken, draft.line_numbers(fields), "unit_price")


async def _from_query(db: Any, skus: Sequence[str], quantities: Sequence[str]) -> Fields:
    """Return a line for each published SKU in the query, each SKU once; a quantity may be left out. If there is none,
    return an empty line."""
    wanted: dict[str, str] = {}
    for sku_id, quantity in zip_longest(skus[:MOST_LINES], quantities[: len(skus)], fillvalue=""):
        wanted.setdefault(clean(sku_id), clean(quantity))
    known = await replicas.skus.get(db, wanted)
    lines = [(known[sku_id], quantity) for sku_id, quantity in wanted.items() if sku_id in known]
    if not lines:
        return draft.blank_line(0)
    title = lines[0][0].name
    if len(lines) > 1:
        title = gettext("%(first)s and %(more)s more", first=title, more=len(lines) - 1)
    fields = {"title": title, "kind": _kind_of(lines[0][0].category)}
    for number, (sku, quantity) in enumerate(lines):
        fields |= {f"line-{number}-sku_id": sku.sku_id, f"line-{number}-quantity": quantity or "1"}
    return fields


def _kind_of(category: Category) -> str:
    if category.scheme != "CPV" or is_goods(category.code):
        return "goods"
    return "works" if is_works(category.code) else "services"


async def _form(
    request: MemberVisit,
    resources: Resources,
    fields: Fields,
    errors: dict[str, str],
    *,
    prefill: bool = False,
    status_code: int = 200,
) -> Template:
    policy, now = load(resources.config.policy), resources.clock()
    async with resources.database.pool.acquire() as db:
        buyer = await handlers.buyer_of(db, request.user)
        sketched, place = draft.sketch(fields), draft.place_in(fields)
        known = await replicas.skus.get(db, [line.sku_id for line in sketched.lines if line.sku_id])
        numbers = draft.line_numbers(fields)
        lines = tuple(
            _preview(number, line, sketched, known) for number, line in zip(numbers, sketched.lines, strict=True)
        )
        beside = await handlers.priced(db, lines, place, policy.currency)
        before = await last_time.last_time(db, lines, buyer.organisation_id, policy.currency)
    if prefill:
        _suggest(fields, beside, policy)
        lines = tuple(
            msgspec.structs.replace(line, unit_price=draft.number_in(fields.get(f"line-{line.line_id}-unit_price", "")))
            for line in lines
        )
    if fields.get("scoring", "price") != "price" and not draft.criterion_numbers(fields):
        fields |= draft.blank_criterion(0)
    total = handlers.total(lines, policy.currency)
    calendar = calendar_of(buyer)
    opens_at = draft.opening_of(fields, buyer.time_zone) or now
    offered = durations(fields.get("kind", "goods"), total, policy=policy, calendar=calendar, opens_at=opens_at)
    if "duration_minutes" not in errors:  # if the form says that a duration is missing, none is shown as chosen
        fields.setdefault(
            "duration_minutes", next((str(each.minutes) for each, broken in offered if broken is None), "")
        )
    return page(
        request,
        "auctions/new.html",
        status_code=status_code,
        values=fields,
        errors=errors,
        lines=[
            (number, known.get(line.sku_id or ""), line, each, before.get(line.line_id))
            for number, line, each in zip(numbers, lines, beside, strict=True)
        ],
        compared=last_time.compare(lines, before, policy.currency),
        total=total,
        currency=policy.currency,
        policy=policy,
        offered=[(each, broken, _instead(each, broken, calendar, now)) for each, broken in offered],
        windows=[each for each in policy.auction.durations if each.runs_within or each.starts_within],
        zone=buyer.time_zone,
        local_now=calendar.local(now),
        kinds=[(kind, name) for kind, name in kinds().items() if kind in policy.kinds()],
        scorings=[(each, scorings()[each]) for each in policy.auction.scorings],
        criteria=[(each, draft.option_numbers(fields, each)) for each in draft.criterion_numbers(fields)],
        unit_name=unit_name,
        steps=[(str(percent), _of_the_initial_price(percent)) for percent in policy.auction.step_percents],
        regions=places.regions(fields.get("country", "") or "XX"),
    )


def _instead(duration: Duration, broken: RuleBroken | None, calendar: RegionCalendar, now: datetime) -> datetime | None:
    """Return when a duration that is not allowed at this hour could begin, on the buyer's clock, or None."""
    start = next_start(duration, now, calendar) if isinstance(broken, DurationOutsideWindow) else None
    return calendar.local(start) if start else None


async def _review(
    request: MemberVisit, resources: Resources, fields: Fields, wanted: NewAuction, policy: Policy
) -> Template:
    """Show everything as it would be opened. Raise RuleBroken."""
    now = resources.clock()
    async with resources.database.pool.acquire() as db:
        opened: AuctionOpened = await handlers.preview(db, wanted, request.user, policy, now)
        buyer = await handlers.buyer_of(db, request.user)
        beside = await handlers.priced(db, opened.lines, opened.place, policy.currency)
        before = await last_time.last_time(db, opened.lines, opened.buyer_id, policy.currency)
    return page(
        request,
        "auctions/review.html",
        values=fields,
        opened=opened,
        lines=[
            (line, each.reference, before.get(line.line_id)) for line, each in zip(opened.lines, beside, strict=True)
        ],
        compared=last_time.compare(opened.lines, before, policy.currency),
        at_once=wanted.opens_at is None,
        opens_at=calendar_of(buyer).local(opened.opens_at),
        closes_at=calendar_of(buyer).local(opened.closes_at),
        zone=buyer.time_zone,
        minutes=wanted.duration_minutes,
        step_share=_of_the_initial_price(wanted.step_percent),
        scorings=scorings(),
        policy=policy,
        kinds=kinds(),
        unit_name=unit_name,
        region_name=places.regions(opened.place.country or "XX").get(opened.place.region or "", opened.place.region),
    )


def _preview(number: int, line: NewLine, sketched: NewAuction, known: Mapping[str, Any]) -> Line:
    sku = known.get(line.sku_id)
    return Line(
        line_id=str(number),
        description=sku.name if sku else line.description,
        category=sku.category if sku else None,
        sku_id=line.sku_id or None,
        quantity=line.quantity,
        unit=sku.base_unit if sku else line.unit,
        pack_size=sku.pack_size if sku else Decimal(1),
        unit_price=line.unit_price,
        vat_rate=sketched.vat_rate,
        vat_included=sketched.vat_included,
    )


def _suggest(fields: Fields, beside: list[Beside], policy: Policy) -> None:
    for each in beside:
        name = f"line-{each.line.line_id}-unit_price"
        if each.reference is not None and not fields.get(name):
            fields[name] = str(handlers.suggested(each.reference, policy.currency))


def _head(buyer: OrganisationRegistered, policy: Policy) -> Fields:
    return {
        "kind": "goods",
        "vat_rate": unambiguous(policy.vat_percent),
        "vat_included": "on",
        "step_percent": "1",
        "request_key": new_id(),
        **draft.of_place(buyer.place),
    }


def _vat(lines: tuple[Line, ...]) -> Fields:
    """Return the VAT of the first line, because the form has one rate for all lines."""
    first = next(iter(lines), None)
    if first is None or first.vat_included is None:
        return {}
    rate = {"vat_rate": unambiguous(first.vat_rate)} if first.vat_rate is not None else {}
    return {**rate, "vat_included": "on" if first.vat_included else ""}
