"""JSON bodies as they were written, and in bounds: a number with a fraction is read by its digits, never by way of a float, and
what no rule of the market could mean is refused before a rule sees it (:mod:`events.bounds`)."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from decimal import Decimal
from typing import Any
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

_numbers = msgspec.json.Decoder(float_hook=Decimal)
MOST_FIELDS = 4_000
"""Of a form; the longest of ours has some ten for each of a hundred lines. A list that is somewhat too long is told beside its field."""
SHORT_FORM = 64 * 1024
"""Bytes of one that is parsed at once."""
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
        """The body as its handler's type. Raises SerializationException for what is no JSON, or nested beyond reason, and
        OutOfBounds."""
        try:
            found = _numbers.decode(await self.body() or b"null")
        except RecursionError as error:
            raise SerializationException("the JSON is nested too deeply") from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise SerializationException(str(error)) from error
        data = self.route_handler.parsed_fn_signature.parameters.get("data")
        return fitted(found, data.annotation, arrived()) if data is not None else found

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


_ONE = ThreadPoolExecutor(1, "long forms")
"""One at a time: each takes the interpreter from the event loop half of the time."""


async def _fields(body: bytes) -> dict[str, Any]:
    """Litestar's own remembers the last thousand bodies, passwords among them."""
    if body.count(b"&") >= MOST_FIELDS:
        raise RequestEntityTooLarge(f"a form has {MOST_FIELDS} fields at most")
    long = len(body) > SHORT_FORM
    pairs = await asyncio.get_running_loop().run_in_executor(_ONE, _pairs, body) if long else _pairs(body)
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
