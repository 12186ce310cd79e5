"""Complaints for moderators: the list with short texts, and each complaint with its whole texts and its decision."""

from typing import Any, Literal

from litestar import Controller, Response, get, post
from litestar.response import Template

from catalogue.roles import MODERATOR
from catalogue.rules import RuleBroken
from infra.service import Resources
from infra.web import (
    BLANK,
    Filled,
    FromResources,
    MemberVisit,
    PageNumber,
    PathId,
    allow,
    clean,
    errors_of_refusal,
    form_fields,
    form_page,
    leaf,
    page,
    redirect,
    text_in,
)
from infra.web.languages import gettext as _
from services.auctions import handlers
from services.auctions.views import PER_PAGE, get_auction, get_complaint, list_complaints


class ComplaintPages(Controller):
    path = "/auctions/complaints"
    include_in_schema = False

    @get(opt=allow(MODERATOR))
    async def list_page(self, request: MemberVisit, resources: FromResources, number: PageNumber = 1) -> Template:
        found, number, last = await leaf(request, number, PER_PAGE, lambda each: list_complaints(resources, each))
        return page(request, "auctions/complaints.html", found=found, number=number, last=last)

    @get("/{complaint_id:str}", opt=allow(MODERATOR))
    async def complaint_page(self, request: MemberVisit, resources: FromResources, complaint_id: PathId) -> Template:
        return await _shown(request, resources, complaint_id, BLANK)

    @post("/{complaint_id:str}", opt=allow(MODERATOR))
    async def decide(self, request: MemberVisit, resources: FromResources, complaint_id: PathId) -> Response[Any]:
        fields = await form_fields(request)
        decision: Literal["upheld", "rejected"] = "upheld" if fields.get("decision") == "upheld" else "rejected"
        async with resources.database.transaction("auctions") as tx:
            try:
                await handlers.decide_complaint(tx, complaint_id, decision, clean(text_in(fields, "reason")))
                upheld, rejected = _("The complaint was upheld."), _("The complaint was rejected.")
                return redirect("/auctions/complaints", upheld if decision == "upheld" else rejected)
            except RuleBroken as broken:
                errors = errors_of_refusal(broken, fields)
        return await _shown(request, resources, complaint_id, Filled(fields, errors))


async def _shown(request: MemberVisit, resources: Resources, complaint_id: str, filled: Filled) -> Template:
    complaint = await get_complaint(resources, complaint_id)
    return form_page(
        request,
        "auctions/complaint_decision.html",
        filled,
        complaint=complaint,
        title=(await get_auction(resources, complaint.auction_id)).opened.title,
    )
