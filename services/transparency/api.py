"""Open data over HTTP as JSON, without login: the feed of releases, all releases in one file, and records."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import msgspec
from litestar import Controller, Response, get
from litestar.params import QueryParameter
from litestar.response import Stream

from infra.denied import Missing
from infra.web import PUBLIC, FromGround, PathId
from services.transparency import store
from services.transparency.ocds.publication import package, record_package

PAGE = 1_000
_LARGEST = 2**63 - 1
JSON_LINES = "application/jsonl"
_json = msgspec.json.Encoder(decimal_format="number")
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
        ground: FromGround,
        since: Annotated[int, QueryParameter(ge=0, le=_LARGEST, description="The position after which to read.")] = 0,
        limit: Annotated[int, QueryParameter(ge=1, le=PAGE, description="The most releases of an answer.")] = PAGE,
    ) -> Response[Any]:
        """Start at 0 and follow ``links.next`` again and again: each release comes once, in the order of its position,
        and none is left out. If there is nothing new, the list is empty and the link is the same again.
        ``lonja:position`` is the position of the last release. An answer has at most a few megabytes."""
        async with ground.database.transaction(store.NAME) as tx:
            found = await store.feed(tx, since, limit)
        public_url = ground.config.public_url
        position = found[-1].position if found else since
        changed_at = found[-1].released_at if found else ground.clock()
        envelope = package(public_url, f"/ocds/releases?since={since}&limit={limit}", changed_at)
        following = f"{public_url}/ocds/releases?since={position}&limit={limit}"
        return _answer(
            {
                **envelope,
                "links": {"next": following},
                "lonja:position": position,
                "releases": [one.release for one in found],
            }
        )

    @get("/releases.jsonl", summary="Every release, one per line", media_type=JSON_LINES)
    async def bulk(self, ground: FromGround) -> Stream:
        """The whole current feed as JSON Lines."""

        async def lines() -> AsyncIterator[bytes]:
            async for line in store.all_releases(ground.database):
                yield line + b"\n"

        headers = {"content-disposition": 'attachment; filename="lonja-releases.jsonl"'}
        return Stream(lines(), media_type=JSON_LINES, headers=headers)

    @get("/releases/{release_id:str}", summary="One release, in a release package")
    async def release(self, ground: FromGround, release_id: PathId) -> Response[Any]:
        async with ground.database.transaction(store.NAME) as tx:
            found = await store.release(tx, release_id)
        if found is None:
            raise Missing("release", release_id)
        path = f"/ocds/releases/{release_id}"
        envelope = package(ground.config.public_url, path, found.released_at)
        return _answer({**envelope, "releases": [found.release]})

    @get("/records/{ocid:str}", summary="The record of one process: all its releases, and their merged state")
    async def record(self, ground: FromGround, ocid: PathId) -> Response[Any]:
        async with ground.database.transaction(store.NAME) as tx:
            history = await store.history(tx, ocid)
        if not history:
            raise Missing("process of this market", ocid)
        body = await asyncio.get_running_loop().run_in_executor(_RECORDS, _record, ground.config.public_url, history)
        return Response(body, media_type="application/json")


def _record(public_url: str, history: Sequence[str]) -> bytes:
    """The record package of these releases as JSON. It may take seconds, so it is not made on the event loop."""
    linked = sum(map(len, history)) > store.LARGEST_ANSWER // 2
    return _json.encode(record_package(public_url, store.decoded(history), linked=linked))


def _answer(body: dict[str, Any]) -> Response[Any]:
    return Response(_json.encode(body), media_type="application/json")
