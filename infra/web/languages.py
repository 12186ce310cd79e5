"""The reader's language, and words, numbers and dates in it.

Sentences are written in English in the code: ``{{ _("…") }}`` and ``{% trans %}`` in templates, :func:`gettext` in
pages. Other languages are gettext catalogs, which are read when the process starts, without a compile step: for each
language one file in ``infra/web/locale/`` for the layout and one in ``services/<name>/locale/`` for the service's
pages. Sentences without an entry stay English.

Every page is translated: mark its sentences, and run ``tests/infra/test_languages.py``, which reports sentences that
are not marked and entries that are missing. A refusal is translated by its rule's code, as an entry with the context
``refusal`` and the refusal's numbers as placeholders (:func:`refusal`). If a rule has several sentences with different
numbers, an entry has their names after the code: ``price-not-positive: line, price``. To add a language, add one line
to ``LANGUAGES`` and its files.
"""

import gettext as standard
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal, InvalidOperation
from functools import cache
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_datetime
from babel.messages.catalog import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from catalogue.numbers import written_out
from catalogue.rules import AllOf, AnyOf, KeyReused, Minutes, RuleBroken, Several, Typed, Value
from catalogue.units import UNITS, parse_unit, unit_word
from events.values import Refusal

ENGLISH = "en"
LANGUAGES = {ENGLISH: "English", "es": "Español", "ru": "Русский"}
COOKIE = "lonja_language"
PROJECT = Path(__file__).parents[2]
_spoken: ContextVar[str] = ContextVar("language", default=ENGLISH)


def spoken() -> str:
    """The current language: that of the request that is being answered, else English."""
    return _spoken.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    token = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(token)


def speak(language: str) -> None:
    """Set the language until the end of this request, which has its own context."""
    _spoken.set(language)


# Words


def gettext(sentence: str, **facts: object) -> str:
    """The sentence in the reader's language, its ``%(name)s`` filled in as the reader writes them."""
    words = translations(spoken()).gettext(sentence)
    return words % shown(facts) if facts else words


def pgettext(context: str, words: str) -> str:
    """Words that mean different things in different places, such as a unit or a state."""
    return translations(spoken()).pgettext(context, words)


def ngettext(singular: str, plural: str, count: int) -> str:
    return translations(spoken()).ngettext(singular, plural, count)


def refusal(code: str, sentence: str, numbers: Mapping[str, object], currency: str = "", zone: str = "") -> str:
    """Why a rule refused: in English the sentence itself, else the catalog's entry for the rule's code.

    ``numbers`` are those of the refusal. A text among them is shown unchanged, even if it looks like a number, because
    somebody may have typed it. ``currency`` may also be used in the entry. Instants are shown in the time of ``zone``,
    "" for UTC. If the code is unknown or a number is missing, the English sentence is used. Numbers, dates and instants
    in it are also written in the reader's form; only the API gives the sentence as published.
    """
    several = with_numbers(code, numbers)
    numbers = {name: _length(name, value) for name, value in numbers.items()}
    words = pgettext("refusal", several)
    if words == several:
        words = pgettext("refusal", code)
    if spoken() == ENGLISH or words == code:
        return _in_english(sentence, numbers, zone)
    try:
        told = {name: _told(name, value, zone) for name, value in numbers.items()}
        return words % ({"currency": currency} | told)
    except KeyError:
        return _in_english(sentence, numbers, zone)


RENAMED = {
    "too-many-sessions-open": "too-many-auctions-open",
    "bad-quantity: size": "pack-not-positive",
    "line-not-complete: ": "line-id-repeated",
    "nobody-left: firm": "no-pack-filled",
    "not-lower: amount, price": "above-initial-price",
}
"""Codes in events of former releases, with their new codes. Where a code stood for two rules, the key has the names of
the numbers of one of them (:func:`with_numbers`)."""
FORMER = frozenset({"line-not-complete: below, line, quantity, unit_price", "pack-not-positive: size"})
"""The entries for sentences that are only in events of former releases, because they stated two rules in one or their
numbers had other names."""


def kept_refusal(kept: Refusal, currency: str = "", zone: str = "") -> str:
    """:func:`refusal` for a refusal in an event."""
    texts = {each.name: each.value for each in kept.numbers}
    code = RENAMED.get(with_numbers(kept.rule, texts)) or RENAMED.get(kept.rule, kept.rule)
    return refusal_in_texts(code, kept.message, texts, currency, zone)


def refusal_in_texts(code: str, sentence: str, texts: Mapping[str, str], currency: str = "", zone: str = "") -> str:
    """:func:`refusal` for a refusal whose numbers were stored as texts."""
    numbers = {name: text if name in AS_WRITTEN else _value(text) for name, text in texts.items()}
    return refusal(code, sentence, numbers, currency, zone)


