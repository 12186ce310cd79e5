"""Builds the Litestar app from services."""

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from datetime import datetime
from pathlib import Path
from time import perf_counter
from typing import Any

from litestar import Litestar, Request, Response, Router
from litestar.datastructures import CacheControlHeader
from litestar.di import Provide
from litestar.exceptions import (
    HTTPException,
    InternalServerException,
    MethodNotAllowedException,
    NotFoundException,
    TooManyRequestsException,
)
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components
from litestar.static_files import create_static_files_router
from litestar.template import TemplateConfig
from litestar.types import Message

from catalogue.rules import RuleBroken
from events.limits import OutOfBounds
from infra import metrics, telemetry
from infra.causality import caused_by
from infra.clock import Clock, WrongClock
from infra.denied import Missing, NotAllowed
from infra.embedded import addresses
from infra.ids import new_id
from infra.operations.figures import Observer
from infra.operations.processes import process_name
from infra.secrets import secret
from infra.service import Resources, Service
from infra.web import errors, openapi
from infra.web.access import PUBLIC, UnguardedRoute, authentication, checked_access, known
from infra.web.answers import Answers, AnswerToForm, asked_for, is_form_of_a_page
from infra.web.compression import Compressed, takes_gzip
from infra.web.csrf import SAFE, Forms
from infra.web.exact import ExactRequest, arriving
from infra.web.head import bounded
from infra.web.health import health_routes
from infra.web.keyed import keyed
from infra.web.leafing import BeyondLast, on_beyond_last
from infra.web.limits import RequestLimits
from infra.web.pages import engine
from infra.web.patience import answered_in_time
from infra.web.query import LongAddress, known_parameters, remember_parameters, whole_addresses
from infra.web.readers import choose_language, in_the_readers_language
from infra.web.shown_again import shown_from
from infra.web.wire import LONG_ADDRESS, ON_EVERY_ANSWER

STATIC_SECONDS = 600
"""How long a browser uses its copy of a script or style sheet. Without this a browser chooses the time itself, and uses
files of the former release for days."""
BEHIND_TLS = (b"strict-transport-security", b"max-age=31536000")
PERSONAL = (b"cache-control", b"no-store")
BODY_BYTES = 1024 * 1024
"""Bytes of the body of one request."""
PACKAGE = Path(__file__).parent
SERVICES = PACKAGE.parent.parent / "services"
"""The folders of the services, which may have ``templates`` and ``static``. A web process serves the static files of all
of them, because a browser may ask any process for a file."""


class WebApp(Litestar):
    """Each request begins a chain of events. Every answer, also after a failure, has the request's id and the security
    headers.

    An answer to a logged-in caller, to the holder of a secret link, or to a POST (it may be a token) is not stored by
    browsers, unless its route says otherwise; a page that answers a form has its own address
    (:mod:`infra.web.answers`). Behind TLS, according to the public address or a trusted proxy, cookies are sent only
    over TLS. HEAD is answered like GET (RFC 9110, 9.3.2), without the body. A live stream does not end, so its HEAD is
    answered at once.
    """

    clock: Clock
    answers: Answers
    limits: RequestLimits
    behind_tls = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        if scope["method"] == "HEAD" and not scope["path"].endswith("/live"):
            scope = {**scope, "method": "GET"}  # a copy, so that the server still knows that it is HEAD
        scope = asked_for({**scope, "headers": bounded(scope["headers"])})
        number = new_id()
        began = perf_counter()

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                method, route, status = scope["method"], scope.get("path_template") or "none", message["status"]
                metrics.count_request(method, route, status, perf_counter() - began)
                await self.limits.hold(scope)
                span.describe(f"{method} {route}", http_route=route, http_status=status)
                headers = [*message["headers"], *ON_EVERY_ANSWER, (b"x-request-id", number.encode())]
                if _is_personal(scope) and not _is_shared(scope["path"], headers):
                    headers.append(PERSONAL)
                if self.behind_tls or scope["scheme"] == "https":
                    headers = [(name, _secured(value) if name == b"set-cookie" else value) for name, value in headers]
                    headers.append(BEHIND_TLS)
                message["headers"] = headers
            await send(message)

        watched = metrics.count_watcher() if scope["path"].endswith("/live") else nullcontext()
        with (
            telemetry.span("server", scope["method"]) as span,
            caused_by(number, number, span.traceparent),
            arriving(self._now()),
            watched,
        ):
            held = (
                AnswerToForm(self.answers, self, scope, with_headers).send if is_form_of_a_page(scope) else with_headers
            )
            await super().__call__(scope, receive, Compressed(held).send if takes_gzip(scope) else held)

    def _now(self) -> datetime | None:
        """The current time, or None if the clock is wrong: code that decides by it then answers 503, and the health
        routes say why."""
        try:
            return self.clock()
        except WrongClock:
            return None


