"""One pool, from enrolment to contracts."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from litestar import Controller, get, post
from litestar.params import QueryParameter
from litestar.response import Redirect, Template

from catalogue.durations import durations
from catalogue.numbers import can_be_written_out, unambiguous
from catalogue.policy import Duration, Policy
from catalogue.roles import BUYER_OFFICER
from catalogue.rules import RuleBroken
from events.accounts import OrganisationRegistered
from events.bounds import Amount, Minutes, Name, Packs, Percent
from events.pools import Allocation, Demand, PoolMemberEnrolled
from events.values import Line, Refusal
from infra.database import Transaction
from infra.listing import PAGES, last_page
from infra.reading import UnreadableKey
from infra.tokens import Principal
from infra.web import (
    BLANK,
    CHOSEN,
    PUBLIC,
    Filled,
    FromResources,
    MemberVisit,
    PageNumber,
    PathId,
    Visit,
    allow,
    form_fields,
    form_page,
    leafed,
    misfits,
    read_form,
    redirect,
    refusal_of_state,
    ruled,
    text_in,
)
from infra.web.gone import WORDS
from infra.web.languages import gettext, kept_refusal, refusal_text, unit_name
from services.market.replicas import calendar_of
from services.pools import handlers, store, views
from services.pools.domain import PoolStage
from services.pools.domain.enrolment import CancelledByLead
from services.pools.handlers import Enrolment, Sourcing, WantedPacks
from services.pools.store import StoredPool
from services.pools.views import PoolDetails

OFFICERS = allow(BUYER_OFFICER)

SHOWN_OF_LOG = 50
LINES_SHOWN = 10
"""How many lines are shown at once. Each is a column of the table of members."""
STEPS = (PoolStage.ENROLLING, PoolStage.FROZEN, PoolStage.SOURCING, PoolStage.CONTRACTING, PoolStage.CLOSED)


Members = Annotated[int, QueryParameter(ge=1, le=PAGES)]
Lines = Annotated[int, QueryParameter(ge=1, le=PAGES)]


class PriceForm(msgspec.Struct, kw_only=True):
    price: Amount | None = None


class PoolPages(Controller):
    path = "/pools"
    include_in_schema = False

    @get("/{pool_id:str}", opt=PUBLIC)
    async def pool(
        self,
        resources: FromResources,
        request: Visit,
        pool_id: PathId,
        number: PageNumber = 1,
        members: Members = 1,
        lines: Lines = 1,
    ) -> Template:
        """Show a pool. ``page`` is the page of the log; ``members`` and ``lines`` are the pages of members and lines."""
        async with resources.database.transaction("pools") as tx:
            return await _page(tx, request, pool_id, number=number, members=members, lines=lines)

    @post("/{pool_id:str}/enrolment", opt=OFFICERS)
    async def enrol(self, resources: FromResources, request: MemberVisit, pool_id: PathId) -> Template | Redirect:
        values = await form_fields(request)
        async with resources.database.transaction("pools") as tx:
            pool = await views.details(tx, pool_id)
            enrolment, errors = _enrolment(values, pool)
            if enrolment is not None:
                try:
                    await handlers.enrol(tx, pool_id, enrolment, request.user)
                    said = gettext("Your enrolment was recorded.")
                    return redirect(f"/pools/{pool_id}", said)
                except RuleBroken as broken:
                    return await _page(tx, request, pool_id, Filled(values, _beside(broken, pool)))
        tried = Enrolment(demands=())
        instead = await refusal_of_state(
            resources.database, "pools", lambda tx: handlers.enrol(tx, pool_id, tried, request.user)
        )
        async with resources.database.transaction("pools") as tx:
            return await _page(tx, request, pool_id, Filled(values, errors, instead))

    @post("/{pool_id:str}/withdraw", opt=OFFICERS)
    async def withdraw(self, resources: FromResources, request: MemberVisit, pool_id: PathId) -> Template | Redirect:
        values = await form_fields(request)
        async with resources.database.transaction("pools") as tx:
            try:
                default = await handlers.withdraw(tx, pool_id, request.user, text_in(values, "reason"))
            except RuleBroken as broken:
                return await _page(tx, request, pool_id, Filled(values, _at_reason(broken)), form="withdraw")
        said = (
            gettext("You withdrew after the freeze. This is a default, and it is published with your reason.")
            if default
            else gettext("You withdrew from the pool.")
        )
        return redirect(f"/pools/{pool_id}", said)

    @post("/{pool_id:str}/freeze", opt=OFFICERS)
    async def freeze(self, resources: FromResources, request: MemberVisit, pool_id: PathId) -> Template | Redirect:
        async with resources.database.transaction("pools") as tx:
            try:
                await handlers.freeze(tx, pool_id, request.user)
            except RuleBroken as broken:
                return await _page(tx, request, pool_id, Filled(errors={"": refusal_text(broken)}))
        return redirect(f"/pools/{pool_id}", gettext("The demand was frozen."))

    @post("/{pool_id:str}/source", opt=OFFICERS)
    async def source(self, resources: FromResources, request: MemberVisit, pool_id: PathId) -> Template | Redirect:
        values = await form_fields(request)
        async with resources.database.transaction("pools") as tx:
            pool = await views.details(tx, pool_id)
            shape = msgspec.defstruct(
                "SourcingForm",
                [("step_percent", Percent), ("duration_minutes", Annotated[Minutes, CHOSEN])]
                + [(f"price_{number}", Amount | None, None) for number, _ in enumerate(pool.lines)],
            )
            form, errors = read_form(values, shape)
            if form is not None:
                prices = {line.line_id: getattr(form, f"price_{number}") for number, line in enumerate(pool.lines)}
                sourcing = Sourcing(
                    step_percent=form.step_percent,  # type: ignore[attr-defined]
                    duration_minutes=form.duration_minutes,  # type: ignore[attr-defined]
                    unit_prices={line_id: price for line_id, price in prices.items() if price is not None},
                )
                try:
                    await handlers.request_sourcing(tx, pool_id, sourcing, request.user)
                    return redirect(f"/pools/{pool_id}", gettext("You asked for the mini-auction."))
                except RuleBroken as broken:
                    return await _page(tx, request, pool_id, Filled(values, _beside(broken, pool, prefix="price")))
        tried = Sourcing(step_percent=Decimal(1))
        instead = await refusal_of_state(
            resources.database, "pools", lambda tx: handlers.request_sourcing(tx, pool_id, tried, request.user)
        )
        async with resources.database.transaction("pools") as tx:
            return await _page(tx, request, pool_id, Filled(values, errors, instead))

    @post("/{pool_id:str}/cancel", opt=OFFICERS)
    async def cancel(self, resources: FromResources, request: MemberVisit, pool_id: PathId) -> Template | Redirect:
        values = await form_fields(request)
        missing = misfits({"reason": values.get("reason", "")})
        if not values.get("reason", "").strip():
            missing = {"reason": gettext("is required: the members read it")}
        if missing:
            instead = await refusal_of_state(
                resources.database, "pools", lambda tx: handlers.cancel(tx, pool_id, request.user, WORDS)
            )
            async with resources.database.transaction("pools") as tx:
                return await _page(tx, request, pool_id, Filled(values, missing, instead), form="cancel")
        async with resources.database.transaction("pools") as tx:
            try:
                await handlers.cancel(tx, pool_id, request.user, values["reason"].strip())
            except RuleBroken as broken:
                return await _page(tx, request, pool_id, Filled(values, _at_reason(broken)), form="cancel")
        return redirect(f"/pools/{pool_id}", gettext("The pool was cancelled."))


async def _page(
    tx: Transaction,
    request: Visit,
    pool_id: str,
    filled: Filled = BLANK,
    *,
    form: str = "",
    number: int = 1,
    members: int = 1,
    lines: int = 1,
) -> Template:
    """Show a pool. ``number`` is the page of the log; ``members`` and ``lines`` are the pages of members and lines.
    ``filled`` is a form that was refused; the answer is then a 422. ``form`` says which of the forms with a reason it
    is."""
    kept = await views.get_pool(tx, pool_id)
    user: Principal | None = request.scope.get("user")
    reader = user.organisation_id if user and user.may(BUYER_OFFICER) else ""
    pool = await views.details_of(tx, kept, reader, leafed(request, members, len(kept.pool.pages), "members"))
    line_pages = last_page(len(pool.lines), LINES_SHOWN)
    lines = leafed(request, lines, line_pages, "lines")
    shown = pool.lines[LINES_SHOWN * (lines - 1) : LINES_SHOWN * lines]
    before = SHOWN_OF_LOG * (number - 1)
    log = await store.log_of(tx, pool_id, limit=SHOWN_OF_LOG + 1, offset=before)
    if before and not log:
        leafed(request, number, last_page(await store.happened(tx, pool_id, before), SHOWN_OF_LOG))
    told = (each.member_id for each in log if not isinstance(each, UnreadableKey) and each.member_id)
    named = await store.organisations.names(await tx.raw(), set(told))
    me = await store.organisations.get(await tx.raw(), reader) if reader else None
    mine = pool.mine
    former = mine or (await store.former_enrolment(tx, pool_id, me.organisation_id) if me else None)
    leads = bool(me and me.organisation_id == pool.lead_id)
    return form_page(
        request,
        "pools/pool.html",
        filled,
        pool=pool,
        log=log[:SHOWN_OF_LOG],
        number=number,
        more=len(log) > SHOWN_OF_LOG and number < PAGES,
        refused=_refused,
        names={
            who: kept.pool.members[who].member_name if who in kept.pool.members else name for who, name in named.items()
        },
        shown=shown,
        rows=_rows(pool, shown),
        shares=_shares(pool, shown),
        lines=lines,
        line_pages=line_pages,
        unit_name=unit_name,
        steps=STEPS,
        me=me,
        mine=mine,
        leads=leads,
        enrols=bool(me and "buyer" in me.roles and me.state == "active"),
        values={**(_former_demand(pool, former, me) if me else {}), **filled.values},
        form=form,
        **(await _of_sourcing(tx, kept, pool, filled.values) if leads and pool.stage is PoolStage.FROZEN else {}),
    )


def _rows(pool: PoolDetails, shown: Sequence[Line]) -> list[tuple[PoolMemberEnrolled, dict[str, Demand]]]:
    """Return the members of the page with what each wants of the shown lines. The reader's own enrolment is first if it
    is on another page."""
    ids = {line.line_id for line in shown}
    apart = (pool.mine,) if pool.mine is not None and pool.mine not in pool.members else ()
    return [
        (member, {each.line_id: each for each in member.demands if each.line_id in ids})
        for member in (*apart, *pool.members)
    ]


def _shares(pool: PoolDetails, shown: Sequence[Line]) -> list[tuple[Allocation, list[Line]]]:
    """Return the allocations of the members of :func:`_rows`, each with its part of the shown lines."""
    result = pool.result
    if result is None:
        return []
    ids = {line.line_id for line in shown}
    apart = (result.mine,) if result.mine is not None and result.mine not in result.allocations else ()
    return [(part, [line for line in part.lines if line.line_id in ids]) for part in (*apart, *result.allocations)]


async def _of_sourcing(
    tx: Transaction, kept: StoredPool, pool: PoolDetails, values: Mapping[str, str]
) -> dict[str, object]:
    """Return what only the form that asks for a mini-auction shows."""
    policy = handlers.policy_of(kept)
    lead = await store.organisations.get(await tx.raw(), pool.lead_id)
    assert lead is not None, "the lead that opened a pool is in the replica, and nothing is removed from it"
    references = await handlers.suggested_prices(tx, pool.lines, lead.place, pool.currency, policy)
    return {
        "references": references,
        "step_percents": policy.auction.step_percents,
        "durations": _lengths(pool, policy, lead, tx.now, values, references),
    }


def _refused(kept: Refusal, currency: str) -> str:
    if kept.rule == CancelledByLead.code:
        return kept.message  # the words that the lead wrote
    return kept_refusal(kept, currency)


def _lengths(
    pool: PoolDetails,
    policy: Policy,
    lead: OrganisationRegistered,
    now: datetime,
    values: Mapping[str, str],
    references: Mapping[str, Decimal],
) -> list[tuple[Duration, RuleBroken | None]]:
    """Return the durations for the pool's kind, each with the rule that forbids it now, for the whole demand at the
    prices that are typed (or suggested)."""
    prices = {}
    for number, line in enumerate(pool.lines):
        form, _ = read_form({"price": values.get(f"price_{number}", "")}, PriceForm)
        typed = form.price if form else None
        known = (each for each in (line.unit_price, references.get(line.line_id)) if each and can_be_written_out(each))
        prices[line.line_id] = typed if typed is not None else min(known, default=Decimal(0))
    first = sum(((line.quantity or 0) * prices[line.line_id] for line in pool.demand), start=Decimal(0))
    offered = durations(pool.kind, first, policy=policy, calendar=calendar_of(lead), opens_at=now)
    return [(each, broken) for each, broken in offered if pool.kind in each.kinds]


def _former_demand(pool: PoolDetails, last: PoolMemberEnrolled | None, me: OrganisationRegistered) -> dict[str, str]:
    """Return the member's demand as form fields: the present one, or the one that it withdrew, so that one click enrols
    it again."""
    place = last.place if last else me.place
    values = {"region": place.region or "", "locality": place.locality or ""}
    if last is not None:
        values["deliver_by"] = f"{last.deliver_by:%Y-%m-%d}" if last.deliver_by else ""
        by_line = {demand.line_id: demand for demand in last.demands}
        for number, line in enumerate(pool.lines):
            if (demand := by_line.get(line.line_id)) is not None:
                values[f"firm_{number}"] = unambiguous(demand.firm)
                values[f"tolerance_{number}"] = unambiguous(demand.tolerance)
    return values


def _enrolment(values: Mapping[str, str], pool: PoolDetails) -> tuple[Enrolment | None, dict[str, str]]:
    quantities = [
        (f"{kind}_{number}", Packs | None, None)
        for number, _ in enumerate(pool.lines)
        for kind in ("firm", "tolerance")
    ]
    shape = msgspec.defstruct(
        "DemandForm",
        [*quantities, ("region", Name, ""), ("locality", Name, ""), ("deliver_by", date | None, None)],
    )
    form, errors = read_form(values, shape)
    if form is None:
        return None, errors
    demands = tuple(
        WantedPacks(line_id=line.line_id, firm=firm, tolerance=getattr(form, f"tolerance_{number}") or Decimal(0))
        for number, line in enumerate(pool.lines)
        if (firm := getattr(form, f"firm_{number}")) is not None
    )
    day: date | None = form.deliver_by  # type: ignore[attr-defined]
    return (
        Enrolment(
            demands=demands,
            region=form.region,  # type: ignore[attr-defined]
            locality=form.locality,  # type: ignore[attr-defined]
            deliver_by=datetime.combine(day, time(23, 59), ZoneInfo("UTC")) if day else None,
        ),
        {},
    )


def _at_reason(broken: RuleBroken) -> dict[str, str]:
    return {"reason" if broken.field == "reason" else "": ruled(broken)}


def _beside(broken: RuleBroken, pool: PoolDetails, prefix: str = "firm") -> dict[str, str]:
    """Return the error by the input that caused it."""
    numbers = {line.line_id: number for number, line in enumerate(pool.lines)}
    if (number := numbers.get(str(broken.numbers.get("line")))) is not None:
        kind = "tolerance" if broken.code == "tolerance-negative" else prefix
        return {f"{kind}_{number}": ruled(broken, pool.currency)}
    if broken.field == "demands":
        return {"firm_0": ruled(broken)}
    return {("region" if broken.field == "place" else broken.field or ""): ruled(broken, pool.currency)}
