"""Answers to a form of an old page that is sent after its act was done or became impossible: the page that answers does
not have the form any more. A form that the page still has is not over, whatever its errors are (:func:`still_there`).

Errors of its fields would be shown beside nothing, or not at all. The layout passes every page that answers a form to
:func:`with_errors_at_head`, which shows the present state at its head. :func:`refusal_of_state` finds the message."""

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from html import unescape
from typing import Any, TypeVar

import msgspec
from jinja2 import pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape
from msgspec import inspect

from catalogue.rules import RuleBroken
from infra.database import Database, Transaction
from infra.denied import Missing
from infra.web.exact import arrived
from infra.web.forms import Ruled, read_form, ruled, takes
from infra.web.languages import gettext

START, END = "<!--wrong-->", "<!--/wrong-->"
"""Around what ``summary`` of forms.html says. What a person wrote is escaped: it holds no such mark."""
WORDS = "–"
"""In place of a text that does not fit."""
_SAID = re.compile(r"<(p|div)\b[^>]*\berror\b[^>]*>(.*?)</\1>", re.DOTALL)
_GOAL = re.compile(r"""<form\b[^>]*\baction="([^"]*)\"""")
T = TypeVar("T", bound=msgspec.Struct)


class _Tried(Exception):
    """Raised to roll back a transaction."""


async def refusal_of_state(
    database: Database, service: str, act: Callable[[Transaction], Awaitable[object]], currency: str = ""
) -> str:
    """The rule that forbids an act, "" if none does. The act is tried with fitting fields (see :func:`fitting`) in
    place of wrong ones, and is rolled back. The answer is for a page without the form: if the form is there, its fields
    are at fault."""
    try:
        async with database.transaction(service) as tx:
            await act(tx)
            raise _Tried
    except (_Tried, Missing):
        return ""
    except RuleBroken as broken:
        return ruled(broken, currency)


def fitting(fields: Mapping[str, str], shape: type[T]) -> T | None:
    """The form with a value of the right type in each field that is blank or wrong; None if that is not enough."""
    form, errors = read_form(fields, shape)
    if form is not None:
        return form
    return read_form({**fields, **fitting_texts(errors, shape)}, shape)[0]


def fitting_texts(names: Iterable[str], shape: type[msgspec.Struct]) -> dict[str, str]:
    """A value for each of these fields, as a person would type it."""
    kinds = {each.name: takes(each.type).type for each in msgspec.structs.fields(shape)}
    return {name: _something(kinds[name]) for name in names}


def _something(kind: inspect.Type) -> str:
    match kind:
        case inspect.DateType():
            return f"{now + timedelta(days=1):%Y-%m-%d}" if (now := arrived()) else WORDS
        case inspect.LiteralType(values=values):
            return str(values[0])
        case inspect.IntType() | inspect.DecimalType():
            return "1"
    return WORDS


@pass_context
def with_errors_at_head(context: Context, main: Markup) -> Markup:
    """The main part of a page, with the errors at its head; links lead only to fields that it has. If it shows no error
    at all and its form is gone, the head has ``instead`` of the page, or says that the page has changed."""
    errors: Mapping[str, str] = context.get("errors") or {}
    if not errors or not context.get("answers_a_form"):
        return main
    shown = str(main)
    said = " ".join(match[2] for match in _SAID.finditer(shown.replace(_head_of(shown), "")))
    noted = {name: text for name, text in errors.items() if name and f'id="{escape(name)}-note"' in shown}
    rest = {name: text for name, text in errors.items() if name not in noted}
    lost = {name: text for name, text in rest.items() if str(escape(text)) not in said}
    told = rest if START in shown else lost
    sentence = told.get("", "") or " ".join(dict.fromkeys(text for text in told.values() if isinstance(text, Ruled)))
    if "" not in errors and len(lost) == len(errors):
        sentence = (
            context.get("instead")
            or sentence
            or (
                gettext("This was not accepted. Please check the form, and send it again.")
                if still_there(shown, context["request"].scope["path"], errors)
                else gettext(
                    "This was done already, or is over: what you sent now changed nothing. The page shows the present state."
                )
            )
        )
    heads: Any = context.environment.get_template("forms.html").module
    head = str(heads.summary({"": sentence, **noted} if sentence else noted))
    if START in shown:
        return Markup(shown.replace(_head_of(shown), head, 1))
    return Markup(head + shown) if sentence else main


def still_there(shown: str, path: str, names: Iterable[str]) -> bool:
    """Whether the page has the form that was sent to ``path``, with errors of these ``names``. Where a page has several
    forms for one address, each goes to a place of its own on the page, and the names of its fields begin with that."""
    names = tuple(names)
    for action in _GOAL.findall(shown):
        goal, _, place = unescape(action).partition("#")
        if goal.partition("?")[0] == path and (not place or any(name.startswith(f"{place}-") for name in names)):
            return True
    return False


def _head_of(shown: str) -> str:
    _, start, after = shown.partition(START)
    return start + after.partition(END)[0] + END if start else START
