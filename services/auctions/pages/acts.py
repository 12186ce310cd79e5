"""The other acts on an auction's page: floors, deletion, withdrawal, complaints."""

from collections.abc import Callable, Container
from typing import Any

import msgspec
from litestar import Controller, Response, get, post
from litestar.di import NamedDependency
from litestar.response import Redirect, Template

from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from catalogue.rules import RuleBroken
from events.bounds import Amount
from infra.ids import new_id
from infra.service import Resources
from infra.web import (
    BLANK,
    Filled,
    FromResources,
    MemberVisit,
    PathId,
    allow,
    clean,
    errors_of_refusal,
    fitting,
    form_fields,
    form_page,
    page,
    read_form,
    redirect,
    refusal_of_state,
    shown_again,
    text_in,
)
from infra.web.languages import gettext as _
from infra.web.languages import refusal_text
from services.auctions import handlers
from services.auctions.board import Boards
from services.auctions.domain import complaints, remedies
from services.auctions.domain.auction import AuctionState
from services.auctions.handlers import NewComplaint
from services.auctions.pages.auction import shown
from services.auctions.store import bids
from services.auctions.views import get_auction

RECEIPTS = 500
"""How many receipts are on one page."""


class FloorForm(msgspec.Struct):
    floor: Amount
    on: bool = False


class ActPages(Controller):
    path = "/auctions"
    include_in_schema = False

    @post("/{auction_id:str}/autobid", opt=allow(SUPPLIER_AGENT))
    async def set_floor(
        self, request: MemberVisit, resources: FromResources, boards: NamedDependency[Boards], auction_id: PathId
    ) -> Response[Any] | Template:
        fields = await form_fields(request)
        form, errors = read_form(fields, FloorForm)
        if form is None:
            tried = fitting(fields, FloorForm)
            instead = tried and await refusal_of_state(
                resources.database,
                "auctions",
                lambda tx: handlers.set_autobid(tx, auction_id, tried.floor, True, request.user),
            )
            return await shown(request, resources, boards, auction_id, filled=Filled(fields, errors, instead or ""))
        async with resources.database.transaction("auctions") as tx:
            try:
                await handlers.set_autobid(tx, auction_id, form.floor, form.on, request.user)
            except RuleBroken as broken:
                errors = await _refused(resources, auction_id, broken, fields)
        if errors:
            return await shown(request, resources, boards, auction_id, filled=Filled(fields, errors))
        said = _("Your floor was saved.") if form.on else _("Autobid was turned off.")
        return _back(auction_id, said)

    @post("/{auction_id:str}/deletion", opt=allow(SUPPLIER_AGENT))
    async def delete_last(
        self, request: MemberVisit, resources: FromResources, boards: NamedDependency[Boards], auction_id: PathId
    ) -> Redirect | Template:
        errors: dict[str, str] = {}
        async with resources.database.transaction("auctions") as tx:
            try:
                await handlers.delete_last_bid(tx, auction_id, request.user)
            except RuleBroken as broken:
                errors = await _refused(resources, auction_id, broken, ())
        if errors:
            return await shown(request, resources, boards, auction_id, filled=Filled(errors=errors))
        return _back(auction_id, _("Your last bid was deleted."))

    @get("/{auction_id:str}/withdrawal", opt=allow(BUYER_OFFICER))
    async def withdrawal_page(self, request: MemberVisit, resources: FromResources, auction_id: PathId) -> Template:
        return await _withdrawal(request, resources, auction_id, BLANK)

    @post("/{auction_id:str}/withdrawal", opt=allow(BUYER_OFFICER))
    async def withdraw(self, request: MemberVisit, resources: FromResources, auction_id: PathId) -> Response[Any]:
        fields = await form_fields(request)
        async with resources.database.transaction("auctions") as tx:
            try:
                await handlers.withdraw(tx, auction_id, text_in(fields, "reason"), request.user)
                return _back(auction_id, _("The mini-auction was withdrawn."))
            except RuleBroken as broken:
                errors = errors_of_refusal(broken, fields)
        return await _withdrawal(request, resources, auction_id, Filled(fields, errors))

    @get("/{auction_id:str}/complaint", opt=allow(SUPPLIER_AGENT))
    async def complaint_page(self, request: MemberVisit, resources: FromResources, auction_id: PathId) -> Template:
        return await _complaint(request, resources, auction_id, BLANK)

    @post("/{auction_id:str}/complaint", opt=allow(SUPPLIER_AGENT))
    async def complain(self, request: MemberVisit, resources: FromResources, auction_id: PathId) -> Response[Any]:
        fields = await form_fields(request)
        async with resources.database.transaction("auctions") as tx:
            try:
                wanted = NewComplaint(
                    auction_id=auction_id,
                    grounds=clean(text_in(fields, "grounds")),
                    evidence=clean(text_in(fields, "evidence")),
                )
                await handlers.complain(tx, wanted, request.user, fields.get("request_key", "")[:200])
                return _back(auction_id, _("Your complaint was filed."))
            except RuleBroken as broken:
                errors = errors_of_refusal(broken, fields)
                fields = shown_again(fields, broken)
        return await _complaint(request, resources, auction_id, Filled(fields, errors))

    @get("/{auction_id:str}/receipts", opt=allow(SUPPLIER_AGENT))
    async def receipts_page(self, request: MemberVisit, resources: FromResources, auction_id: PathId) -> Template:
        opened = (await get_auction(resources, auction_id)).opened
        own = await bids.own_log(
            resources.database.pool, opened.auction_id, request.user.organisation_id, limit=RECEIPTS + 1
        )
        return page(
            request,
            "auctions/receipts.html",
            opened=opened,
            rows=own[:RECEIPTS],
            more=len(own) > RECEIPTS,
            most=RECEIPTS,
        )


async def _withdrawal(request: MemberVisit, resources: Resources, auction_id: str, filled: Filled) -> Template:
    return await _form(request, resources, auction_id, "withdrawal", filled, remedies.require_open)


async def _complaint(request: MemberVisit, resources: Resources, auction_id: str, filled: Filled) -> Template:
    return await _form(request, resources, auction_id, "complaint", filled, complaints.require_open)


async def _form(
    request: MemberVisit,
    resources: Resources,
    auction_id: str,
    name: str,
    filled: Filled,
    require_open: Callable[[AuctionState], None],
) -> Template:
    """Show the form, or which rule forbids it because the mini-auction is over."""
    stored = await get_auction(resources, auction_id)
    over = ""
    try:
        require_open(stored.state)
    except RuleBroken as broken:
        over = refusal_text(broken)
    return form_page(
        request,
        f"auctions/{name}.html",
        filled,
        opened=stored.opened,
        state=stored.state,
        rules=stored.policy.auction.withdrawal,
        request_key=filled.values.get("request_key") or new_id(),
        over=over,
    )


def _back(auction_id: str, notice: str) -> Redirect:
    return redirect(f"/auctions/{clean(auction_id)}", notice)


async def _refused(resources: Resources, auction_id: str, broken: RuleBroken, places: Container[str]) -> dict[str, str]:
    return errors_of_refusal(broken, places, (await get_auction(resources, auction_id)).opened.currency)
