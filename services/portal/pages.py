"""The home page. It reloads its live parts every ten seconds."""

from litestar import Controller, get
from litestar.response import Template

from catalogue.policy import load
from infra.listing import COUNTED
from infra.web import PUBLIC, FromResources, Visit, page
from services.portal import views

SHOWN = 6
CURRENCIES = 4


class PortalPages(Controller):
    include_in_schema = False
    opt = PUBLIC

    @get("/")
    async def home(self, resources: FromResources, request: Visit) -> Template:
        async with resources.database.transaction("portal") as tx:
            front = await views.front(tx, SHOWN)
        live = not load(resources.config.policy).auction.none_because
        return page(
            request, "portal/home.html", front=front, currencies=front.totals[:CURRENCIES], counted=COUNTED, live=live
        )
