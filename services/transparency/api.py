"""Open data over HTTP as JSON, without login: the feed of releases, all releases in one file, and records."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

from litestar import Controller, Response, get
from litestar.params import QueryParameter
from litestar.response import Stream

from infra.web import PUBLIC, FromResources, PathId
from services.transparency import store, views

PAGE = 1_000
_LARGEST = 2**63 - 1
JSON_LINES = "application/jsonl"
_RECORDS = ThreadPoolExecutor(1, "records")
"""Large records are made one after the other, because several at once would take the interpreter's time from the event
loop."""


class OcdsApi(Controller):
    path = "/ocds"
    tags = ["open data"]
    opt = PUBLIC

    @get("/releases", summary="The feed: a release package with the releases after a position")
    async def feed(
        self,
        resources: FromResources,
        since: Annotated[int, QueryParameter(ge=0, le=_LARGEST, description="The position after which to read.")] = 0,
        limit: Annotated[int, QueryParameter(ge=1, le=PAGE, description="The most releases of an answer.")] = PAGE,
    ) -> Response[Any]:
        """Start at 0 and follow ``links.next`` again and again: each release comes once, in the order of its position,
        and none is left out. If there is nothing new, the list is empty and the link is the same again.
        ``lonja:position`` is the position of the last release. An answer has at most a few megabytes."""
        async with resources.database.transaction(store.NAME) as tx:
            body = await views.feed(tx, resources.config.public_url, since, limit)
        return _answer(views.in_json(body))

    @get("/releases.jsonl", summary="Every release, one per line", media_type=JSON_LINES)
    async def bulk(self, resources: FromResources) -> Stream:
        """The whole current feed as JSON Lines."""
        headers = {"content-disposition": 'attachment; filename="lonja-releases.jsonl"'}
        return Stream(views.lines(resources.database), media_type=JSON_LINES, headers=headers)

    @get("/releases/{release_id:str}", summary="One release, in a release package")
    async def release(self, resources: FromResources, release_id: PathId) -> Response[Any]:
        async with resources.database.transaction(store.NAME) as tx:
            body = await views.release(tx, resources.config.public_url, release_id)
        return _answer(views.in_json(body))

    @get("/records/{ocid:str}", summary="The record of one process: all its releases, and their merged state")
    async def record(self, resources: FromResources, ocid: PathId) -> Response[Any]:
        async with resources.database.transaction(store.NAME) as tx:
            history = await views.history(tx, ocid)
        body = await asyncio.get_running_loop().run_in_executor(
            _RECORDS, views.record, resources.config.public_url, history
        )
        return _answer(body)


def _answer(body: bytes) -> Response[bytes]:
    return Response(body, media_type="application/json")