AS_WRITTEN = {
    "asked_category",
    "category",
    "description",
    "given",
    "gtin",
    "line",
    "part",
    "sku",
    "text",
    "unknown",
    "value",
}
"""Names of values in refusals that are codes or texts of people. Even if they consist of digits they are not amounts,
whose digits would be grouped."""


def _told(name: str, value: object, zone: str) -> str:
    """A value of a refusal in the form for a sentence in the reader's language."""
    if name in AS_WRITTEN or isinstance(value, Typed):
        return str(value)
    if name == "asked":
        return pgettext("unit", str(value))
    return unit_name(str(value)) if name.endswith("unit") and value in UNITS else value_text(value, zone)


def _length(name: str, value: object) -> object:
    """The value; a number of minutes, which the name says that it is, as :class:`Minutes`. Pages and sentences write all
    lengths with :func:`duration`."""
    return Minutes(value) if name.endswith("minutes") and isinstance(value, int | Decimal) else value


def with_numbers(code: str, numbers: Iterable[str]) -> str:
    """The name of the entry for a rule's sentence with exactly these numbers."""
    return f"{code}: {', '.join(sorted(numbers))}"


def refusal_text(broken: RuleBroken, currency: str = "", zone: str = "") -> str:
    """Return a refusal in the reader's language; for a key that was used before, in words for a person who sees a form.
    ``zone`` is the zone of the times in the form. If a refusal has ``because``, the entry is that of the reason."""
    sentence = broken.of_a_form if isinstance(broken, KeyReused) else broken.message
    because = broken.numbers.get("because")
    if isinstance(because, str):
        code = because if pgettext("refusal", because) != because else broken.code
        texts = {name: str(each) for name, each in broken.numbers.items()}
        return refusal_in_texts(code, sentence, texts, currency, zone)
    return refusal(broken.code, sentence, broken.numbers, currency, zone)


def _in_english(sentence: str, numbers: Mapping[str, object], zone: str) -> str:
    """The English sentence with its numbers, dates and instants in the form of the page: the digits of 83,737.62 are
    grouped with the page's separator."""
    told: dict[str, str] = {}
    for name, value in numbers.items():
        if name not in AS_WRITTEN:
            told |= _published(value, zone)
    forms = "|".join(re.escape(form) for form in sorted(told, key=len, reverse=True) if form != told[form])
    if not forms:
        return sentence
    return re.sub(rf"(?<![\w.,:/-])(?:{forms})(?![\w/-]|[.,:]\w)", lambda form: told[form[0]], sentence)


def _published(value: object, zone: str) -> dict[str, str]:
    """The form of a refusal's value in English sentences, and its form on pages."""
    text = str(value)
    match value:
        case datetime() as instant:
            utc, told = _on_the_clock_of(UTC, instant), value_text(instant, zone)
            minute, second = f"{utc:%Y-%m-%d %H:%M} UTC", f"{utc:%Y-%m-%d %H:%M:%S} UTC"
            return {minute: moment(instant, zone=zone), second: told, text: told}
        case date() as day:
            return {text: date_of(day)}
        case Minutes() | Several():
            return {text: value_text(value, zone)}
        case Decimal() as number:
            return dict.fromkeys((text, written_out(number), written_out(number, ",f")), value_text(number))
        case int() as count:
            return dict.fromkeys((text, f"{count:,}"), value_text(count))
    return {}


def unit_name(code: str) -> str:
    """The name of a unit of measure, by its UNECE code."""
    return pgettext("unit", unit_word(code))


def unit_text(text: str) -> str:
    """A unit as somebody wrote it, such as that of an attribute: its name if it can be read, else the text itself."""
    found = parse_unit(text)
    return unit_name(found.code) if found else text


def value_text(value: object, zone: str = "") -> str:
    """Return a number, a date, an instant or a word in the reader's form; numbers keep their decimals."""
    match value:
        case datetime() as instant:
            return moment(instant, seconds=True, zone=zone)
        case date() as day:
            return date_of(day)
        case Decimal() as number:
            return written(written_out(number, ",f"))
        case Minutes() as length:
            return duration(length)
        case int() as count:
            return written(f"{count:,}")
        case Several() as several:
            return _joined(several, zone)
        case None:
            return "–"
    return _word(str(value))


