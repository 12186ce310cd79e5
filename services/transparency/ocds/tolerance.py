"""Reads values as people write them, without guessing, and counts in a ledger what could not be read.

Every reader returns None for an absent value, and None plus an entry in the ledger for a value that it does not
understand.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, NamedTuple

from catalogue.money import UnknownCurrency, minor_units
from events.limits import shows_nothing
from services.transparency.ocds import vocabulary

MAX_KINDS = 2_000
MAX_EXAMPLES = 3
LONGEST_VALUE = 200
_LARGEST = 18
"""The largest decimal exponent: no published amount or quantity has more digits before or after the decimal point."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EARLIEST, _LATEST = datetime(1970, 1, 2, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)


_NOT_USED = ("not carried: ", "unknown field: ")
_ONLY_ABSENT = ", published without one"


def is_loss(kind: str) -> bool:
    """Whether written data were not imported. Fields that this market does not use, and missing data, are not
    losses."""
    return not kind.startswith(_NOT_USED) and not kind.endswith(_ONLY_ABSENT)


class Fault(NamedTuple):
    """One value that was not understood: "prices.csv:3", "price: not a number", and the value, cut to
    ``LONGEST_VALUE``."""

    where: str
    kind: str
    value: str


class NotUnderstood:
    """Counts by kind ("award.value.currency: unknown code"), with a few examples and the first places of each.

    The number of kinds is bounded, whatever a file contains: those beyond ``MAX_KINDS`` are counted together. ``where``
    names the row or release that is being read. With ``keeps`` every loss is stored as a :class:`Fault` until
    :meth:`taken`.
    """

    def __init__(self, *, keeps: bool = False) -> None:
        self.kinds: Counter[str] = Counter()
        self.examples: dict[str, list[str]] = {}
        self.places: dict[str, list[str]] = {}
        self.where = ""
        self.keeps = keeps
        self.faults: list[Fault] = []

    def add(self, kind: str, example: object = None, count: int = 1) -> None:
        if not self.keeps and self._knows_enough(kind, example):
            self.kinds[kind] += count  # most entries of a long file: examples and places of this kind are complete
            return
        text = "" if example is None else str(example)[:LONGEST_VALUE]
        if self.keeps and is_loss(kind):
            self.faults.append(Fault(self.where, kind, text))
        self._count(kind, count, [] if example is None else [text[:80]], [self.where])

    def _knows_enough(self, kind: str, example: object) -> bool:
        if len(self.places.get(kind, ())) < MAX_EXAMPLES:
            return False
        return example is None or len(self.examples[kind]) == MAX_EXAMPLES

    def _count(self, kind: str, count: int, examples: Iterable[str], places: Iterable[str]) -> None:
        if kind not in self.kinds and len(self.kinds) >= MAX_KINDS:
            kind = "further kinds"
        self.kinds[kind] += count
        for known, new in ((self.examples, examples), (self.places, places)):
            seen = known.setdefault(kind, [])
            for one in new:
                if one not in seen and len(seen) < MAX_EXAMPLES:
                    seen.append(one)

    def update(self, other: "NotUnderstood") -> None:
        """Add the entries of another ledger. Entries without a place get the current ``where``."""
        for kind, count in other.kinds.items():
            places = [place or self.where for place in other.places[kind]]
            self._count(kind, count, other.examples[kind], places)
        if self.keeps:
            self.faults.extend(fault if fault.where else fault._replace(where=self.where) for fault in other.faults)

    def taken(self) -> list[Fault]:
        """The faults that were stored since the last call."""
        faults, self.faults = self.faults, []
        return faults

    def withdraw(self, field: str) -> str | None:
        """Remove and return the entry about the field, so that another part can report it; None if there is none."""
        kind = next((kind for kind in self.kinds if kind.rpartition(": ")[0] == field), None)
        if kind is None:
            return None
        for known in (self.kinds, self.examples, self.places):
            del known[kind]
        self.faults = [fault for fault in self.faults if fault.kind != kind]
        return kind.rpartition(": ")[2]

    def total(self) -> int:
        return self.kinds.total()


