"""JSON of an organisation's public record."""

from litestar import Controller, get

from infra.web import PUBLIC, FromResources, PathId, Visit
from infra.web.errors import NotFound
from services.conduct.views.record import RecordView, record_of


class RecordApi(Controller):
    path = "/api/organisations"
    tags = ["contracts"]

    @get("/{organisation_id:str}/record", opt=PUBLIC, raises=[NotFound])
    async def read_record(self, request: Visit, resources: FromResources, organisation_id: PathId) -> RecordView:
        """Return what became of an organisation's contracts in this market, and its suspensions. Everybody may read it."""
        return await record_of(resources, organisation_id, request.scope.get("user"))
