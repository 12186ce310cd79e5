"""JSON of complaints about auctions: suppliers file them, moderators list and decide them."""

from typing import Literal

import msgspec
from litestar import Controller, get, post
from litestar.params import JSONBody

from catalogue.roles import MODERATOR, SUPPLIER_AGENT
from events.bounds import Reason
from infra.ids import new_id
from infra.web import FromKeyed, FromResources, IdempotencyKey, MemberVisit, PageNumber, PathId, allow
from infra.web.errors import NotFound
from services.auctions import handlers
from services.auctions.domain.complaints import Complaint
from services.auctions.handlers import NewComplaint
from services.auctions.views import get_complaint, list_complaints


class ComplaintIn(msgspec.Struct, kw_only=True):
    """``evidence`` says where the problem can be seen: addresses, documents, lines of the log."""

    grounds: Reason
    evidence: Reason


class ComplaintOut(msgspec.Struct, kw_only=True):
    complaint_id: str


class ComplaintPage(msgspec.Struct, kw_only=True):
    """At most 50 complaints. ``total`` counts all complaints; if there are more than 1,000, it is 1,000 and ``more`` is
    true."""

    total: int
    more: bool
    page: int
    complaints: list[Complaint]


class ComplaintDecisionIn(msgspec.Struct, kw_only=True):
    """``upheld`` cancels the auction if it still runs."""

    decision: Literal["upheld", "rejected"]
    reason: Reason


class ComplaintsApi(Controller):
    path = "/api/auctions"
    tags = ["auctions"]

    @post("/{auction_id:str}/complaints", opt=allow(SUPPLIER_AGENT), raises=[NotFound])
    async def complain(
        self,
        request: MemberVisit,
        resources: FromResources,
        auction_id: PathId,
        data: JSONBody[ComplaintIn],
        key: IdempotencyKey = "",
    ) -> ComplaintOut:
        """File a complaint about an auction that is not closed. A moderator decides. The complainant's name is not
        published."""
        async with resources.database.transaction("auctions") as tx:
            wanted = NewComplaint(auction_id=auction_id, grounds=data.grounds, evidence=data.evidence)
            complaint_id = await handlers.complain(tx, wanted, request.user, key or new_id())
        return ComplaintOut(complaint_id=complaint_id)

    @get("/complaints", opt=allow(MODERATOR))
    async def list_complaints(self, resources: FromResources, number: PageNumber = 1) -> ComplaintPage:
        """List complaints, undecided ones first; complainants take turns. Each text has at most 500 characters here;
        read the complaint for the whole text."""
        found = await list_complaints(resources, number)
        complaints = [each.complaint for each in found.rows]
        return ComplaintPage(total=found.total, more=found.more, page=number, complaints=complaints)

    @get("/complaints/{complaint_id:str}", opt=allow(MODERATOR), raises=[NotFound])
    async def read_complaint(self, resources: FromResources, complaint_id: PathId) -> Complaint:
        """Return one complaint with its whole texts."""
        return await get_complaint(resources, complaint_id)

    @post("/complaints/{complaint_id:str}/decision", opt=allow(MODERATOR), raises=[NotFound])
    async def decide(
        self, resources: FromResources, keyed: FromKeyed, complaint_id: PathId, data: JSONBody[ComplaintDecisionIn]
    ) -> Complaint:
        async with resources.database.transaction("auctions") as tx:
            return await keyed.once(
                tx, Complaint, lambda: handlers.decide_complaint(tx, complaint_id, data.decision, data.reason)
            )
