"""The page about open data."""

from litestar import Controller, get
from litestar.response import Template

from infra.web import PUBLIC, FromGround, Visit, page
from services.transparency import store
from services.transparency.ocds.outgoing import PREFIX
from services.transparency.ocds.publication import EXTENSIONS, LICENCE, LICENCE_NAME

SHOWN = 8
SOURCES = 100
"""The most publications that are listed; those with most records are chosen."""


class TransparencyPages(Controller):
    include_in_schema = False
    opt = PUBLIC

    @get("/transparency")
    async def open_data(self, ground: FromGround, request: Visit) -> Template:
        async with ground.database.transaction(store.NAME) as tx:
            state = await store.feed_state(tx)
            latest = await store.latest(tx, SHOWN)
            imported = await store.imported(tx, SOURCES)
        return page(
            request,
            "transparency/open_data.html",
            state=state,
            latest=latest,
            imported=imported,
            prefix=PREFIX,
            extensions=EXTENSIONS,
            licence=LICENCE,
            licence_name=LICENCE_NAME,
        )
