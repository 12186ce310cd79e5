"""Reads forms: every field is checked, every error is shown beside its field, and nothing that was typed is lost."""

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
from infra.web.languages import NARROW_SPACE, gettext, plain, refusal_in_texts, refusal_text, value_text, written

_GROUPED = re.compile(f"[ \u00a0{NARROW_SPACE}]")
"""Separators of digit groups, as the pages write them."""
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
T = TypeVar("T", bound=msgspec.Struct)
Fields = dict[str, str]
"""The fields of a form as they were typed, by name; also errors by field."""
CHOSEN = Meta(extra={"chosen": True})
"""Marks a field that is chosen from a list: ``Annotated[Minutes, CHOSEN]``. Any wrong value is reported as not being
one of the choices."""


class Filled(msgspec.Struct, frozen=True):
    """A form for display: the values of its fields, and the errors by field; the key "" has the error about the whole
    form. ``instead`` is the message of a page that does not have the form any more (see :mod:`infra.web.gone`)."""

    values: Mapping[str, str] = {}
    errors: Mapping[str, str] = {}
    instead: str = ""


BLANK = Filled()


class Takes(NamedTuple):
    """The values that a form field accepts. ``type`` is the type as msgspec describes it, without the None of a field
    that may be blank."""

    type: inspect.Type
    chosen: bool


@lru_cache(maxsize=1_000)
def takes(kind: Any) -> Takes:
    """Make it from an annotation such as ``Price | None``."""
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

    Blank means not given: the default, or gettext("is required"). Decimals may have a comma. A checkbox that is not
    sent is False. A number that could mean a thousand times as much, such as ``1,200``, is refused in every language,
    unless the larger number would be out of bounds; pages fill in fields with :func:`catalogue.numbers.unambiguous`.
    With ``asks`` such a number is read as a decimal, because the caller then asks the person about it.
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
            errors[field.name] = _said_of_number(error, values.get(field.name)) or bound_text(error)
    return (None, errors) if errors else (shape(**values), {})


def _two_meanings(text: str, kind: Any) -> str:
    """A message with the two numbers that a text could mean and how to write each; "" if the text is unambiguous."""
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
    """The sentence of a rule, which can be understood anywhere. Other errors, such as "is required", can be understood only beside
    their field."""

    __slots__ = ()


class NotFitting(RuleBroken):
    """A text is too long for its field, or has characters that cannot be shown."""

    code = "not-fitting"

    def __init__(self, error: OutOfBounds) -> None:
        super().__init__(_sentence(error), field=error.field, **error.numbers)
        self.code = error.code  # type: ignore[misc]  # that of the bound


def text_in(fields: Mapping[str, str], name: str, kind: Any = Reason) -> str:
    """A text of a form, unchanged, for a rule. Raise NotFitting, which is shown beside the field like a refusal."""
    text = fields.get(name, "")
    try:
        check_typed(text, kind)
    except OutOfBounds as error:
        raise NotFitting(error.inside(name)) from None
    return text


def misfits(fields: Mapping[str, str], kind: Any = Reason) -> dict[str, str]:
    """The errors of all texts, by field, in a form with a variable number of fields."""
    errors: dict[str, str] = {}
    for name in fields:
        try:
            text_in(fields, name, kind)
        except NotFitting as wrong:
            errors[name] = refusal_text(wrong)
    return errors


def instant_in(text: str, zone: str) -> datetime:
    """The UTC instant of a field with a local time of the zone. Raise ValueError if it is not a time, and
    OutOfBounds."""
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
    """(instant, {}) of a field with a local time of the zone, (None, {}) if it is blank, or (None, {field: what is
    wrong})."""
    text = fields.get(name, "").strip()
    if not text:
        return None, {}
    try:
        return instant_in(text, zone), {}
    except OutOfBounds as error:
        return None, {name: bound_text(error)}
    except ValueError:
        return None, {name: gettext("must be a date and time, such as 2027-01-31T09:00")}


def check_written(text: str) -> None:
    """Raise OutOfBounds for a text in which :func:`infra.web.form_fields` replaced a character that cannot be shown."""
    if REPLACEMENT in text:
        raise OutOfBounds("control-character")


