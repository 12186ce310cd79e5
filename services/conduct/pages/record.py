"""The public record of an organisation."""

from litestar import Controller, get
from litestar.response import Template

from infra.web import PUBLIC, FromResources, PathId, Visit, page
from services.conduct.views.record import record_of

SHOWN = 10
KINDS = {
    "concluded": "Contracts concluded",
    "terminated": "Ended after conclusion",
    "evaded": "Won and not signed",
    "refused": "Awarded and not signed",
}

PERFORMED = {
    "closed": "Contracts carried out and closed",
    "orders-on-time": "Orders delivered on time",
    "orders-late": "Orders not delivered on time",
    "deliveries-accepted": "Deliveries accepted",
    "deliveries-partly": "Deliveries accepted in part",
    "deliveries-refused": "Deliveries refused",
    "answers-on-time": "Deliveries answered in time",
    "answers-late": "Deliveries not answered in time",
    "payments-on-time": "Invoices paid in time",
    "payments-late": "Invoices not paid in time",
    "disputes-opened": "Disputes opened",
    "disputes-faced": "Disputes opened by the other side",
    "disputes-agreed": "Disputes ended by agreement",
    "disputes-won": "Disputes decided as it asked",
    "disputes-lost": "Disputes decided as the other side asked",
}


class RecordPages(Controller):
    path = "/organisations"
    include_in_schema = False

    @get("/{organisation_id:str}/record", opt=PUBLIC)
    async def show(self, resources: FromResources, request: Visit, organisation_id: PathId) -> Template:
        found = await record_of(resources, organisation_id, request.scope.get("user"), shown=SHOWN)
        return page(request, "conduct/record.html", record=found, kinds=KINDS, performed=PERFORMED, shown=SHOWN)
