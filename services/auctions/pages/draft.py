"""The form of an auction while it is written: fields with numbered lines and criteria that can be added and removed. It
is read strictly for the opening, and leniently for what is shown meanwhile."""

import asyncio
import re
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from catalogue.numbers import unambiguous
from catalogue.rules import RuleBroken
from events.auctions import Criterion, Option, Scoring
from events.bounds import Amount, Code, Id, Minutes, Name, Percent, Quantity, Title
from events.values import Line, Place
from infra.web import CHOSEN, errors_of_refusal, misfits, read_form, read_instant, whole
from infra.web.forms import Fields
from infra.web.languages import gettext, refusal_text
from services.auctions.domain.opening import AuctionWithoutLines
from services.auctions.handlers import NewAuction, NewLine
from services.market.form_lines import wrong_in_line
from services.market.places import place_named

_LINE = re.compile(r"line-(\d{1,3})-[a-z_]+")
_CRITERION = re.compile(r"criterion-(\d{1,2})-.+")
_OPTION = re.compile(r"criterion-(\d{1,2})-option-(\d{1,2})-[a-z]+")
_ACTION = re.compile(r"([a-z]+(?:-[a-z]+)?)(?:-(\d{1,5}))?(?:-(\d{1,2}))?")
MOST_LINES = 100
MOST_CRITERIA = 20
MOST_OPTIONS = 20
"""The most options of one criterion."""


class AuctionLineForm(msgspec.Struct):
    quantity: Quantity
    unit_price: Amount
    sku_id: Id = ""
    description: Title = ""
    category: Code = ""
    unit: Code = ""


class OptionForm(msgspec.Struct):
    title: Title
    value: Amount


class AuctionHeadForm(msgspec.Struct):
    title: Title
    duration_minutes: Annotated[Minutes, CHOSEN]
    step_percent: Percent
    kind: Code = "goods"
    vat_rate: Percent = Decimal(0)
    vat_included: bool = False
    equivalents: bool = False
    scoring: Code = "price"


class PlaceForm(msgspec.Struct, kw_only=True):
    country: Name = ""
    region: Name = ""
    locality: Name = ""


async def read(fields: Fields, zone: str) -> tuple[NewAuction | None, dict[str, str]]:
    """Return the auction that the form describes, or its errors by field. ``zone`` is the zone of the buyer's clock."""
    head, errors = read_form(fields, AuctionHeadForm)
    lines = []
    for number in line_numbers(fields):
        prefix = f"line-{number}-"
        typed = _below(fields, prefix)
        line, wrong = read_form(typed, AuctionLineForm)
        errors |= {prefix + name: sentence for name, sentence in (wrong_in_line(typed, line) | wrong).items()}
        if line is not None:
            lines.append(NewLine(**msgspec.structs.asdict(line)))
    if not line_numbers(fields):
        errors["lines"] = refusal_text(AuctionWithoutLines())
    scoring, wrong = _scoring(fields)
    errors |= wrong
    opens_at, wrong = read_instant(fields, "opens_at", zone)
    errors = wrong | errors
    place, wrong = await _place(fields)
    errors = wrong | errors
    if head is None or errors:
        return None, errors
    return NewAuction(
        title=head.title,
        lines=tuple(lines),
        duration_minutes=head.duration_minutes,
        step_percent=head.step_percent,
        kind=head.kind,
        place=place,
        vat_rate=head.vat_rate,
        vat_included=head.vat_included,
        opens_at=opens_at,
        scoring=scoring,
        equivalents=head.equivalents,
    ), {}


async def _place(fields: Fields) -> tuple[Place, dict[str, str]]:
    """Read the place separately, so that its errors are shown together with all others."""
    form, errors = read_form(fields, PlaceForm)
    if form is None or not form.country:
        return Place(), errors
    try:
        return await asyncio.to_thread(place_named, form.country, form.region, form.locality), {}
    except RuleBroken as broken:
        return Place(), errors_of_refusal(broken, fields)


def _scoring(fields: Fields) -> tuple[Scoring, dict[str, str]]:
    """Read the scoring. Weights are written in percent. If bids are ranked by price, the criteria in the form are
    ignored."""
    by = fields.get("scoring", "") or "price"
    if by == "price":
        return Scoring(), {}
    criteria: list[Criterion] = []
    errors: dict[str, str] = {}
    for number in criterion_numbers(fields):
        options = []
        for which in option_numbers(fields, number):
            prefix = f"criterion-{number}-option-{which}-"
            option, wrong = read_form(_below(fields, prefix), OptionForm)
            errors |= {prefix + name: sentence for name, sentence in wrong.items()}
            if option is not None:
                value = option.value / 100 if by == "quality" else option.value
                options.append(Option(title=option.title, value=value))
        title = fields.get(f"criterion-{number}-title", "").strip()
        errors |= misfits({f"criterion-{number}-title": title}, Title)
        if not title:
            errors[f"criterion-{number}-title"] = gettext("is required")
        criteria.append(Criterion(criterion_id=str(len(criteria) + 1), title=title, options=tuple(options)))
    return Scoring(by=by, criteria=tuple(criteria)), errors


def opening_of(fields: Fields, zone: str) -> datetime | None:
    """Return when the auction is to open, or None if that is empty, cannot be read, or is too far away to be meant."""
    return read_instant(fields, "opens_at", zone)[0]