def check_typed(text: str, kind: Any) -> None:
    """Raise OutOfBounds if the text does not fit its ``kind``, such as :data:`events.bounds.Reason`."""
    check_written(text)
    match takes(kind).type:
        case inspect.StrType(max_length=int(most)):
            check_length("too-long", most, text, None)
    check(text, kind)


def _check_year(text: str) -> None:
    """Refuse years of five or more digits, which browsers allow."""
    if re.match(r"\s*\+?\d{5,}-", text):
        raise OutOfBounds("too-far", years=YEARS_AWAY)


def bound_text(error: OutOfBounds) -> str:
    """The message about a broken bound, in the reader's language."""
    return refusal_in_texts(error.code, _sentence(error), {name: str(each) for name, each in error.numbers.items()})


def _sentence(error: OutOfBounds) -> str:
    """The message in English, with its numbers in groups of digits."""
    return SENTENCES[error.code].format(**{name: value_text(value) for name, value in error.numbers.items()})


def _said_of_number(error: OutOfBounds, number: object) -> str:
    """The message about a number outside its bounds. The bounds of amounts allow both signs, so it names only the bound
    that rules allow; "" for other values."""
    if error.code != "out-of-range" or not isinstance(number, Decimal) or Decimal(str(error.numbers["least"])) >= 0:
        return ""
    if number < 0:
        return gettext("must be above zero")
    return gettext("must be at most %(limit)s", limit=value_text(plain(str(error.numbers["most"]))))


def whole(text: str) -> int | None:
    """The whole number in a text of at most nine digits, as for rows and versions; None for any other text."""
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def errors_of_refusal(refused: RuleBroken, places: Container[str], currency: str = "") -> dict[str, str]:
    """The refusal as an error of its field if the form has that field; else as an error of the whole form, under "".
    The field ``stock.country`` of a request is ``stock_country`` in a form."""
    field = refused.field or ""
    named = (each for each in (field, field.replace(".", "_")) if each in places)
    return {next(named, ""): ruled(refused, currency)}


def ruled(refused: RuleBroken, currency: str = "") -> str:
    """The refusal in the reader's language; a text that does not fit is reported only beside its field."""
    said = refusal_text(refused, currency)
    return said if isinstance(refused, NotFitting) else Ruled(said)


def shown_again(fields: Mapping[str, str], refused: RuleBroken) -> dict[str, str]:
    """The fields of a form whose request was refused. If its key belongs to other content, it gets a new key: sending
    it again is then a new request, and the message says so."""
    return {**fields, "request_key": new_id()} if isinstance(refused, KeyReused) else dict(fields)


def _unfit(text: str, field: Takes) -> str:
    """What is wrong with a text that is not a valid value of a field, in words for the person who typed it."""
    if field.chosen:
        return gettext("must be one of the choices")
    match field.type:
        case inspect.LiteralType() | inspect.EnumType():
            return gettext("must be one of the choices")
        case inspect.StrType(max_length=int(most)) if len(text) > most:
            return gettext("must have at most %(limit)s characters", limit=value_text(most))
        case inspect.StrType(min_length=int(least)) if len(text) < least:
            return gettext("is too short")
        case inspect.IntType() as number:
            return _outside(text, number) or gettext("must be a whole number")
        case inspect.DecimalType():
            return gettext("must be a number, such as 12.50")
        case inspect.DateType() | inspect.DateTimeType():
            return gettext("must be a date, such as 2027-01-31")
    return gettext("is not in the right form")


def _outside(text: str, field: inspect.IntType) -> str:
    """The bound that a whole number breaks; "" if the text is not a whole number."""
    try:
        number = msgspec.convert(text, int, strict=False)
    except msgspec.ValidationError:
        return ""
    least = field.ge if field.gt is None else field.gt + 1
    most = field.le if field.lt is None else field.lt - 1
    if most is not None and number > most:
        return gettext("must be at most %(limit)s", limit=value_text(most))
    if least is not None and number < least:
        return gettext("must be at least %(limit)s", limit=value_text(least))
    return ""
