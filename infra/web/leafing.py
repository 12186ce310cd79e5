"""Lists with numbered pages: a request for a page after the last one is redirected to the last.

A list may become shorter between two clicks, and a number in an address can be typed. An empty page would link to the
page before it, which may be empty, too. The API answers with an empty list instead, because a program reads on until
nothing comes.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import parse_qsl, quote, urlencode

from litestar import Request
from litestar.response import Redirect

from infra.listing import Listed
from infra.web.answers import ASKED, PARAMETER

L = TypeVar("L", bound=Listed[Any])


class BeyondLast(Exception):
    """The ``parameter`` of the address asks for a page after the ``last``."""

    def __init__(self, last: int, parameter: str) -> None:
        super().__init__(f"{parameter} may be at most {last}")
        self.last = last
        self.parameter = parameter


def leafed(request: Request[Any, Any, Any], number: int, last: int, parameter: str = "page") -> int:
    """The number of the page to show if ``number`` was asked for. If a refused form is shown again, a number after the
    last page becomes the last page, because a redirect would lose what was typed. Else such a number raises
    BeyondLast."""
    if number <= last:
        return number
    if request.method == "GET":
        raise BeyondLast(last, parameter)
    return last


async def leaf(
    request: Request[Any, Any, Any], number: int, per_page: int, read: Callable[[int], Awaitable[L]]
) -> tuple[L, int, int]:
    """(the page of a list, its number, the number of the last page). ``read`` returns the page with a number. Raise as
    :func:`leafed`."""
    found = await read(number)
    last = found.pages(per_page)
    shown = leafed(request, number, last)
    return found if shown == number else await read(shown), shown, last


def on_beyond_last(request: Request[Any, Any, Any], error: BeyondLast) -> Redirect:
    """Redirect to the last page (303), with all other parameters of the address; a notice is kept for that page."""
    asked = parse_qsl(request.url.query, keep_blank_values=True)
    query = [(name, value) for name, value in asked if name not in (error.parameter, PARAMETER)]
    query.append((error.parameter, str(error.last)))
    if ASKED in request.scope:
        query.append((PARAMETER, request.scope[ASKED]))  # type: ignore[literal-required]
    return Redirect(f"/{quote(request.url.path.lstrip('/'))}?{urlencode(query)}", status_code=303)
