"""The API takes the parameters that its routes know, once each: a misspelt filter is told by its name, instead of answering everything.
What a route cannot do without is told by its name as well, by the API and by pages.

Pages pass over what they do not know: links from letters and elsewhere carry marks of their own, such as ``utm_source``.

An address that was too long has come without its query: what it asks for is not to be done.

A whole number, in a path or a query, is written in one way: as what it addresses has one address, ``01`` and ``+1`` are not ``1``.
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
"""Of a route: the names of its parameters by those of its arguments; of those the ones that may come several times, that must come, and
that are whole numbers."""
_NUMBER = re.compile(r"0|-?[1-9][0-9]*")
_SHOWN = 100
"""Characters of a name that are said again."""


class LongAddress(HTTPException):
    status_code = 414
    detail = f"the address of a request has {TARGET_BYTES:,} bytes at most, and its query {PARAMETERS} parameters"


def whole_addresses(app: ASGIApp) -> ASGIApp:
    """Middleware, after whatever says who asks. Raises LongAddress."""

    async def check(scope: Scope, receive: Receive, send: Send) -> None:
        if LONG_ADDRESS in scope:
            raise LongAddress
        await app(scope, receive, send)

    return check


def remember_parameters(app: Litestar) -> None:
    """Note at each route which parameters it takes, those of what it depends on among them, and which of them it takes several times,
    cannot do without, and takes as numbers."""
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
    """Its arguments, and those of what it depends on, that are whole numbers."""
    models = [handler.signature_model, *(each.signature_model for each in handler.resolve_dependencies().values())]
    kinds = {name: field.annotation for model in models for name, field in model._fields.items()}
    return {name for name, kind in kinds.items() if kind in (int, int | None)}


def as_asked(request: Request[Any, Any, Any], argument: str) -> str:
    """The name that a parameter has in the address; what is none in the query keeps its own."""
    known: dict[str, str] = request.route_handler.opt.get(_KNOWN, {})
    return known.get(argument, argument)


def known_parameters(app: ASGIApp) -> ASGIApp:
    """Middleware, after the check of access. Raises OutOfBounds, and NotFoundException for a path with a number that is not written as
    our links write it."""

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
    """Each number that the route took from the path stands there as it would be written."""
    taken = {f"{{{name}}}": str(value) for name, value in scope["path_params"].items() if isinstance(value, int)}
    if taken:
        for place, text in zip(scope["path_template"].split("/"), scope["path"].split("/"), strict=False):
            if taken.get(place, text) != text:
                raise NotFoundException


def _check_numbers(given: MultiDict[Any], numbers: Collection[str]) -> None:
    """What has no digit is no number at all, as its type says."""
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