def _is_personal(scope: Any) -> bool:
    if scope.get("user") is not None or scope["method"] not in SAFE:
        return True
    route = scope.get("route_handler")
    return route is not None and "by_link" in route.opt


def _is_shared(path: str, headers: list[tuple[bytes, bytes]]) -> bool:
    return path.startswith("/static/") or any(name == b"cache-control" for name, _ in headers)


def _secured(cookie: bytes) -> bytes:
    return cookie if b"; secure" in cookie.lower() else cookie + b"; Secure"


def create_app(resources: Resources, services: Iterable[Service], assets: Path, port: int | None = None) -> Litestar:
    """``assets`` holds the front-end libraries. Raise :class:`UnguardedRoute` if a route does not say who may call it."""
    services = list(services)
    answers = Answers(resources.database)
    observer = Observer(resources.database.pool, addresses(resources.config, "web")[1])

    @asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.push_async_callback(observer.close)
            await stack.enter_async_context(resources.live.running())
            await stack.enter_async_context(answers.pruned())
            for service in services:
                for start in service.lifespans:
                    await stack.enter_async_context(start())
            yield

    config = resources.config
    limits = RequestLimits(config.rate_limit)
    forms = Forms(secret(config.secrets_dir, "csrf"))

    def on_no_route(request: Request[Any, Any, Any], error: HTTPException) -> Response[Any]:
        """Without a route no middleware ran. So the caller, the language and the session are determined here, and the
        request is counted."""
        if "user" not in request.scope:
            request.scope["user"] = known(request.scope, resources.tokens, resources.clock)[0]
            if errors.wants_page(request):
                forms.begin(request)
        try:
            limits.count_stray(request.scope)
        except TooManyRequestsException as too_many:
            error = too_many
        else:
            if LONG_ADDRESS in request.scope:
                return errors.on_long_address(request, LongAddress())
        return errors.on_http_error(request, error)

    app = WebApp(
        route_handlers=[
            *health_routes(observer, config, process_name("web", port or config.port)),
            choose_language,
            create_static_files_router(
                "/static",
                directories=[PACKAGE / "static", *sorted(SERVICES.glob("*/static")), assets],
                cache_control=CacheControlHeader(max_age=STATIC_SECONDS),
                opt=dict(PUBLIC),
                include_in_schema=False,
                exception_handlers={
                    InternalServerException: errors.on_no_such_path,
                    ValueError: errors.on_no_such_path,
                },
            ),
            *(route for service in services for route in service.routes),
        ],
        request_class=ExactRequest,
        request_max_body_size=BODY_BYTES,
        middleware=[
            authentication(resources.tokens, resources.clock),
            limits.counted,
            in_the_readers_language,
            forms.of_the_session,
            whole_addresses,
            shown_from(answers),
            checked_access,
            known_parameters,
            answered_in_time,
            limits.in_turn,
        ],
        template_config=TemplateConfig(instance=engine(config, resources.clock, SERVICES)),
        openapi_config=OpenAPIConfig(
            title="Lonja",
            version="1",
            openapi_router=openapi.router(),
            render_plugins=[openapi.Rendered()],
            components=Components(security_schemes=openapi.SCHEMES),
        ),
        exception_handlers={
            RuleBroken: errors.on_rule_broken,
            OutOfBounds: errors.on_out_of_bounds,
            BeyondLast: on_beyond_last,
            Missing: errors.on_denied,
            NotAllowed: errors.on_denied,
            LongAddress: errors.on_long_address,
            NotFoundException: on_no_route,
            MethodNotAllowedException: on_no_route,
            HTTPException: errors.on_http_error,
            Exception: errors.on_crash,
        },
        lifespan=[lifespan],
        logging_config=None,  # see infra/logs.py
    )
    app.clock = resources.clock
    app.answers = answers
    app.limits = limits
    app.behind_tls = config.behind_tls
    for path, handler in guarded(app):
        if "access" not in handler.opt:
            raise UnguardedRoute(f"{path}: say opt=PUBLIC, MEMBERS or allow(role)")
    remember_parameters(app)
    return app


def routes(resources: Resources, *handlers: Any) -> Router:
    """Make a router of a service's controllers and functions. Each may take the resources as its argument ``resources``, and
    a member's request with its idempotency key as ``keyed``."""
    shared = {
        "resources": Provide(lambda: resources, sync_to_thread=False),
        "keyed": Provide(keyed),
    }
    return Router(path="", route_handlers=handlers, dependencies=shared)


def guarded(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """(path, handler) of every HTTP route of Lonja; Litestar's own OPTIONS answers and API documents are left out."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            written = isinstance(handler, HTTPRouteHandler) and handler.http_methods != {"OPTIONS"}
            if written and not route.path.startswith("/api/schema"):
                yield route.path, handler
