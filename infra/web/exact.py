"""Reads JSON bodies exactly and within bounds: a number with a fraction is read by its digits, never through a float.
Values outside their bounds (:mod:`events.bounds`) and members that no route reads (:mod:`infra.web.members`) are
refused before the rules."""

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
"""The most fields of a form; the longest form of this site has about ten for each of a hundred lines. An error about a
list that is a little too long is shown beside its field."""
SHORT_FORM = 64 * 1024
"""A form with at most this many bytes is parsed on the event loop."""
MOST_PARTS = 10_000
"""The most lists and objects of a JSON body; the longest request has about thirty for each of two hundred lines. In
memory they take far more than their bytes in the body."""
MOST_VALUES = 60_000
"""The most values, including members and their names. Punctuation in texts is also counted: a megabyte of prose gives
half of this number."""
SHORT_JSON = 16 * 1024
"""A JSON body with at most this many bytes is decoded on the event loop."""
_arrived: ContextVar[datetime | None] = ContextVar("arrived", default=None)


def arrived() -> datetime | None:
    """The instant at which the current request arrived."""
    return _arrived.get()


@contextmanager
def arriving(at: datetime | None) -> Iterator[None]:
    token = _arrived.set(at)
    try:
        yield
    finally:
        _arrived.reset(token)


class ExactRequest(Request[Any, Any, Any]):
    """A request that decodes its body directly into the handler's type. Litestar would decode it first and convert it
    later, which would round money."""

    async def json(self) -> Any:
        """The body as its handler's type. Raise RequestEntityTooLarge, before decoding, if the body has too many
        parts; SerializationException if it is not JSON or is nested too deeply; and OutOfBounds. A long body is decoded
        outside the event loop."""
        state = ScopeState.from_scope(self.scope)
        if state.json is Empty:
            body = await self.body() or b"null"
            parts = body.count(b"[") + body.count(b"{")
            if parts > MOST_PARTS or parts + body.count(b",") + body.count(b":") > MOST_VALUES:
                raise RequestEntityTooLarge(
                    f"a body in JSON may have at most {MOST_PARTS:,} lists and objects and {MOST_VALUES:,} values"
                )
            data = self.route_handler.parsed_fn_signature.parameters.get("data")
            kind = data.annotation if data is not None else Any
            read = partial(_decoded, body, kind, arrived())
            state.json = await _beside(read) if len(body) > SHORT_JSON else read()
        return state.json

    async def form(self) -> FormMultiDict:
        """The form fields. Raise RequestEntityTooLarge, before parsing, if there are too many; a long form is parsed
        outside the event loop. Raise HTTPException (415) for multipart forms: no form here has files, and a part may
        name a character set whose decoding takes quadratic time."""
        state = ScopeState.from_scope(self.scope)
        if state.form is Empty:
            kind = self.content_type[0]
            if kind == RequestEncodingType.MULTI_PART:
                raise HTTPException("forms come here as application/x-www-form-urlencoded", status_code=415)
            state.form = await _fields(await self.body()) if kind == RequestEncodingType.URL_ENCODED else {}
        return FormMultiDict.from_form_data(state.form)


_ONE = ThreadPoolExecutor(1, "long bodies")
"""Long bodies are decoded one at a time, because each takes half of the interpreter's time from the event loop."""


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
    """Parse the form. Litestar's own function would cache the last thousand bodies, including passwords."""
    if body.count(b"&") >= MOST_FIELDS:
        raise RequestEntityTooLarge(f"a form may have at most {MOST_FIELDS} fields")
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
