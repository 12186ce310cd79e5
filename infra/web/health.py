"""``/health`` for load balancers, ``/health/ready`` for people and alarms, ``/metrics`` for Prometheus; the same in all processes."""

import asyncio
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
from infra.operations.figures import Observer
from infra.operations.readiness import Judgement, is_ready, judge
from infra.web.access import PUBLIC

FORWARDED = ("forwarded", "via", "x-real-ip")
"""Headers of proxies, as all are that begin with x-forwarded-."""
NOT_KEPT = {"cache-control": "no-store"}


class Part(msgspec.Struct, frozen=True):
    """What everybody may know of a part."""

    part: str
    state: str


class Ready(msgspec.Struct, frozen=True):
    """``parts`` are all parts of the market, on whichever host; ``ready`` that none of them needs a person or a server, but
    for what costs itself alone, as a card that the search cannot take."""

    ready: bool
    parts: Sequence[Part | Judgement]


@get("/health", opt=PUBLIC, media_type=MediaType.TEXT, include_in_schema=False, sync_to_thread=False)
def health() -> str:
    return "ok"


@get("/health/live", opt=PUBLIC, include_in_schema=False, sync_to_thread=False)
def live() -> Response[dict[str, bool]]:
    """This process answers. It is for whoever would start it again, or send it no more requests."""
    return Response({"live": True}, headers=NOT_KEPT)


def health_routes(observer: Observer, config: Config, process: str) -> list[Any]:
    """``process`` is the name under which this one reports."""

    @get("/health/ready", opt=PUBLIC, include_in_schema=False)
    async def ready(request: Request[Any, Any, Any]) -> Response[Ready]:
        judgements = judge(await observer.look(), HEALTH, process)
        in_order = is_ready(judgements)
        parts = judgements if trusted(request, config) else [Part(each.part, each.state) for each in judgements]
        return Response(Ready(in_order, parts), status_code=200 if in_order else 503, headers=NOT_KEPT)

    @get("/metrics", opt=PUBLIC, include_in_schema=False)
    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        if not trusted(request, config):
            raise PermissionDeniedException("this needs the token of LONJA_METRICS_TOKEN")
        figures = await observer.look()
        # of a process that has answered on every route it is a megabyte and a half, half a second of work: bids do not wait for it
        return Response(await asyncio.to_thread(exposition, figures), media_type=TYPE, headers=NOT_KEPT)

    return [health, live, ready, metrics]


def trusted(request: Request[Any, Any, Any], config: Config) -> bool:
    """Holders of the token. Where none is set, callers on this machine that no proxy stands for: not every proxy says that it is one,
    so none is believed to be absent where the market's public address, or the one that was asked for, is not this machine's own."""
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
