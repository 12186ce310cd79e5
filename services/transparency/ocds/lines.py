"""Reads items of tenders, bids, awards and contracts, and checks their units, classifications and prices."""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

import msgspec

from catalogue.categories import CPV, read_code
from catalogue.rules import RuleBroken
from catalogue.units import parse_pack, parse_unit
from events.values import Category, Line, Place
from services.transparency.ocds import vocabulary
from services.transparency.ocds.fitting import KEY
from services.transparency.ocds.node import Node
from services.transparency.ocds.organisations import RegionCode, read_place
from services.transparency.ocds.tolerance import NotUnderstood

_LONGEST_ID = 200
_LONGEST_CODE = 100
_SAME = Decimal("0.01")
_CLOSE = Decimal(2)
_PRICE_PLACES = 6
_LARGEST_PRICE = 18


_unit = lru_cache(maxsize=10_000)(parse_unit)


class WrittenLine(msgspec.Struct, frozen=True):
    """A line as written, with the number in its ``unit.value`` and the currency of that number."""

    line: Line
    written: Decimal | None
    currency: str | None


def read_lines(
    items: Sequence[Node],
    total: Decimal | None,
    currency: str | None,
    ledger: NotUnderstood,
    region_code: RegionCode,
    language: str,
) -> tuple[Line, ...]:
    """The lines. ``total`` is the value of the whole, with which unit prices are checked; None if there is none."""
    if not items:
        return ()
    priced = [_read_line(item, number, region_code, language) for number, item in enumerate(items, start=1)]
    seen: Counter[str] = Counter()
    unique = []
    for one in priced:
        seen[one.line.line_id] += 1
        if (again := seen[one.line.line_id]) > 1:
            one = msgspec.structs.replace(
                one, line=msgspec.structs.replace(one.line, line_id=f"{one.line.line_id}#{again}")
            )
        unique.append(one)
    path = items[0].path
    return tuple(_unless_zero(line, path, ledger) for line in _with_prices(unique, total, currency, path, ledger))


def _read_line(item: Node, number: int, region_code: RegionCode, language: str) -> WrittenLine:
    unit = item.node("unit")
    value = unit.node("value", "price")
    written = value.decimal("amount")
    currency = value.currency("currency")
    if written is None:
        written = item.decimal("unitPrice")
    else:
        item.ignore("unitPrice")
    code, text, pack = _read_unit(unit, language)
    quantity = item.decimal("quantity")
    if quantity is not None and quantity < 0:
        item.ledger.add(f"{item.path}.quantity: negative", quantity)
        quantity = None
    item_id = item.text("id", most=_LONGEST_ID)
    classification = item.node("classification")
    category = read_category(classification, item_id)
    if category is None:
        category = next(
            (one for extra in item.nodes("additionalClassifications") if (one := read_category(extra, ""))), None
        )
    description = item.text("description", "name", "title", language=language) or (category.title if category else "")
    delivery = read_place(item.first("deliveryAddress", "deliveryAddresses"), item.ledger, region_code)
    delivery = read_location(item.first("deliveryLocation", "deliveryLocations"), delivery)
    line = Line(
        line_id=item_id or str(number),
        description=" ".join(description.split()),
        category=category,
        quantity=quantity,
        unit=code,
        unit_text=text,
        pack_size=pack,
        place=delivery if delivery != Place() else None,
    )
    return WrittenLine(line, written, currency)


def _read_unit(unit: Node, language: str) -> tuple[str, str, Decimal]:
    """(Rec 20 code or "", the text as written, pack size)."""
    text = unit.text("name", language=language)
    code = unit.text("id") if "uncefact" in vocabulary.folded(unit.text("scheme")) or not text else ""
    unit.ignore("id", "scheme", "uri")
    for word in (code, text):
        if word and (found := _unit(word)):
            return found.code, text or code, Decimal(1)
    if not text or vocabulary.folded(text) in _NO_UNIT:
        return "", text, Decimal(1)
    try:
        pack = parse_pack(text)
    except RuleBroken as refused:
        unit.ledger.add(f"{unit.path}.name: {refused.code.replace('-', ' ')}", text)
        return "", text, Decimal(1)
    return pack.unit, text, pack.size


_NO_UNIT = frozenset(vocabulary.folded(word) for word in ("_NO_APLICA_", "N/A", "none", "-"))


def read_category(classification: Node, item_id: str) -> Category | None:
    """A code with its scheme. Some publishers put the code into the item's id and leave the id of the classification
    empty."""
    if not classification:
        return None
    scheme = vocabulary.classification_scheme(classification.text("scheme", "schema", most=KEY))
    code, title = classification.text("id", "code", most=_LONGEST_CODE), classification.text("description", "title")
    classification.ignore("uri")
    if not code and scheme == "UNSPSC" and item_id.isdigit() and len(item_id) in (2, 4, 6, 8):
        code = item_id
    if not code:
        classification.ledger.add(f"{classification.path}.id: missing", title)
        return None
    if not scheme:
        classification.ledger.add(f"{classification.path}.scheme: missing", code)
    scheme, code = read_cpv(scheme, code, classification.ledger, f"{classification.path}.id")
    return Category(code=code, scheme=scheme, title=" ".join(title.split()))


