"""Lists that people leaf through by number: a page behind the last is none, so whoever asks for it is led to the last.

A list becomes shorter between two clicks, and a number in an address can be typed. An empty page would lead to the page before it,
which is empty, too. The API answers with an empty list instead: a program reads on until there is nothing.
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
    """``parameter`` of the address asks for a page behind the ``last``."""

    def __init__(self, last: int, parameter: str) -> None:
        super().__init__(f"{parameter} is {last} at most")
        self.last = last
        self.parameter = parameter


def leafed(request: Request[Any, Any, Any], number: int, last: int, parameter: str = "page") -> int:
    """The page to show where ``number`` was asked for. A form that was refused is shown again with the last page in the place of one
    behind it: what was typed would be lost on the way. Raises BeyondLast for everybody else."""
    if number <= last:
        return number
    if request.method == "GET":
        raise BeyondLast(last, parameter)
    return last


async def leaf(
    request: Request[Any, Any, Any], number: int, per_page: int, read: Callable[[int], Awaitable[L]]
) -> tuple[L, int, int]:
    """(the page that is shown of a list, its number, the last there is). ``read`` gives the page of a number. As :func:`leafed`."""
    found = await read(number)
    last = found.pages(per_page)
    shown = leafed(request, number, last)
    return found if shown == number else await read(shown), shown, last


def on_beyond_last(request: Request[Any, Any, Any], error: BeyondLast) -> Redirect:
    """To the last page (303), with all else that the address says; a notice waits for the page."""
    asked = parse_qsl(request.url.query, keep_blank_values=True)
    query = [(name, value) for name, value in asked if name not in (error.parameter, PARAMETER)]
    query.append((error.parameter, str(error.last)))
    if ASKED in request.scope:
        query.append((PARAMETER, request.scope[ASKED]))  # type: ignore[literal-required]
    return Redirect(f"/{quote(request.url.path.lstrip('/'))}?{urlencode(query)}", status_code=303)
