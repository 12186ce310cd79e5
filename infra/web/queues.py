"""Lists with a form for each item, such as the items that a moderator decides (``queues.html`` has their parts)."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from litestar.response import Redirect, Template

from catalogue.rules import RuleBroken
from infra.database import Transaction
from infra.listing import Listed
from infra.service import Resources
from infra.web.arguments import MemberVisit, form_fields
from infra.web.forms import BLANK, Filled, errors_of_refusal
from infra.web.gone import refusal_of_state
from infra.web.leafing import leaf
from infra.web.pages import form_page, redirect

T = TypeVar("T")
Values = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue(Generic[T]):
    """A list with a form for each item. ``address`` is the path of the list. ``read`` returns a page by its number, and
    ``shown`` the other values that the template needs for its rows."""

    service: str
    address: str
    template: str
    per_page: int
    read: Callable[[Resources, MemberVisit, int], Awaitable[Listed[T]]]
    shown: Callable[[Resources, MemberVisit, Sequence[T]], Awaitable[Mapping[str, Any]]]

    async def page(
        self, resources: Resources, request: MemberVisit, number: int, at_fault: str = "", filled: Filled = BLANK
    ) -> Template:
        """The page of that ``number``. ``at_fault`` is the item whose form was ``filled`` in and refused."""
        found, number, pages = await leaf(
            request, number, self.per_page, lambda each: self.read(resources, request, each)
        )
        shown = await self.shown(resources, request, found.rows)
        return form_page(request, self.template, filled, number=number, pages=pages, at_fault=at_fault, **shown)

    async def act(
        self,
        resources: Resources,
        request: MemberVisit,
        number: int,
        item: str,
        act: Callable[[Values], Awaitable[str]],
        *,
        check: Callable[[Values], Mapping[str, str]],
        tried: Callable[[Transaction], Awaitable[object]],
    ) -> Template | Redirect:
        """Handle the form of an ``item``. ``check`` returns the errors of the form's fields. ``act`` does what the form says
        and returns the notice for the reader, or raises RuleBroken. ``tried`` does the same with valid fields (see
        :mod:`infra.web.gone`). A refused form is shown again on the page of that ``number``."""
        values = await form_fields(request)
        errors, instead = check(values), ""
        if errors:
            instead = await refusal_of_state(resources.database, self.service, tried)
        else:
            try:
                return redirect(self.address, await act(values))
            except RuleBroken as broken:
                errors = errors_of_refusal(broken, values)
        return await self.page(resources, request, number, item, Filled(values, errors, instead))
