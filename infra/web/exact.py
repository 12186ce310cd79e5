"""JSON bodies as they were written, and in bounds: a number with a fraction is read by its digits, never by way of a float, and
what no rule of the market could mean is refused before a rule sees it (:mod:`events.bounds`), as is a member that nobody would read
(:mod:`infra.web.members`)."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from litestar import Request
from litestar.datastructures import FormMultiDict
from litestar.enums import RequestEncodingType
from litestar.exceptions import HTTPException, SerializationException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge
from litestar.types import Empty
from litestar.utils.scope.state import ScopeState

from events.bounds import fitted
from infra.web.members import members_of

T = TypeVar("T")
_numbers = msgspec.json.Decoder(float_hook=Decimal)
MOST_FIELDS = 4_000
"""Of a form; the longest of ours has some ten for each of a hundred lines. A list that is somewhat too long is told beside its field."""
SHORT_FORM = 64 * 1024
"""Bytes of one that is parsed at once."""
MOST_PARTS = 10_000
"""Lists and objects of a body in JSON; the longest of ours has some thirty for each of two hundred lines. They cost far more than the
bytes they are written with."""
MOST_VALUES = 60_000
"""As well, with their members and the names of these. Marks within texts count as well: a megabyte of prose has half as many."""
SHORT_JSON = 16 * 1024
"""Bytes of one that is decoded at once."""
_arrived: ContextVar[datetime | None] = ContextVar("arrived", default=None)


def arrived() -> datetime | None:
    """When the request came that is being answered."""
    return _arrived.get()


@contextmanager
def arriving(at: datetime | None) -> Iterator[None]:
    token = _arrived.set(at)
    try:
        yield
    finally:
        _arrived.reset(token)


class ExactRequest(Request[Any, Any, Any]):
    """Litestar decodes a body first and then fits it to the handler's type: money would be rounded on the way."""

    async def json(self) -> Any:
        """The body as its handler's type. Raises RequestEntityTooLarge for more parts than any body of ours has, before they are decoded,
        SerializationException for what is no JSON, or nested beyond reason, and OutOfBounds. A long body is decoded beside the event
        loop."""
        state = ScopeState.from_scope(self.scope)
        if state.json is Empty:
            body = await self.body() or b"null"
            parts = body.count(b"[") + body.count(b"{")
            if parts > MOST_PARTS or parts + body.count(b",") + body.count(b":") > MOST_VALUES:
                raise RequestEntityTooLarge(
                    f"a body in JSON has {MOST_PARTS:,} lists and objects and {MOST_VALUES:,} values at most"
                )
            data = self.route_handler.parsed_fn_signature.parameters.get("data")
            kind = data.annotation if data is not None else Any
            read = partial(_decoded, body, kind, arrived())
            state.json = await _beside(read) if len(body) > SHORT_JSON else read()
        return state.json

    async def form(self) -> FormMultiDict:
        """Raises RequestEntityTooLarge for more fields than any page of ours has, before they are parsed; a long form is parsed beside
        the event loop. Raises HTTPException (415) for what comes in parts: no form here has files, and a part may name a character set
        that takes the square of its length."""
        state = ScopeState.from_scope(self.scope)
        if state.form is Empty:
            kind = self.content_type[0]
            if kind == RequestEncodingType.MULTI_PART:
                raise HTTPException("forms come here as application/x-www-form-urlencoded", status_code=415)
            state.form = await _fields(await self.body()) if kind == RequestEncodingType.URL_ENCODED else {}
        return FormMultiDict.from_form_data(state.form)


_ONE = ThreadPoolExecutor(1, "long bodies")
"""One at a time: each takes the interpreter from the event loop half of the time."""


async def _beside(act: Callable[[], T]) -> T:
    return await asyncio.get_running_loop().run_in_executor(_ONE, copy_context().run, act)


def _decoded(body: bytes, kind: Any, now: datetime | None) -> Any:
    try:
        found = _numbers.decode(body)
    except RecursionError as error:
        raise SerializationException("the JSON is nested too deeply") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SerializationException(str(error)) from error
    if kind is Any:
        return found
    if (walk := members_of(kind)) is not None:
        walk(found, now)
    return fitted(found, kind, now)


async def _fields(body: bytes) -> dict[str, Any]:
    """Litestar's own remembers the last thousand bodies, passwords among them."""
    if body.count(b"&") >= MOST_FIELDS:
        raise RequestEntityTooLarge(f"a form has {MOST_FIELDS} fields at most")
    pairs = await _beside(partial(_pairs, body)) if len(body) > SHORT_FORM else _pairs(body)
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


def _pairs(body: bytes) -> list[tuple[str, str]]:
    return parse_qsl(body.decode("latin-1"), keep_blank_values=True)