def plain(text: str) -> Value:
    """The original value of a refusal's text in an event: a number, a date, an instant, None, or a word."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d.*[+-]\d\d:\d\d", text):
            return datetime.fromisoformat(text)
        if re.fullmatch(r"\d{4}-\d\d-\d\d", text):
            return date.fromisoformat(text)
        return (
            Decimal(text)
            if re.fullmatch(r"-?(0|[1-9]\d*)(\.\d+)?(E[+-]?\d+)?", text)
            else None
            if text == "None"
            else text
        )
    except (InvalidOperation, ValueError):
        return text


def _joined(several: Several, zone: str) -> str:
    """The values of a list in the reader's form, with the reader's "or" or "and"."""
    told = [value_text(each, zone) for each in several]
    if len(told) < 2 or not isinstance(several, AnyOf | AllOf):
        return ", ".join(told)
    *others, last = told
    return f"{', '.join(others)} {pgettext('list', several.joint.strip())} {last}"


def _word(text: str) -> str:
    """A word, or a list that was stored as a text, in the reader's language. A text that has a part without an entry is
    unchanged, because a person may have typed it."""
    words = pgettext("refusal value", text)
    if words != text:
        return words
    for parts in _lists(text):
        if all(not isinstance(each, str) or value_text(each) != each for each in parts):
            return _joined(parts, "")
    return text


def _value(text: str) -> Value:
    """The original value of a text that was stored: as :func:`plain`, a length, or a list of numbers and lengths."""
    for parts in _lists(text):
        if not any(isinstance(each, str) for each in parts):
            return parts
    return _part(text)


def _lists(text: str) -> Iterator[Several]:
    """The lists that the text may be."""
    for kind in (AnyOf, AllOf, Several):
        if kind.joint in text:
            yield kind(_part(part) for part in text.split(kind.joint))


def _part(text: str) -> Value:
    """The original value of one part of a list that was stored as a text."""
    found = _LENGTH.fullmatch(text)
    if found is None or found.lastindex is None:
        return plain(text)
    days, hours, minutes = (int(each or 0) for each in found.groups())
    return Minutes((days * 24 + hours) * 60 + minutes)


_LENGTH = re.compile(r"(?:(\d{1,4}) days)?(?:(\d{1,4}) h)? ?(?:(\d{1,4}) min)?")
"""The form of :class:`Minutes` in English."""


def duration(minutes: float) -> str:
    """90 → ``1 h 30 min``; below one minute, seconds."""
    hours, rest = divmod(round(minutes), 60)
    hour, minute, second = pgettext("duration", "h"), pgettext("duration", "min"), pgettext("duration", "s")
    if 0 < minutes < 1:
        return f"{round(minutes * 60)} {second}"
    return " ".join(
        part for part in (f"{hours} {hour}" if hours else "", f"{rest} {minute}" if rest or not hours else "") if part
    )


@cache
def translations(language: str) -> standard.NullTranslations:
    """All catalogs of a language as one."""
    if language == ENGLISH:
        return standard.NullTranslations()
    together = Catalog(locale=language)
    for path in catalogs(language):
        for message in catalog(path, language):
            if message.id:
                together[message.id] = message
    compiled = BytesIO()
    write_mo(compiled, together)
    compiled.seek(0)
    return standard.GNUTranslations(compiled)


def catalogs(language: str) -> list[Path]:
    return sorted([*PROJECT.glob(f"infra/web/locale/{language}.po"), *PROJECT.glob(f"services/*/locale/{language}.po")])


def catalog(path: Path, language: str) -> Catalog:
    with path.open(encoding="utf-8") as file:
        return read_po(file, locale=language, abort_invalid=True)


# Numbers and dates

NARROW_SPACE = "\u202f"
_DECIMAL_SIGN = {language: Locale(language).number_symbols["latn"]["decimal"] for language in LANGUAGES}


def written(number: str) -> str:
    """``1,234.50`` in the reader's form: narrow no-break spaces between groups, and the decimal sign of the
    language."""
    return number.translate({ord(","): NARROW_SPACE, ord("."): _DECIMAL_SIGN[spoken()]})


def moment(instant: datetime, *, seconds: bool = False, zone: str = "") -> str:
    """An instant as text, in the time of the zone; "" means UTC, which is then named in the text."""
    language = spoken()
    pattern = "yyyy-MM-dd" if language == ENGLISH else Locale(language).date_formats["medium"].pattern
    clock = "HH:mm:ss" if seconds else "HH:mm"
    wall = _on_the_clock_of(ZoneInfo(zone) if zone else UTC, instant).replace(tzinfo=None)
    return format_datetime(wall, f"{pattern} {clock}", locale=language) + (f" ({zone})" if zone else " UTC")


def _on_the_clock_of(zone: tzinfo, instant: datetime) -> datetime:
    """The instant in the zone; unchanged at either end of the calendar, where the zone may have no such day."""
    try:
        return instant.astimezone(zone)
    except OverflowError:
        return instant


def date_of(value: date) -> str:
    """A date without a time, in the form of :func:`moment`."""
    return format_date(value, "yyyy-MM-dd" if spoken() == ENGLISH else "medium", locale=spoken())


def shown(facts: Mapping[str, object]) -> dict[str, object]:
    """The facts of a sentence, with dates and decimals in the reader's form."""
    return {name: value_text(fact) if isinstance(fact, Decimal) else dated(fact) for name, fact in facts.items()}


def dated(value: object) -> object:
    """A date or an instant in the reader's form, anything else unchanged. Templates show values with it."""
    if isinstance(value, datetime):
        return moment(value)
    return date_of(value) if isinstance(value, date) else value