def read_cpv(scheme: str, code: str, ledger: NotUnderstood, where: str) -> tuple[str, str]:
    """The scheme and the code. A code that is stated as CPV is read and written as in the catalogue; if it breaks the
    rules for CPV codes, its scheme is "" and it is stored as written. Codes of other schemes are not changed."""
    if scheme != CPV:
        return scheme, code
    plain, broken = _plain_or_broken(code)
    if broken:
        ledger.add(f"{where}: {broken.replace('-', ' ')}", code)
        return "", code
    return scheme, plain


@lru_cache(maxsize=10_000)
def _plain_or_broken(code: str) -> tuple[str, str]:
    """The code, and the rule that it breaks as a CPV code, or ""."""
    try:
        return read_code(code), ""
    except RuleBroken as broken:
        return code, broken.code


def read_location(location: Node, place: Place) -> Place:
    """Read the location extension: GeoJSON, longitude first."""
    if not location:
        return place
    geometry = location.node("geometry")
    point = geometry.raw("coordinates")
    geometry.ignore("type")
    location.ignore("uri", "description", "gazetteer")
    numbers: list[Any] = point if isinstance(point, list) and len(point) >= 2 else []
    try:
        longitude, latitude = (float(number) for number in numbers[:2])
    except (TypeError, ValueError):
        location.ledger.add(f"{location.path}.geometry: not a point", point)
        return place
    if not (-180 <= longitude <= 180 and -90 <= latitude <= 90):
        location.ledger.add(f"{location.path}.geometry: not on the earth", point)
        return place
    return msgspec.structs.replace(place, latitude=latitude, longitude=longitude)


def _with_prices(
    priced: Sequence[WrittenLine], total: Decimal | None, currency: str | None, path: str, ledger: NotUnderstood
) -> Iterable[Line]:
    """Decide what ``unit.value`` means. It should be the price of one unit; Armenia, for one, publishes the line's amount there.

    The value of the whole decides: it is near the sum of quantity x price, or it is the sum of the prices themselves.
    If it differs from both by more than a factor of two, the prices are left out, because one of the two numbers is
    wrong.
    """
    kept = []
    for one in priced:
        written = one.written
        if written is not None and one.currency and currency and one.currency != currency:
            ledger.add(f"{path}.unit.value.currency: not that of the whole", f"{one.currency} in {currency}")
            written = None
        if written is not None and written < 0:
            ledger.add(f"{path}.unit.value.amount: negative", written)
            written = None
        kept.append((one.line, written))
    if len(kept) == 1 and total and total > 0:
        return [_single(*kept[0], total, path, ledger)]
    by_unit = [line.quantity * written for line, written in kept if line.quantity is not None and written is not None]
    by_line = [written for _, written in kept if written is not None]
    complete = len(by_unit) == len(kept) and bool(kept)
    if total and total > 0 and by_line:
        units, lines = sum(by_unit, Decimal(0)), sum(by_line, Decimal(0))
        if complete and not _near(units, total) and _near(lines, total):
            return [_priced_by_line(line, written) for line, written in kept]
        if units > total * _CLOSE or (complete and units * _CLOSE < total):
            ledger.add(
                f"{path}.unit.value.amount: contradicts the value of the whole", f"{units} in {total}", len(by_line)
            )
            kept = [(line, None) for line, _ in kept]
    return [_priced_by_unit(line, written) for line, written in kept]


def _single(line: Line, written: Decimal | None, total: Decimal, path: str, ledger: NotUnderstood) -> Line:
    """A single line has the amount of the whole, whatever its ``unit.value`` says (often an estimate, or the line's
    amount)."""
    if written is None or line.quantity is None:
        return _priced_by_line(line, total)
    if _near(written * line.quantity, total):
        return _priced_by_unit(line, written)
    if not _near(written, total):
        ledger.add(f"{path}.unit.value.amount: not the value of the whole, which was used", f"{written} in {total}")
    return _priced_by_line(line, total)


def _unless_zero(line: Line, path: str, ledger: NotUnderstood) -> Line:
    """The line without a unit price of zero, which is not a price; an amount of zero is kept."""
    if line.unit_price != 0:
        return line
    ledger.add(f"{path}.unit.value.amount: zero is no price", line.description)
    return msgspec.structs.replace(line, unit_price=None)


def _near(one: Decimal, other: Decimal) -> bool:
    return abs(one - other) <= other * _SAME


def _priced_by_unit(line: Line, price: Decimal | None) -> Line:
    amount = price * line.quantity if price is not None and line.quantity is not None else None
    return msgspec.structs.replace(line, unit_price=price, amount=amount)


def _priced_by_line(line: Line, amount: Decimal | None) -> Line:
    price = per_unit(amount, line.quantity) if amount is not None and line.quantity else None
    return msgspec.structs.replace(line, unit_price=price, amount=amount)


def per_unit(amount: Decimal, quantity: Decimal) -> Decimal | None:
    """The price per unit, to six decimals; None if the quantity is so small that the price would be absurd."""
    price = amount / quantity
    return round(price, _PRICE_PLACES).normalize() if price.adjusted() < _LARGEST_PRICE else None


def main_category(lines: Iterable[Line]) -> Category | None:
    """The most common category of the lines; of several equally common ones the first."""
    categories = [line.category for line in lines if line.category]
    counts = Counter((one.scheme, one.code) for one in categories)
    return max(categories, key=lambda one: counts[one.scheme, one.code], default=None)
