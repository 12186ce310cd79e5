"""``/health`` for load balancers, ``/health/ready`` for people and alarms, ``/metrics`` for Prometheus; the same in all processes."""

import asyncio
import math
import time
from collections.abc import Sequence
from ipaddress import ip_address
from secrets import compare_digest
from typing import Any
from urllib.parse import urlsplit

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.exceptions import PermissionDeniedException

from infra.config import Config
from infra.health import HEALTH
from infra.operations.exposition import TYPE, exposition
from infra.operations.figures import Observer, ServerFigures
from infra.operations.readiness import Judgement, is_ready, judge
from infra.web.access import PUBLIC

FORWARDED = ("forwarded", "via", "x-real-ip")
"""Headers of proxies, besides those that begin with x-forwarded-."""
NOT_KEPT = {"cache-control": "no-store"}


class PublicPart(msgspec.Struct, frozen=True):
    """What everybody may know about a part."""

    part: str
    state: str


class Ready(msgspec.Struct, frozen=True):
    """``parts`` are all parts of the market, on all hosts; ``ready`` is true if none of them needs a person or a
    server. Faults that affect only themselves, such as a card that the search cannot index, do not count."""

    ready: bool
    parts: Sequence[PublicPart | Judgement]


@get("/health", opt=PUBLIC, media_type=MediaType.TEXT, include_in_schema=False, sync_to_thread=False)
def health() -> str:
    return "ok"


@get("/health/live", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def live() -> Response[dict[str, bool]]:
    """This process answers. It is for supervisors and load balancers."""
    return Response({"live": True}, headers=NOT_KEPT)


class HealthAnswers:
    """The answers of the health routes, each computed once for simultaneous requests: readiness takes milliseconds, and
    figures half a second."""

    def __init__(self, observer: Observer, process: str) -> None:
        self._observer = observer
        self._process = process
        self._of: ServerFigures | None = None
        self._ready = False
        self._bodies: dict[bool, bytes] = {}
        self._writing = asyncio.Lock()
        self._written, self._written_since = b"", -math.inf

    async def ready(self, *, whole: bool) -> tuple[bool, bytes]:
        """(whether the market is ready, all parts as JSON), at most :data:`infra.operations.figures.FRESH` seconds old;
        with ``whole``: including details and remedies."""
        figures = await self._observer.look()
        if figures is not self._of:
            judgements = judge(figures, HEALTH, self._process)
            self._of, self._ready = figures, is_ready(judgements)
            names = [PublicPart(each.part, each.state) for each in judgements]
            self._bodies = {
                True: msgspec.json.encode(Ready(self._ready, judgements)),
                False: msgspec.json.encode(Ready(self._ready, names)),
            }
        return self._ready, self._bodies[whole]

    async def figures(self) -> bytes:
        """The figures, not older than the request."""
        asked = time.monotonic()
        async with self._writing:
            if self._written_since < asked:
                self._written_since = time.monotonic()
                seen = await self._observer.look()
                # for a process that has answered on every route these are 1.5 MB: compressed in a thread, so that bids
                # do not wait
                self._written = await asyncio.to_thread(exposition, seen)
            return self._written


def health_routes(observer: Observer, config: Config, process: str) -> list[Any]:
    """The routes. ``process`` is the name under which this process reports."""
    looks = HealthAnswers(observer, process)

    @get("/health/ready", opt=PUBLIC, include_in_schema=False)
    async def ready(request: Request[Any, Any, Any]) -> Response[bytes]:
        is_well, body = await looks.ready(whole=trusted(request, config))
        return Response(body, status_code=200 if is_well else 503, media_type=MediaType.JSON, headers=NOT_KEPT)

    @get("/metrics", opt=PUBLIC, include_in_schema=False)
    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        if not trusted(request, config):
            raise PermissionDeniedException("this needs the token of LONJA_METRICS_TOKEN")
        return Response(await looks.figures(), media_type=TYPE, headers=NOT_KEPT)

    return [health, live, ready, metrics]


def trusted(request: Request[Any, Any, Any], config: Config) -> bool:
    """Whether the caller may see everything: it has the token, or, if no token is set, it is on this machine and came
    without a proxy. Not every proxy identifies itself, so a proxy is assumed if the market's public address, or the
    requested host, is not this machine's own."""
    if config.metrics_token is not None:
        given = request.headers.get("authorization", "")
        return compare_digest(given.encode(), f"Bearer {config.metrics_token}".encode())
    by_proxy = any(name in FORWARDED or name.startswith("x-forwarded-") for name in request.headers)
    return (
        not by_proxy
        and request.client is not None
        and _is_loopback(request.client.host)
        and _names_loopback(f"//{request.headers.get('host', '')}")
        and _names_loopback(config.public_url)
    )


def _names_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return False
    return host == "localhost" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
