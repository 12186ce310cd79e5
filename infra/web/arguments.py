"""Types of route arguments that are the same in every service, and functions for the texts in a request."""

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
from infra.service import Resources
from infra.texts import clean
from infra.tokens import Principal
from infra.web.forms import bound_text, check_typed

T = TypeVar("T", bound=msgspec.Struct)
FromResources = NamedDependency[Resources]
"""The type of the argument ``resources`` (see :func:`infra.web.routes`)."""
IdempotencyKey = Annotated[
    str,
    HeaderParameter(
        name="Idempotency-Key",
        max_length=200,
        description="The same request under the same key takes effect once; another body under it is refused (idempotency-key-reused).",
    ),
]
"""The request key, which belongs to its caller; "" if there is none."""
MOST_CHOSEN = 1_000
"""The most values of a form field with one name."""
FieldNames = Annotated[list[Id], Meta(max_length=2_000)]
PathId = Annotated[
    str,
    PathParameter(
        max_length=400, pattern=r"^[^\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]+$(?!\n)"
    ),
]
"""An id in a path: at most as long as a key of an event, and without invisible characters. A mistyped id is answered
like one that does not exist."""
PathNumber = Annotated[int, PathParameter(ge=0, le=10**9)]
"""The number of one of several things, such as a delivery of a contract."""
Short = Annotated[str, QueryParameter(max_length=200)]
"""An id, a code or its beginning, or a place, in the query."""
Several = Annotated[list[Id] | None, QueryParameter(max_items=200)]
"""A parameter that may occur several times in the query."""
Region = Annotated[
    str, QueryParameter(max_length=200, description="A country or region by its code: BR, BR-SE; empty for all")
]
"""A region or country as a filter. It is read with :mod:`infra.web.filters`."""
CategoryCode = Annotated[
    str, QueryParameter(max_length=200, description="A CPV code, or its first two digits or more; empty for all")
]
"""A category as a filter, read in the same way as :data:`Region`."""
PageNumber = Annotated[
    int, QueryParameter(name="page", ge=1, le=PAGES, description="From 1; behind the last page the list is empty.")
]
"""The number of a page of a list, from 1. After the last page the API returns an empty list; for pages see
:mod:`infra.web.leafing`."""
Words = Annotated[str, QueryParameter(max_length=300)]
"""A search text."""
NUMBER = r"^[0-9]{1,15}(\.[0-9]{1,8})?$"
"""A decimal number in the query, as a text: the framework has no bounded decimals in queries."""
Since = Annotated[int, QueryParameter(ge=-1, le=2**31 - 1)]
"""The number of the last thing that a live page received."""
Visit = Request[Any, Any, Any]
"""A request of any caller: ``scope["user"]`` is the principal, or None."""
MemberVisit = Request[Principal, Any, Any]
"""The request of a logged-in member."""


def number_in(text: str | None) -> Decimal | None:
    """The number in a parameter that fits :data:`NUMBER`."""
    return None if text is None else Decimal(text)


def clean_all(body: T) -> T:
    """The body of a request with :func:`infra.texts.clean` applied to every text."""
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
    """The text fields of a form; of several values with one name, the last. The content of fields is checked by
    :func:`infra.web.forms.read_form` and :func:`infra.web.forms.text_in`, which show errors beside the field.
    Characters that cannot be shown become :data:`events.limits.REPLACEMENT`, which these two refuse, so that the person
    who pasted one sees where it is. Raise OutOfBounds for fields that no page of this site sends."""
    fields = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    fitted(fields.get("request_key", ""), Id)
    fitted(list(fields), FieldNames)
    return {name: shown(text) for name, text in fields.items()}


async def form_list(request: Visit, name: str, most: int = MOST_CHOSEN) -> tuple[list[str], dict[str, str]]:
    """(the values of a name that may occur several times, {}), or (as many of them as are allowed, {the name: what is
    wrong})."""
    chosen = [shown(text) for text in (await request.form()).getall(name, []) if isinstance(text, str)]
    try:
        check_length("too-many", most, chosen, None)
        for text in chosen:
            check_typed(text, Id)
    except OutOfBounds as error:
        return chosen[:most], {name: bound_text(error)}
    return chosen, {}
