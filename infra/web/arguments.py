"""What routes take: the types of their arguments that are the same in every service, and the text in a request."""

from decimal import Decimal
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request
from litestar.di import NamedDependency
from litestar.params import HeaderParameter, PathParameter, QueryParameter
from msgspec import Meta

from events.bounds import Id, fitted
from events.limits import OutOfBounds, check_length, shown
from infra.listing import PAGES
from infra.service import Ground
from infra.texts import clean
from infra.tokens import Principal
from infra.web.forms import check_typed, said_of

T = TypeVar("T", bound=msgspec.Struct)
FromGround = NamedDependency[Ground]
"""The type of the argument ``ground`` (see :func:`infra.web.routes`)."""
IdempotencyKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        max_length=200,
        description="The same request under the same key takes effect once; another body under it is refused (idempotency-key-reused).",
    ),
]
"""Of its caller alone; "" where it gives none."""
MOST_CHOSEN = 1_000
"""Values of a form under one name."""
FieldNames = Annotated[list[Id], Meta(max_length=2_000)]
PathId = Annotated[
    str,
    PathParameter(
        max_length=400, pattern=r"^[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+$(?!\n)"
    ),
]
"""An id in a path, as long as a key of an event at most, and without characters that nobody can see. A person who mistypes one is told
as much as one who asks for what is not there."""
PathNumber = Annotated[int, PathParameter(ge=0, le=10**9)]
"""Which one of several, such as a delivery of a contract."""
Short = Annotated[str, QueryParameter(max_length=200)]
"""An id, a code or its beginning, a place, in the query."""
Several = Annotated[list[Id] | None, QueryParameter(max_items=200)]
"""A parameter that may come several times in the query."""
Region = Annotated[
    str, QueryParameter(max_length=200, description="A country or region by its code: BR, BR-SE; empty for all")
]
"""Whoever takes one reads it by :mod:`infra.web.filters`."""
CategoryCode = Annotated[
    str, QueryParameter(max_length=200, description="A CPV code, or its first two digits or more; empty for all")
]
"""As :data:`Region`."""
PageNumber = Annotated[
    int, QueryParameter(name="page", ge=1, le=PAGES, description="From 1; behind the last page the list is empty.")
]
"""Which page of a list, from 1. Behind the last page the list of the API is empty; of pages see :mod:`infra.web.leafing`."""
Words = Annotated[str, QueryParameter(max_length=300)]
"""What somebody searches for."""
NUMBER = r"^[0-9]{1,15}(\.[0-9]{1,8})?$"
"""A number in the query. The query knows no decimals with bounds: what fits this is one."""
Since = Annotated[int, QueryParameter(ge=-1, le=2**31 - 1)]
"""The last thing that a live page heard of."""
Visit = Request[Any, Any, Any]
"""Anybody's request: ``scope["user"]`` is the principal, or None."""
MemberVisit = Request[Principal, Any, Any]
"""The request of somebody who is logged in."""


def number_in(text: str | None) -> Decimal | None:
    """Of a parameter that fits :data:`NUMBER`."""
    return None if text is None else Decimal(text)


def clean_all(body: T) -> T:
    """A body of a request with every text in it as :func:`infra.texts.clean` makes it."""
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
    """The text fields of a form; of a name that comes several times, the last. What a field may hold is the affair of
    :func:`infra.web.forms.read_form` and :func:`infra.web.forms.text_in`, which say it beside the field: all texts together are no
    longer than a request. Characters that cannot be shown come as :data:`events.limits.REPLACEMENT`, which those two refuse, so that
    who pasted one sees where it is. Raises OutOfBounds for what no page of ours sends."""
    fields = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    fitted(fields.get("request_key", ""), Id)
    fitted(list(fields), FieldNames)
    return {name: shown(text) for name, text in fields.items()}


async def form_list(request: Visit, name: str, most: int = MOST_CHOSEN) -> tuple[list[str], dict[str, str]]:
    """(what a form has under a name that may come several times, {}), or (as many of it as may come, what is wrong beside the name)."""
    chosen = [shown(text) for text in (await request.form()).getall(name, []) if isinstance(text, str)]
    try:
        check_length("too-many", most, chosen, None)
        for text in chosen:
            check_typed(text, Id)
    except OutOfBounds as error:
        return chosen[:most], {name: said_of(error)}
    return chosen, {}
