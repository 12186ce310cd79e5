"""Forms: every field is read, every error stands beside its field, nothing typed is lost."""

import re
from collections.abc import Container, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta, inspect

from catalogue.numbers import is_ambiguous, unambiguous
from catalogue.rules import KeyReused, RuleBroken
from events.bounds import Instant, Reason, check
from events.limits import REPLACEMENT, SENTENCES, YEARS_AWAY, OutOfBounds, check_length
from events.notation import check_time, notation_of
from infra.ids import new_id
from infra.web.exact import arrived
from infra.web.languages import NARROW_SPACE, gettext, plain, refusal_in_texts, said, told, written

_GROUPED = re.compile(f"[ \u00a0{NARROW_SPACE}]")
"""What parts groups of digits, as our own pages write them."""
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
T = TypeVar("T", bound=msgspec.Struct)
CHOSEN = Meta(extra={"chosen": True})
"""Of a field that people fill in from a list: ``Annotated[Minutes, CHOSEN]``. Whatever else arrives is told to be none of the choices."""


class Filled(msgspec.Struct, frozen=True):
    """A form as it is shown: what stands in its fields, and by field what is wrong with it, under "" what is wrong with all of it.
    ``instead`` is what a page says that has no such form any more (see :mod:`infra.web.gone`)."""

    values: Mapping[str, str] = {}
    errors: Mapping[str, str] = {}
    instead: str = ""


BLANK = Filled()


class Takes(NamedTuple):
    """What a field of a form takes. ``type`` is a value's own type as msgspec describes it, without the None of a field that may be
    blank."""

    type: inspect.Type
    chosen: bool


@lru_cache(maxsize=1_000)
def takes(kind: Any) -> Takes:
    """Read from an annotation such as ``Price | None``."""
    found, chosen = inspect.type_info(kind), False
    while True:
        match found:
            case inspect.Metadata(type=inner, extra=notes):
                found, chosen = inner, chosen or bool((notes or {}).get("chosen"))
            case inspect.UnionType(types=several):
                found = next(each for each in several if not isinstance(each, inspect.NoneType))
            case _:
                return Takes(found, chosen)


def read_form(fields: Mapping[str, str], shape: type[T], *, asks: bool = False) -> tuple[T | None, dict[str, str]]:
    """Read form fields into a struct: (value, {}) or (None, {field: what is wrong with it}).

    Blank means not given: the default, or gettext("is required"). Decimals take a comma too. A checkbox that is not there is False.
    A number that could be meant a thousand times as large, such as ``1,200``, is refused in every language, unless it would be out of
    bounds then; pages fill in fields by :func:`catalogue.numbers.unambiguous`. With ``asks`` it is taken as a decimal: whoever reads the
    form asks about it before anything follows.
    """
    values: dict[str, Any] = {}
    errors: dict[str, str] = {}
    for field in msgspec.structs.fields(shape):
        kind, taken = field.type, takes(field.type).type
        text = fields.get(field.name, "").strip()
        if not text:
            if isinstance(taken, inspect.BoolType):
                values[field.name] = False
            elif field.required:
                errors[field.name] = gettext("is required")
            continue
        if isinstance(taken, inspect.BoolType):
            text = "true" if text in ("on", "yes", "1") else text
        elif isinstance(taken, inspect.DecimalType):
            if not asks and (either := _two_meanings(text, kind)):
                errors[field.name] = either
                continue
            text = re.sub(_GROUPED, "", text).replace(",", ".")
        elif isinstance(taken, inspect.IntType) and not _WHOLE.fullmatch(text):  # msgspec takes 1.0 and 1e2, too
            errors[field.name] = _unfit(text, takes(kind))
            continue
        try:
            check_written(text)
            if isinstance(taken, inspect.DateType | inspect.DateTimeType):
                _check_year(text)
            values[field.name] = msgspec.convert(text, kind, strict=False)
            if (notation := notation_of(kind)) is not None:
                notation(text, None)
            check(values[field.name], kind, arrived())
            if isinstance(taken, inspect.DecimalType) and "e" in text.lower():  # a person writes 100000, not 1e5
                errors[field.name] = _unfit(text, takes(kind))
        except msgspec.ValidationError:
            errors[field.name] = _unfit(text, takes(kind))
        except OutOfBounds as error:
            errors[field.name] = _said_of_number(error, values.get(field.name)) or said_of(error)
    return (None, errors) if errors else (shape(**values), {})


def _two_meanings(text: str, kind: Any) -> str:
    """Which two numbers a text could mean, and how to write either; "" where it is plain."""
    if not is_ambiguous(text):
        return ""
    large, small = Decimal(re.sub("[.,]", "", text)), Decimal(text.replace(",", "."))
    try:
        check(large, kind)
    except OutOfBounds:
        return ""
    one, other = f"{large:f}", written(unambiguous(small))
    return gettext("could mean %(large)s or %(small)s: write it in one of these ways", large=one, small=other)


class Ruled(str):
    """The sentence of a rule, which can be read anywhere; other errors ("is required") mean something beside their field alone."""

    __slots__ = ()


class NotFitting(RuleBroken):
    """A text is too long for its field, or has characters that cannot be shown."""

    code = "not-fitting"

    def __init__(self, error: OutOfBounds) -> None:
        super().__init__(_sentence(error), field=error.field, **error.numbers)
        self.code = error.code  # type: ignore[misc]  # that of the bound


def text_in(fields: Mapping[str, str], name: str, kind: Any = Reason) -> str:
    """A text of a form that goes to a rule as it was written. Raises NotFitting, which stands beside the field as refusals do."""
    text = fields.get(name, "")
    try:
        check_typed(text, kind)
    except OutOfBounds as error:
        raise NotFitting(error.inside(name)) from None
    return text


