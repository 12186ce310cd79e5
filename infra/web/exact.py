"""JSON bodies as they were written: a number with a fraction is read by its digits, never by way of a float."""

from decimal import Decimal
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import SerializationException

_numbers = msgspec.json.Decoder(float_hook=Decimal)


class ExactRequest(Request[Any, Any, Any]):
    """Litestar decodes a body first and then fits it to the handler's type: money would be rounded on the way."""

    async def json(self) -> Any:
        try:
            return _numbers.decode(await self.body() or b"null")
        except msgspec.DecodeError as error:
            raise SerializationException(str(error)) from error
        except RecursionError as error:
            raise SerializationException("the JSON is nested too deeply") from error
