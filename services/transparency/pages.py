"""The page about open data."""

from litestar import Controller, get
from litestar.response import Template

from infra.web import PUBLIC, FromResources, Visit, page
from services.transparency import store, views
from services.transparency.ocds.outgoing import PREFIX
from services.transparency.ocds.publication import EXTENSIONS, LICENCE, LICENCE_NAME


class TransparencyPages(Controller):
    include_in_schema = False
    opt = PUBLIC

    @get("/transparency")
    async def open_data(self, resources: FromResources, request: Visit) -> Template:
        async with resources.database.transaction(store.NAME) as tx:
            found = await views.open_data(tx)
        return page(
            request,
            "transparency/open_data.html",
            state=found.state,
            latest=found.latest,
            imported=found.imported,
            prefix=PREFIX,
            extensions=EXTENSIONS,
            licence=LICENCE,
            licence_name=LICENCE_NAME,
        )