_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Characters that show nothing although Python counts them as printable."""
_TEXTS = frozenset({str, int, Decimal, float})


def is_clean(text: str) -> bool:
    """Whether :func:`read_text` would return the text unchanged and report nothing, as for most texts."""
    return text.isprintable() and "\ufffd" not in text and (text.isascii() or not _UNSEEN.search(text))


def read_text(value: Any, field: str, ledger: NotUnderstood) -> str:
    """The text without control characters, direction marks and lone surrogates. Numbers become text; "" means
    absent."""
    if value is None:
        return ""
    if type(value) not in _TEXTS:
        ledger.add(f"{field}: not a text", value)
        return ""
    text = str(value)
    if not text.isprintable():
        text, left_out = _CONTROL.subn("", text)
        if left_out:
            ledger.add(f"{field}: characters that cannot be shown", text)
    text = text.strip()
    if shows_nothing(text):
        ledger.add(f"{field}: no letter that can be seen", text)
        return ""
    if "\ufffd" in text:
        ledger.add(f"{field}: characters lost by the publisher (U+FFFD)", text)
    return text


_GROUPED = re.compile(r"[0-9]{1,3}(?:([ '.,])[0-9]{3})(?:\1[0-9]{3})*")
_PLAIN = re.compile(r"[0-9]+(?:\.[0-9]+)?")
_MONEY_SIGNS = re.compile(
    r"^(?:[A-Za-z]{0,3}[$€£¥₲₽₴₸₦₱₹₡₫]|[A-Z]{3}\b|Gs\.?|kr\.?)\s*|\s*(?:[$€£¥₲₽₴₸₦₱₹₡₫]|\b[A-Z]{3}|,-)$"
)


class UnclearNumber(ValueError):
    """Text that is not a number, or could be two different ones."""


def decimal_from_text(text: str, decimal_mark: str | None = None, thousands: str | None = None) -> Decimal:
    """A number in any usual form: "1.234,56", "12 000", "R$ 1.000,00", "(5.00)", "5.000.000".

    ``decimal_mark`` is the convention of the source. Without it, "1,234" is refused, because it may mean a thousand or
    one; "1.234" is read as in JSON. ``thousands`` is for sources that write "1.600" and "60000.0" in one column: groups
    of three digits after that character are thousands. Raise :class:`UnclearNumber`.
    """
    if decimal_mark in (None, ".") and thousands is None and _PLAIN.fullmatch(text):
        return Decimal(text)
    plain = _MONEY_SIGNS.sub("", re.sub(r"[\s\u00a0\u2007\u2009\u202f]+", " ", text).strip())
    plain = plain.replace("\u2212", "-").replace("\u2019", "'").strip()
    plain, negative = _signed(plain)
    if thousands and re.fullmatch(rf"[1-9][0-9]{{0,2}}(?:{re.escape(thousands)}[0-9]{{3}})+", plain):
        plain = plain.replace(thousands, "")
    if decimal_mark is None:
        decimal_mark = _decimal_mark(plain)
    whole, mark, fraction = plain.partition(decimal_mark)
    if not whole and fraction:
        whole = "0"
    if _GROUPED.fullmatch(whole):
        whole = re.sub(r"[ '.,]", "", whole)
    digits = whole + ("." + fraction if mark else "")
    if not re.fullmatch(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,3})?", digits):
        raise UnclearNumber("not a number")
    number = Decimal(digits)
    return -number if negative else number


def _signed(plain: str) -> tuple[str, bool]:
    """(the number without its sign, whether it is negative): "-5", "5-" and "(5)" are negative. Raise UnclearNumber
    for a single bracket."""
    bare = plain.strip("+-() ")
    before, _, after = plain.partition(bare) if bare else ("", "", "")
    around = f"{before.strip()} {after.strip()}".strip()
    if around not in ("", "+", "-", "( )"):
        raise UnclearNumber("not a number")
    return bare, around in ("-", "( )")


def currency_in(text: str) -> str | None:
    """The currency in the text of an amount, if it is unambiguous: "US$ 5" is, "$ 5" is not."""
    found = _MONEY_SIGNS.search(text.strip())
    sign = found[0].strip().casefold().rstrip(".") if found else ""
    code = vocabulary.CURRENCY_WORDS.get(sign) or (sign.upper() if len(sign) == 3 and sign.isalpha() else "")
    try:
        return code if code and minor_units(code) >= 0 else None
    except UnknownCurrency:
        return None


def _decimal_mark(plain: str) -> str:
    commas, dots = plain.count(","), plain.count(".")
    if commas and dots:
        return "," if plain.rfind(",") > plain.rfind(".") else "."
    if commas == 1:
        if re.fullmatch(r"[1-9][0-9]{0,2},[0-9]{3}", plain):
            raise UnclearNumber("a thousand or one, by the comma's meaning")
        return ","
    return "," if dots > 1 else "."


def read_decimal(
    value: Any, field: str, ledger: NotUnderstood, decimal_mark: str | None = None, thousands: str | None = None
) -> Decimal | None:
    if value is None or value == "" or (isinstance(value, str) and value.strip().casefold() in vocabulary.NOTHING):
        return None
    try:
        number = _decimal(value, decimal_mark, thousands)
    except UnclearNumber as unclear:
        ledger.add(f"{field}: {unclear}", value)
        return None
    if not number.is_finite():
        ledger.add(f"{field}: not a number", value)
        return None
    if number and (abs(number.adjusted()) > _LARGEST or len(number.as_tuple().digits) > 3 * _LARGEST):
        ledger.add(f"{field}: too many digits", value)
        return None
    return number


def _decimal(value: Any, decimal_mark: str | None, thousands: str | None) -> Decimal:
    if isinstance(value, Decimal):
        return value
    if isinstance(value, bool):
        raise UnclearNumber("not a number")
    if isinstance(value, str):
        return decimal_from_text(value, decimal_mark, thousands)
    try:
        return Decimal(str(value))
    except (InvalidOperation, ValueError) as error:
        raise UnclearNumber("not a number") from error


_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})(?:[-/.](\d{1,2}))?(?:[T ]+(.*))?", re.ASCII)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:T?(\d{2})(\d{2})(\d{2})?(Z?))?", re.ASCII)
_EUROPEAN = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})(?:[T ,]+(.*))?", re.ASCII)
_MONTH_YEAR = re.compile(r"(?:(\d{1,2}) +(?:de +)?)?([^\W\d]+)[ /,.-]+(?:de +)?(\d{4})")
_CLOCK = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?\s*(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?(?:\[[\w/]+\])?",
    re.ASCII | re.IGNORECASE,
)


class UnclearDate(ValueError):
    """Text that is not a date, or could be two different ones."""


@lru_cache(maxsize=10_000)
def date_from_text(text: str, order: str | None = None) -> datetime:
    """An instant in UTC. A date without time is midnight in UTC, a time without zone is in UTC, and a month is its
    first day.

    ``order`` "dmy" or "mdy" says how "03/04/2020" is meant; without it such a date is refused if both readings are
    possible. With dots ("03.04.2020") the day always comes first. Raise :class:`UnclearDate`.
    """
    text = text.strip()
    if found := _ISO.fullmatch(text):
        year, month, day, clock = found.groups()
        return _instant(int(year), int(month), int(day or 1), clock)
    if found := _COMPACT.fullmatch(text):
        year, month, day, hour, minute, second, _ = found.groups()
        return _instant(int(year), int(month), int(day), f"{hour}:{minute}:{second or '00'}" if hour else None)
    if found := _EUROPEAN.fullmatch(text):
        first, mark, second, year, clock = found.groups()
        one, two = int(first), int(second)
        if one != two and one <= 12 and two <= 12 and mark != "." and order is None:
            raise UnclearDate("it is not clear which number is the day and which is the month")
        month_first = order == "mdy" if order and one <= 12 and two <= 12 else two > 12
        return _instant(int(year), one if month_first else two, two if month_first else one, clock)
    if (found := _MONTH_YEAR.fullmatch(text)) and (number := vocabulary.MONTHS.get(found[2].casefold())):
        return _instant(int(found[3]), number, int(found[1] or 1), None)
    raise UnclearDate("not a date")


def _instant(year: int, month: int, day: int, clock: str | None) -> datetime:
    try:
        midnight = datetime(year, month, day, tzinfo=UTC)
        if not clock:
            return midnight
        found = _CLOCK.fullmatch(clock.strip())
        if not found:
            raise UnclearDate("not a time of day")
        hour, minute, second, fraction, zone = found.groups()
        offset = timedelta()
        if zone and zone[0] in "+-":
            digits = zone[1:].replace(":", "").ljust(4, "0")
            offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:])) * (-1 if zone[0] == "-" else 1)
        if int(hour) == 24 and int(minute) == 0:
            return midnight + timedelta(days=1) - offset
        micro = int((fraction or "0")[:6].ljust(6, "0"))
        return midnight.replace(hour=int(hour), minute=int(minute), second=int(second or 0), microsecond=micro) - offset
    except (ValueError, OverflowError) as error:
        raise UnclearDate(str(error) if isinstance(error, UnclearDate) else "no such date") from error


def read_date(value: Any, field: str, ledger: NotUnderstood, order: str | None = None) -> datetime | None:
    """An instant in UTC between 1970 and 2100. Numbers are seconds or milliseconds since 1970, or the digits of a day:
    20240115."""
    if value is None or value == "" or (isinstance(value, str) and value.strip().casefold() in vocabulary.NOTHING):
        return None
    try:
        instant = (
            date_from_text(str(value), order)
            if isinstance(value, str) or _is_day(value)
            else _EPOCH + timedelta(seconds=_seconds(value))
        )
    except (UnclearDate, ArithmeticError) as unclear:
        ledger.add(f"{field}: {unclear if isinstance(unclear, UnclearDate) else 'no such date'}", value)
        return None
    if not _EARLIEST <= instant < _LATEST:
        ledger.add(f"{field}: a date outside 1970-2100", value)
        return None
    return instant


def _is_day(value: Any) -> bool:
    """Whether a number means the digits of a day. As seconds, all such numbers would be in the first months of a year
    without such data."""
    return type(value) is int and 19_700_101 <= value <= 20_991_231


def _seconds(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | Decimal) or not abs(Decimal(value)) < 10**14:
        raise UnclearDate("not a date")
    whole = int(value)
    return whole // 1000 if abs(whole) >= 10**11 else whole


def read_currency(value: Any, field: str, ledger: NotUnderstood) -> str | None:
    """The ISO 4217 code, from a code in upper or lower case, or from a sign or name that means only one currency."""
    if value is None or value == "":
        return None
    text = read_text(value, field, ledger)
    if not text:
        return None
    code = vocabulary.CURRENCY_WORDS.get(text.casefold().rstrip("."), text.upper())
    try:
        minor_units(code)
    except UnknownCurrency:
        ledger.add(f"{field}: unknown currency", value)
        return None
    return code


def read_choice(value: Any, field: str, table: Callable[[str], str | None], ledger: NotUnderstood) -> str:
    """A code of a codelist, by the table of its spellings; "" if absent or unknown."""
    text = read_text(value, field, ledger)
    if not text:
        return ""
    code = table(text)
    if code is None:
        ledger.add(f"{field}: unknown word", value)
    return code or ""
