"""The list of pools, and the terms of a new one."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from litestar import Controller, get, post
from litestar.params import FromQuery, QueryParameter
from litestar.response import Redirect, Template

from catalogue.numbers import unambiguous
from catalogue.places import regions as regions_of
from catalogue.policy import Policy
from catalogue.policy import load as load_policy
from catalogue.roles import BUYER_OFFICER
from catalogue.rules import RuleBroken, UnknownSku
from events.accounts import OrganisationRegistered
from events.bounds import Amount, Code, Id, Minutes, Packs, Percent, Title
from infra.database import Transaction
from infra.ids import new_id
from infra.listing import COUNTED
from infra.web import (
    CHOSEN,
    PUBLIC,
    Filled,
    FromResources,
    MemberVisit,
    Several,
    Short,
    Visit,
    allow,
    clean,
    form_fields,
    form_list,
    form_page,
    leafed,
    page,
    read_form,
    read_instant,
    redirect,
    shown_again,
)
from infra.web.filters import read_filters
from infra.web.forms import Ruled
from infra.web.languages import gettext, refusal_text, unit_name
from infra.web.pages import money, payable
from services.market.replicas import calendar_of
from services.pools import handlers, store
from services.pools.domain.terms import EnrolmentTooShort, PoolWithoutLines, check_end
from services.pools.handlers import OpeningLine, PoolOpening
from services.pools.store import listing
from services.pools.views import DEEPEST

OFFICERS = allow(BUYER_OFFICER)

PAGE = 24
LINES = 50
"""The most lines with which somebody may begin a pool."""


class TermsForm(msgspec.Struct, kw_only=True):
    title: Title
    minimum_quantity: Packs
    enrolment_ends_at: Code
    below_minimum: Code
    duration_minutes: Annotated[Minutes, CHOSEN]
    kind: Code = "goods"


class TermsPages(Controller):
    path = "/pools"
    include_in_schema = False

    @get(opt=PUBLIC)
    async def pools(
        self,
        resources: FromResources,
        request: Visit,
        group: FromQuery[Literal["enrolling", "running", "done", "all"]] = "enrolling",
        region: Short = "",
        category: Short = "",
        start: Annotated[int, QueryParameter(ge=0, le=DEEPEST)] = 0,
    ) -> Template:
        asked, errors = read_filters(region=region, category=category)
        async with resources.database.transaction("pools") as tx:
            shown, more = await listing.search(tx, group=group, **asked, limit=PAGE, offset=start)
            if start and not shown:
                fit = await listing.fitting(tx, group=group, **asked, most=start)
                leafed(request, start, max(0, fit - 1) // PAGE * PAGE, "start")
            counts = await listing.counts(tx)
        further = start + PAGE if more and start + PAGE <= DEEPEST else None
        filters = {"group": group, "region": region, "category": category}
        return page(
            request,
            "pools/list.html",
            status_code=422 if errors else 200,
            pools=shown,
            counts=counts,
            filters=filters,
            errors=errors,
            further=further,
            most=COUNTED,
            policy=load_policy(resources.config.policy),
        )

    @get("/new", opt=OFFICERS)
    async def terms(self, resources: FromResources, request: MemberVisit, sku: Several = None) -> Template:
        """Show the form of a new pool. ``sku`` may occur several times in the query: the pool begins with these SKUs."""
        wanted = list(dict.fromkeys(map(clean, sku or ())))[:LINES]
        policy = load_policy(resources.config.policy)
        async with resources.database.transaction("pools") as tx:
            lead = await handlers.active_buyer(tx, request.user)
            values = {"kind": "goods", "below_minimum": "cancel", "request_key": new_id()}
            values["enrolment_ends_at"] = _first_deadline(policy, lead, tx.now).strftime("%Y-%m-%dT%H:%M")
            known = await store.skus.get(await tx.raw(), wanted)
            lines = [await _line(tx, sku_id, lead, policy) for sku_id in wanted if sku_id in known]
            return await _page(tx, request, policy, lead, Filled(values), lines)

    @post("/new", opt=OFFICERS)
    async def open_pool(self, resources: FromResources, request: MemberVisit) -> Template | Redirect:
        """Handle the form. `do` says whether to search for a SKU, add or remove a line, or open the pool."""
        policy = load_policy(resources.config.policy)
        values = await form_fields(request)
        ticked, unfit = await form_list(request, "regions")
        lines = _typed_lines(values)
        do, _, which = values.get("do", "enter").partition(":")
        searched = values.get("search", "").strip()[:300]
        async with resources.database.transaction("pools") as tx:
            lead = await handlers.active_buyer(tx, request.user)
            if do == "add" and which not in {line["sku"] for line in lines} and len(lines) < LINES:
                if await store.skus.get(await tx.raw(), [which]):
                    lines.append(await _line(tx, which, lead, policy))
                values["search"] = ""
            elif do == "remove":
                lines = [line for line in lines if line["sku"] != which]
            if do in ("add", "remove", "search") or (do == "enter" and searched):
                found = await store.skus.named(await tx.raw(), searched) if do not in ("add", "remove") else None
                return await _page(tx, request, policy, lead, Filled(values), lines, ticked=ticked, found=found)
            opening, errors = _opening(values, lines, ticked, lead, policy, tx.now)
            errors |= unfit
            if opening is not None and not errors:
                try:
                    pool_id = await handlers.open_pool(tx, opening, request.user, policy, values.get("request_key", ""))
                    return redirect(f"/pools/{pool_id}", gettext("The pool was opened."))
                except RuleBroken as broken:
                    errors = _beside(broken, lines, lead.time_zone)
                    values = shown_again(values, broken)
            return await _page(tx, request, policy, lead, Filled(values, errors), lines, ticked=ticked)


def _beside(broken: RuleBroken, lines: list[dict[str, str]], zone: str) -> dict[str, str]:
    """Return the error at the line that caused it, or at the field of the terms. A SKU that is not published is not said
    here: :func:`_page` says it of every line."""
    if isinstance(broken, UnknownSku):
        return {}
    about = (str(broken.numbers.get(name)) for name in ("line", "sku"))
    numbers = {line["sku"]: number for number, line in enumerate(lines)}
    found = next((numbers[each] for each in about if each in numbers), None)
    return {broken.field or "" if found is None else f"price_{found}": Ruled(refusal_text(broken, zone=zone))}


async def _page(
    tx: Transaction,
    request: Visit,
    policy: Policy,
    lead: OrganisationRegistered,
    filled: Filled,
    lines: list[dict[str, str]],
    *,
    ticked: list[str] | None = None,
    found: list[Any] | None = None,
) -> Template:
    """Show the form. A line whose SKU is not published any more stays with what was typed in it, and says so."""
    skus = await store.skus.get(await tx.raw(), [line["sku"] for line in lines])
    gone = {
        f"sku_{number}": Ruled(gettext("This SKU is not published any more. Please remove it."))
        for number, line in enumerate(lines)
        if line["sku"] not in skus
    }
    if gone:
        filled = msgspec.structs.replace(filled, errors=gone | dict(filled.errors))
    words = {"goods": gettext("Goods"), "services": gettext("Services"), "works": gettext("Works")}
    own = [lead.place.region] if lead.place.region else []
    return form_page(
        request,
        "pools/new.html",
        filled,
        lines=[(line, skus.get(line["sku"])) for line in lines],
        found=found,
        ticked=own if ticked is None else ticked,
        regions=sorted(regions_of(lead.place.country or "").items(), key=lambda each: each[1]),
        policy=policy,
        kinds=[(kind, name) for kind, name in words.items() if kind in policy.kinds()],
        durations=policy.auction.offered(filled.values.get("kind", "goods")),
        zone=lead.time_zone,
        unit_name=unit_name,
    )


async def _line(tx: Transaction, sku_id: str, lead: OrganisationRegistered, policy: Policy) -> dict[str, str]:
    """Return a line as form fields. Its price is the reference price, if there is one; its VAT is the policy's rate,
    which the lead can change."""
    line = {"sku": sku_id, "name": "", "price": "", "vat": unambiguous(policy.vat_percent), "reference": ""}
    sku = (await store.skus.get(await tx.raw(), [sku_id])).get(sku_id)
    if sku is not None:
        line["name"] = sku.name
        priced = handlers.line_of(sku, OpeningLine(sku_id=sku_id), policy)
        prices = await handlers.suggested_prices(tx, (priced,), lead.place, policy.currency, policy)
        reference = prices.get(sku_id)
        if reference is not None:
            line["price"] = payable(reference, policy.currency)
            line["reference"] = money(reference, policy.currency)
    return line


def _typed_lines(values: Mapping[str, str]) -> list[dict[str, str]]:
    names = ("sku", "name", "price", "vat", "reference")
    return [
        {name: values.get(f"{name}_{number}", "") for name in names}
        for number in range(LINES)
        if values.get(f"sku_{number}")
    ]


def _opening(
    values: Mapping[str, str],
    lines: list[dict[str, str]],
    ticked: list[str],
    lead: OrganisationRegistered,
    policy: Policy,
    now: datetime,
) -> tuple[PoolOpening | None, dict[str, str]]:
    """Return the pool that the form describes, or all errors of the form."""
    form, errors = read_form(values, TermsForm)
    if form is not None and form.minimum_quantity <= 0:
        errors["minimum_quantity"] = gettext("must be above zero")
    if not lines:
        errors["lines"] = refusal_text(PoolWithoutLines())
    wanted = []
    for number, line in enumerate(lines):
        shape = msgspec.defstruct("LineForm", [("sku", Id), ("price", Amount), ("vat", Percent)])
        read, wrong = read_form(line, shape)
        errors |= {f"{name}_{number}": text for name, text in wrong.items()}
        if read is not None:
            fields = msgspec.structs.asdict(read)
            if fields["price"] <= 0:
                errors[f"price_{number}"] = gettext("must be above zero")
            wanted.append(OpeningLine(sku_id=fields["sku"], unit_price=fields["price"], vat_rate=fields["vat"]))
    ends_at, wrong = read_instant(values, "enrolment_ends_at", lead.time_zone)
    errors = wrong | errors
    if ends_at is not None:
        try:
            check_end(ends_at, policy=policy, calendar=calendar_of(lead), now=now)
        except EnrolmentTooShort as broken:
            errors |= _beside(broken, lines, lead.time_zone)
    if form is None or ends_at is None or errors:
        return None, errors
    terms = msgspec.structs.asdict(form) | {"enrolment_ends_at": ends_at}
    return PoolOpening(lines=tuple(wanted), regions=tuple(ticked), **terms), {}


def _first_deadline(policy: Policy, lead: OrganisationRegistered, now: datetime) -> datetime:
    """Return a first value of the deadline, which the lead can change: in a week, or in some minutes in a rehearsal."""
    local = now.astimezone(ZoneInfo(lead.time_zone))
    if policy.working_day_minutes is not None:
        return local + timedelta(minutes=10)
    return (local + timedelta(days=7)).replace(hour=18, minute=0)