def sketch(fields: Fields) -> NewAuction:
    """Return what can be read of an unfinished form. Missing values count as nothing."""
    return NewAuction(
        title=fields.get("title", ""),
        lines=tuple(
            NewLine(
                quantity=number_in(fields.get(f"line-{number}-quantity", "")),
                unit_price=number_in(fields.get(f"line-{number}-unit_price", "")),
                sku_id=fields.get(f"line-{number}-sku_id", ""),
                description=fields.get(f"line-{number}-description", ""),
                category=fields.get(f"line-{number}-category", ""),
                unit=fields.get(f"line-{number}-unit", ""),
            )
            for number in line_numbers(fields)
        ),
        duration_minutes=0,
        step_percent=number_in(fields.get("step_percent", "")),
        vat_rate=number_in(fields.get("vat_rate", "")),
        vat_included=bool(fields.get("vat_included")),
    )


def number_in(text: str) -> Decimal:
    """Return the number, or 0 if the text is not a number that an auction could have."""
    form, _ = read_form({"title": "-", "value": text}, OptionForm)
    return form.value if form is not None else Decimal(0)


def _below(fields: Fields, prefix: str) -> Fields:
    return {name.removeprefix(prefix): text for name, text in fields.items() if name.startswith(prefix)}


# Adding and removing


def edited(fields: Fields, action: str) -> Fields:
    """Return the fields after a button that adds or removes something, such as ``remove-option-0-2``. Any other button
    changes nothing."""
    said = _ACTION.fullmatch(action)
    if said is None:
        return fields
    first, second = (whole(number or "") or 0 for number in said.group(2, 3))
    match said[1]:
        case "add" if len(line_numbers(fields)) < MOST_LINES:
            return fields | blank_line(_next(line_numbers(fields)))
        case "remove":
            return _without(fields, f"line-{first}-")
        case "add-criterion" if len(criterion_numbers(fields)) < MOST_CRITERIA:
            return fields | blank_criterion(_next(criterion_numbers(fields)))
        case "remove-criterion":
            return _without(fields, f"criterion-{first}-")
        case "add-option" if len(option_numbers(fields, first)) < MOST_OPTIONS:
            return fields | _blank_option(first, _next(option_numbers(fields, first)))
        case "remove-option":
            return _without(fields, f"criterion-{first}-option-{second}-")
        case "at":
            return fields | {"duration_minutes": said[2] or "", "opens_at": fields.get(f"start-{first}", "")}
    return fields


def _without(fields: Fields, prefix: str) -> Fields:
    return {name: text for name, text in fields.items() if not name.startswith(prefix)}


def _next(numbers: list[int]) -> int:
    return max(numbers, default=-1) + 1


def line_numbers(fields: Iterable[str]) -> list[int]:
    return _numbers(_LINE, fields)


def criterion_numbers(fields: Iterable[str]) -> list[int]:
    return _numbers(_CRITERION, fields)


def option_numbers(fields: Iterable[str], criterion: int) -> list[int]:
    found = (_OPTION.fullmatch(name) for name in fields)
    numbers = (whole(match[2]) for match in found if match and whole(match[1]) == criterion)
    return sorted({number for number in numbers if number is not None})


def _numbers(pattern: re.Pattern[str], fields: Iterable[str]) -> list[int]:
    found = (pattern.fullmatch(name) for name in fields)
    numbers = (whole(match[1]) for match in found if match)
    return sorted({number for number in numbers if number is not None})


def blank_line(number: int) -> Fields:
    return {f"line-{number}-{name}": "" for name in ("description", "category", "unit", "quantity", "unit_price")}


def blank_criterion(number: int) -> Fields:
    """Return a criterion with two options, because one option alone cannot distinguish bids."""
    return {f"criterion-{number}-title": "", **_blank_option(number, 0), **_blank_option(number, 1)}


def _blank_option(criterion: int, number: int) -> Fields:
    return {f"criterion-{criterion}-option-{number}-{name}": "" for name in ("title", "value")}


# Filled in from known data


def of_lines(lines: Iterable[Line], buyable: Iterable[str]) -> Fields:
    """Return lines as form fields. A line whose SKU is no longer in the catalogue becomes a text with its category and
    unit."""
    buyable = set(buyable)
    fields: Fields = {}
    for number, line in enumerate(list(lines)[:MOST_LINES]):
        fields |= {
            f"line-{number}-sku_id": line.sku_id if line.sku_id in buyable else "",
            f"line-{number}-description": line.description,
            f"line-{number}-category": line.category.code if line.category else "",
            f"line-{number}-unit": line.unit or line.unit_text,
            f"line-{number}-quantity": unambiguous(line.quantity, kept=True) if line.quantity is not None else "",
            f"line-{number}-unit_price": unambiguous(line.unit_price, kept=True) if line.unit_price is not None else "",
        }
    return {name: text or "" for name, text in fields.items()}


def of_scoring(scoring: Scoring) -> Fields:
    fields = {"scoring": scoring.by}
    factor = 100 if scoring.by == "quality" else 1
    for number, criterion in enumerate(scoring.criteria):
        fields[f"criterion-{number}-title"] = criterion.title
        for which, option in enumerate(criterion.options):
            prefix = f"criterion-{number}-option-{which}-"
            fields |= {f"{prefix}title": option.title, f"{prefix}value": unambiguous(option.value * factor)}
    return fields


def of_place(place: Place) -> Fields:
    return {"country": place.country or "", "region": place.region or "", "locality": place.locality or ""}


def place_in(fields: Fields) -> Place:
    return Place(
        country=fields.get("country", "").strip() or None,
        region=fields.get("region", "").strip() or None,
        locality=fields.get("locality", "").strip() or None,
    )
