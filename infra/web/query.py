"""The API takes the parameters that its routes know, once each: a misspelt filter is told by its name, instead of answering everything.

Pages pass over what they do not know: links from letters and elsewhere carry marks of their own, such as ``utm_source``.
"""

from collections.abc import Collection
from typing import Any

from litestar import Litestar, Request
from litestar.datastructures import MultiDict
from litestar.enums import ScopeType
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from events.limits import OutOfBounds
from infra.web.exact import ExactRequest

API = ("/api/", "/ocds")
_KNOWN, _LISTS = "query_parameters", "query_lists"
"""Of a route: the names of its parameters by those of its arguments."""
_SHOWN = 100
"""Characters of a name that are said again."""


def remember_parameters(app: Litestar) -> None:
    """Note at each route which parameters it takes, those of what it depends on among them, and whether several times."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, arguments in route.route_handler_map.values():
                asked = arguments.expected_query_params
                handler.opt[_KNOWN] = {each.field_name: each.field_alias for each in asked}
                handler.opt[_LISTS] = frozenset(each.field_alias for each in asked if each.is_sequence)


def as_asked(request: Request[Any, Any, Any], argument: str) -> str:
    """The name that a parameter has in the address; what is none in the query keeps its own."""
    known: dict[str, str] = request.route_handler.opt.get(_KNOWN, {})
    return known.get(argument, argument)


def known_parameters(app: ASGIApp) -> ASGIApp:
    """Middleware, after the check of access. Raises OutOfBounds."""

    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope["query_string"] and scope["path"].startswith(API):
            options = scope["route_handler"].opt
            if _KNOWN in options:
                _check(ExactRequest(scope).query_params, options[_KNOWN].values(), options[_LISTS])
        await app(scope, receive, send)

    return check


def _check(given: MultiDict[Any], known: Collection[str], lists: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise OutOfBounds("unknown-parameter", name[:_SHOWN])
        if len(given.getall(name)) > 1 and name not in lists:
            raise OutOfBounds("twice", name)
