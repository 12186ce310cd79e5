"""JSON bodies as they were written, and in bounds: a number with a fraction is read by its digits, never by way of a float, and
what no rule of the market could mean is refused before a rule sees it (:mod:`events.bounds`)."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import SerializationException

from events.bounds import fitted

_numbers = msgspec.json.Decoder(float_hook=Decimal)
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