def misfits(fields: Mapping[str, str], kind: Any = Reason) -> dict[str, str]:
    """What is wrong with each text of a form whose fields come and go, beside the field."""
    errors: dict[str, str] = {}
    for name in fields:
        try:
            text_in(fields, name, kind)
        except NotFitting as wrong:
            errors[name] = told(wrong)
    return errors


def instant_in(text: str, zone: str) -> datetime:
    """What a field with the wall-clock time of a zone means, in UTC. Raises ValueError for what is no time, OutOfBounds."""
    _check_year(text)
    try:
        check_time(text.strip())
    except OutOfBounds as error:
        raise ValueError(text) from error
    wall = datetime.fromisoformat(text.strip())
    try:
        instant = wall.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    except OverflowError:
        raise OutOfBounds("too-far", years=YEARS_AWAY) from None
    check(instant, Instant, arrived())
    return instant


def read_instant(fields: Mapping[str, str], name: str, zone: str) -> tuple[datetime | None, dict[str, str]]:
    """(when, {}) of a field with the wall-clock time of a zone, (None, {}) where it is blank, or (None, what is wrong with it)."""
    text = fields.get(name, "").strip()
    if not text:
        return None, {}
    try:
        return instant_in(text, zone), {}
    except OutOfBounds as error:
        return None, {name: said_of(error)}
    except ValueError:
        return None, {name: gettext("must be a date and time, such as 2027-01-31T09:00")}


def check_written(text: str) -> None:
    """Raises OutOfBounds for a text in which :func:`infra.web.form_fields` replaced a character that cannot be shown."""
    if REPLACEMENT in text:
        raise OutOfBounds("control-character")


def check_typed(text: str, kind: Any) -> None:
    """Raises OutOfBounds for what does not fit a ``kind`` of text, such as :data:`events.bounds.Reason`."""
    check_written(text)
    match takes(kind).type:
        case inspect.StrType(max_length=int(most)):
            check_length("too-long", most, text, None)
    check(text, kind)


def _check_year(text: str) -> None:
    """Browsers let people type years of five digits and more, which no date here has."""
    if re.match(r"\s*\+?\d{5,}-", text):
        raise OutOfBounds("too-far", years=YEARS_AWAY)


def said_of(error: OutOfBounds) -> str:
    """In the reader's language."""
    return refusal_in_texts(error.code, _sentence(error), {name: str(each) for name, each in error.numbers.items()})


def _sentence(error: OutOfBounds) -> str:
    """In English, its numbers in groups of digits as people read them."""
    return SENTENCES[error.code].format(**{name: said(value) for name, value in error.numbers.items()})


def _said_of_number(error: OutOfBounds, number: object) -> str:
    """Of amounts and quantities, whose bounds hold either sign, that side of it which a rule could mean; else ""."""
    if error.code != "out-of-range" or not isinstance(number, Decimal) or Decimal(str(error.numbers["least"])) >= 0:
        return ""
    if number < 0:
        return gettext("must be above zero")
    return gettext("must be at most %(limit)s", limit=said(plain(str(error.numbers["most"]))))


def whole(text: str) -> int | None:
    """A number of nine digits at most, as rows and versions have; None for any other text."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def beside(refused: RuleBroken, places: Container[str], currency: str = "") -> dict[str, str]:
    """The refusal as an error of its field, where the form has a place for it; else as one of the whole form, under "". A form has
    the field ``stock_country`` where a request has ``stock.country``."""
    field = refused.field or ""
    named = (each for each in (field, field.replace(".", "_")) if each in places)
    return {next(named, ""): ruled(refused, currency)}


def ruled(refused: RuleBroken, currency: str = "") -> str:
    """As a reader is told of it; a text that does not fit is told beside its field alone."""
    said = told(refused, currency)
    return said if isinstance(refused, NotFitting) else Ruled(said)


def shown_again(fields: Mapping[str, str], refused: RuleBroken) -> dict[str, str]:
    """The fields of a form whose request was refused. Where its key belongs to other content it gets a new one: to send what is shown
    now is then another request, and its sender has been told so."""
    return {**fields, "request_key": new_id()} if isinstance(refused, KeyReused) else dict(fields)


def _unfit(text: str, field: Takes) -> str:
    """What is wrong with a text that is no value of a field, as the person who typed it would say it."""
    if field.chosen:
        return gettext("must be one of the choices")
    match field.type:
        case inspect.LiteralType() | inspect.EnumType():
            return gettext("must be one of the choices")
        case inspect.StrType(max_length=int(most)) if len(text) > most:
            return gettext("must have at most %(limit)s characters", limit=said(most))
        case inspect.StrType(min_length=int(least)) if len(text) < least:
            return gettext("is too short")
        case inspect.IntType() as number:
            return _outside(text, number) or gettext("must be a whole number")
        case inspect.DecimalType():
            return gettext("must be a number, such as 12.50")
        case inspect.DateType() | inspect.DateTimeType():
            return gettext("must be a date, such as 2027-01-31")
    return gettext("is not written as it should be")


def _outside(text: str, field: inspect.IntType) -> str:
    """Which bound a whole number breaks; "" of a text that is none."""
    try:
        number = msgspec.convert(text, int, strict=False)
    except msgspec.ValidationError:
        return ""
    least = field.ge if field.gt is None else field.gt + 1
    most = field.le if field.lt is None else field.lt - 1
    if most is not None and number > most:
        return gettext("must be at most %(limit)s", limit=said(most))
    if least is not None and number < least:
        return gettext("must be at least %(limit)s", limit=said(least))
    return ""
