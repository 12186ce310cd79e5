"""The feed, its records, and the data of the page about open data. In their JSON, numbers are numbers, not strings."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import msgspec

from infra.database import Database, Transaction
from infra.denied import Missing
from services.transparency import store
from services.transparency.ocds.publication import package, record_package
from services.transparency.store import FeedState, Imported

SHOWN = 8
"""The number of releases that the page shows."""
SOURCES = 100
"""The most publications that are listed; those with most records are chosen."""
in_json = msgspec.json.Encoder(decimal_format="number").encode


class OpenData(msgspec.Struct, frozen=True, kw_only=True):
    state: FeedState
    latest: Sequence[dict[str, Any]]
    imported: Imported


async def open_data(tx: Transaction) -> OpenData:
    return OpenData(
        state=await store.feed_state(tx),
        latest=await store.latest(tx, SHOWN),
        imported=await store.imported(tx, SOURCES),
    )


async def feed(tx: Transaction, public_url: str, since: int, limit: int) -> dict[str, Any]:
    """A package of the releases after the position ``since``, with the link to the next package."""
    found = await store.feed(tx, since, limit)
    position = found[-1].position if found else since
    changed_at = found[-1].released_at if found else tx.now
    return {
        **package(public_url, f"/ocds/releases?since={since}&limit={limit}", changed_at),
        "links": {"next": f"{public_url}/ocds/releases?since={position}&limit={limit}"},
        "lonja:position": position,
        "releases": [one.release for one in found],
    }


async def lines(database: Database) -> AsyncIterator[bytes]:
    """All current releases as JSON Lines."""
    async for line in store.all_releases(database):
        yield line + b"\n"


async def release(tx: Transaction, public_url: str, release_id: str) -> dict[str, Any]:
    """A package with this one release. Raise Missing."""
    found = await store.release(tx, release_id)
    if found is None:
        raise Missing("release", release_id)
    return {**package(public_url, f"/ocds/releases/{release_id}", found.released_at), "releases": [found.release]}


async def history(tx: Transaction, ocid: str) -> list[str]:
    """The releases of a process of this market as JSON, oldest first: see :func:`record`. Raise Missing."""
    found = await store.history(tx, ocid)
    if not found:
        raise Missing("process of this market", ocid)
    return found


def record(public_url: str, history: Sequence[str]) -> bytes:
    """The record package of these releases as JSON. It may take seconds, so it is not made on the event loop."""
    linked = sum(map(len, history)) > store.LARGEST_ANSWER // 2
    return in_json(record_package(public_url, store.decoded(history), linked=linked))
