"""Checks query parameters. The API accepts only parameters that its routes know, each once: a misspelt filter is
reported by name instead of being ignored. A missing required parameter is also reported by name, by the API and by
pages.

Pages ignore unknown parameters, because links from elsewhere may have additional ones, such as ``utm_source``.

A request whose address was too long arrives without its query and must not be carried out.

A whole number in a path or a query must be written in one way, so that each thing has one address: ``01`` and ``+1``
are not accepted as ``1``.
"""

import re
from collections.abc import Collection
from typing import Any

from litestar import Litestar, Request
from litestar.datastructures import MultiDict
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException, NotFoundException
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import ASGIApp, Receive, Scope, Send

from events.limits import OutOfBounds
from infra.web.exact import ExactRequest
from infra.web.wire import LONG_ADDRESS, PARAMETERS, TARGET_BYTES

API = ("/api/", "/ocds")
_KNOWN, _LISTS, _REQUIRED, _NUMBERS = "query_parameters", "query_lists", "query_required", "query_numbers"
"""The parameters of a route: their names by the names of the arguments, and those that may be repeated, that are
required, and that are whole numbers."""
_NUMBER = re.compile(r"0|-?[1-9][0-9]*")
_SHOWN = 100
"""The most characters of a name that a message repeats."""


class LongAddress(HTTPException):
    status_code = 414
    detail = f"the address of a request may have at most {TARGET_BYTES:,} bytes, and its query at most {PARAMETERS} parameters"


def whole_addresses(app: ASGIApp) -> ASGIApp:
    """Middleware, after those that determine the caller. Raise LongAddress."""

    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        if LONG_ADDRESS in scope:
            raise LongAddress
        await app(scope, receive, send)

    return check


def remember_parameters(app: Litestar) -> None:
    """Store at each route its parameters, including those of its dependencies, and which of them may be repeated, are
    required, and are numbers."""
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler, arguments in route.route_handler_map.values():
                asked = arguments.expected_query_params
                handler.opt[_KNOWN] = {each.field_name: each.field_alias for each in asked}
                handler.opt[_LISTS] = frozenset(each.field_alias for each in asked if each.is_sequence)
                handler.opt[_REQUIRED] = tuple(each.field_alias for each in asked if each.is_required)
                numbers = _numbers(handler)
                handler.opt[_NUMBERS] = frozenset(each.field_alias for each in asked if each.field_name in numbers)


def _numbers(handler: HTTPRouteHandler) -> set[str]:
    """The arguments of a handler and of its dependencies that are whole numbers."""
    models = [handler.signature_model, *(each.signature_model for each in handler.resolve_dependencies().values())]
    kinds = {name: field.annotation for model in models for name, field in model._fields.items()}
    return {name for name, kind in kinds.items() if kind in (int, int | None)}


def as_asked(request: Request[Any, Any, Any], argument: str) -> str:
    """The name of a parameter in the address; an argument that is not in the query keeps its own name."""
    known: dict[str, str] = request.route_handler.opt.get(_KNOWN, {})
    return known.get(argument, argument)


def known_parameters(app: ASGIApp) -> ASGIApp:
    """Middleware, after the check of access. Raise OutOfBounds, and NotFoundException for a path with a number in
    another form than in our links."""

    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and _KNOWN in (options := scope["route_handler"].opt):
            _check_path(scope)
            if scope["query_string"] or options[_REQUIRED]:
                given = ExactRequest(scope).query_params
                if scope["path"].startswith(API):
                    _check(given, options[_KNOWN].values(), options[_LISTS])
                _check_required(given, options[_REQUIRED])
                _check_numbers(given, options[_NUMBERS])
        await app(scope, receive, send)

    return check


def _check_path(scope: Any) -> None:
    """Check that each number in the path is in the standard form."""
    taken = {f"{{{name}}}": str(value) for name, value in scope["path_params"].items() if isinstance(value, int)}
    if taken:
        for place, text in zip(scope["path_template"].split("/"), scope["path"].split("/"), strict=False):
            if taken.get(place, text) != text:
                raise NotFoundException


def _check_numbers(given: MultiDict[Any], numbers: Collection[str]) -> None:
    """Check the form of numbers in the query. A text without digits is not a number, which the check of its type
    reports."""
    for name in numbers:
        for text in given.getall(name, []):
            if not _NUMBER.fullmatch(text) and any(map(str.isdigit, text)):
                raise OutOfBounds("not-as-written", name)


def _check(given: MultiDict[Any], known: Collection[str], lists: Collection[str]) -> None:
    for name in given:
        if name not in known:
            raise OutOfBounds("unknown-parameter", name[:_SHOWN])
        if len(given.getall(name)) > 1 and name not in lists:
            raise OutOfBounds("twice", name)


def _check_required(given: MultiDict[Any], required: Collection[str]) -> None:
    for name in required:
        if not given.get(name):
            raise OutOfBounds("missing", name)
