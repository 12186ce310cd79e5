"""Completes the OpenAPI document: the form of refusals, the routes that need a token, and that bodies have only the
named members."""

import asyncio
from collections.abc import Iterable
from typing import Any

from litestar import Litestar, Request, Router
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    PathItem,
    Reference,
    RequestBody,
    Schema,
    SecurityScheme,
)
from litestar.routes import HTTPRoute

from infra.web.errors import PROBLEM

BEARER = "bearer"
SCHEMES: dict[str, SecurityScheme | Reference] = {
    BEARER: SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
}
REFUSAL = OpenAPIResponse(
    description="Refused, or failed: a problem (RFC 9457). A broken rule is named by `rule`, with the numbers compared.",
    content={
        PROBLEM: OpenAPIMediaType(
            schema=Schema(
                title="Problem",
                type=OpenAPIType.OBJECT,
                properties={
                    "type": Schema(type=OpenAPIType.STRING),
                    "title": Schema(type=OpenAPIType.STRING),
                    "status": Schema(type=OpenAPIType.INTEGER),
                    "detail": Schema(type=OpenAPIType.STRING),
                    "rule": Schema(type=OpenAPIType.STRING),
                },
                required=["type", "title", "status", "detail"],
            )
        )
    },
)


class Rendered(JsonRenderPlugin):
    """Only the document in JSON, made once for all readers. YAML would block the process for half a second, and pages
    that show the document load scripts from other sites, which this site forbids."""

    def __init__(self) -> None:
        super().__init__()
        self._written: bytes | None = None

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if self._written is None:
            self._written = super().render(request, openapi_schema)
        return self._written


def router() -> Router:
    """The router of the document, which is made at the first request and outside the event loop, so that neither the
    start nor bids wait for it."""
    made = asyncio.Lock()

    async def make(request: Request[Any, Any, Any]) -> None:
        async with made:
            await asyncio.to_thread(describe, request.app)

    return Router("/api/schema", route_handlers=[], include_in_schema=False, before_request=make)


def describe(app: Litestar) -> None:
    """Complete the document. Litestar itself would describe only the error 400 for every route, in a form that Lonja
    does not use."""
    document = app.openapi_schema
    assert document.components is not None
    if document.components.responses:
        return  # it is already complete
    paths = document.paths or {}
    for path in paths.values():
        for operation in operations(path).values():
            answers = {status: said for status, said in (operation.responses or {}).items() if status < "300"}
            operation.responses = {**answers, "default": Reference(ref="#/components/responses/Problem")}
    for route in app.routes:
        if not isinstance(route, HTTPRoute) or route.path_format not in paths:
            continue
        there = operations(paths[route.path_format])
        for handler in route.route_handlers:
            for method in handler.http_methods & there.keys():
                if handler.opt.get("access") != "public":
                    there[method].security = [{BEARER: []}]
    sent = [
        each.schema
        for path in paths.values()
        for operation in operations(path).values()
        if isinstance(operation.request_body, RequestBody)
        for each in operation.request_body.content.values()
    ]
    _close(sent, document.components.schemas)
    document.components.responses = {"Problem": REFUSAL}


def _close(sent: Iterable[Schema | Reference | None], named: dict[str, Schema]) -> None:
    """State for each object in bodies that it takes no other members (:mod:`infra.web.members`)."""
    left, seen = list(sent), set[str]()
    while left:
        schema = left.pop()
        if isinstance(schema, Reference):
            name = schema.ref.rpartition("/")[2]
            if name in seen:
                continue
            seen.add(name)
            schema = named[name]
        if not isinstance(schema, Schema):
            continue
        if schema.properties:
            schema.additional_properties = False
        further = (schema.items, schema.additional_properties, *(schema.one_of or ()), *(schema.any_of or ()))
        left += [
            each for each in (*(schema.properties or {}).values(), *further) if isinstance(each, Schema | Reference)
        ]


def operations(path: PathItem) -> dict[str, Operation]:
    """The operations of a path, by method in capitals."""
    found = {"GET": path.get, "POST": path.post, "PUT": path.put, "PATCH": path.patch, "DELETE": path.delete}
    return {method: operation for method, operation in found.items() if operation is not None}
