"""What routes take: the types of their arguments that are the same in every service, and the text in a request."""

from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import HeaderParameter

from infra.service import Ground
from infra.tokens import Principal

T = TypeVar("T", bound=msgspec.Struct)
FromGround = NamedDependency[Ground]
"""The type of the argument ``ground`` (see :func:`infra.web.routes`)."""
IdempotencyKey = Annotated[str, HeaderParameter(name="Idempotency-Key", max_length=200)]
"""A request with the same key again is the same request; "" where the caller gives none."""
Visit = Request[Any, Any, Any]
"""Anybody's request: ``scope["user"]`` is the principal, or None."""
MemberVisit = Request[Principal, Any, Any]
"""The request of somebody who is logged in."""


def clean(text: str) -> str:
    """PostgreSQL's text holds no NUL."""
    return text.replace("\x00", "").strip()


def clean_all(body: T) -> T:
    """A body of a request with every text in it as :func:`clean` makes it."""
    return msgspec.convert(_cleaned(msgspec.to_builtins(body)), type(body))


def _cleaned(value: Any) -> Any:
    match value:
        case str():
            return clean(value)
        case dict():
            return {clean(name): _cleaned(each) for name, each in value.items()}
        case list() | tuple():
            return [_cleaned(each) for each in value]
    return value


async def form_fields(request: Visit) -> dict[str, str]:
    """The text fields of a form, without NUL; of a name that comes several times, the last."""
    return {name: value.replace("\x00", "") for name, value in (await request.form()).items() if isinstance(value, str)}
