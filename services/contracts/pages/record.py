"""The public record of an organisation."""

from litestar import Controller, get
from litestar.params import FromPath
from litestar.response import Template

from infra.web import PUBLIC, FromGround, Visit, page
from services.contracts.api.record import record_of

SHOWN = 10
SIDES = {"supplier": "As supplier", "buyer": "As buyer"}
KINDS = {
    "concluded": "Contracts concluded",
    "terminated": "Ended after conclusion",
    "evaded": "Won and not signed",
    "refused": "Awarded and not signed",
}


class RecordPages(Controller):
    path = "/organisations"
    include_in_schema = False

    @get("/{organisation_id:str}/record", opt=PUBLIC)
    async def show(self, ground: FromGround, request: Visit, organisation_id: FromPath[str]) -> Template:
        found = await record_of(ground, organisation_id, request.scope.get("user"), shown=SHOWN)
        return page(request, "contracts/record.html", record=found, words=SIDES, kinds=KINDS, shown=SHOWN)
