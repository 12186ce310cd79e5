"""Days and months in the reader's language, and dates in texts."""

from datetime import date, datetime

from babel.dates import format_date, format_skeleton

from infra.web.languages import ENGLISH, date_of, plain, spoken


def date_in(text: str) -> str:
    """A text that is a date, such as the end of performance in a contract's terms, in the form of :func:`date_of`; any
    other text is unchanged."""
    found = plain(text)
    return date_of(found) if isinstance(found, date) and not isinstance(found, datetime) else text


def month_in(text: str) -> str:
    """``2026-11`` in the form of :func:`month`; any other text is unchanged."""
    first = plain(f"{text}-01")
    return month(first) if isinstance(first, date) else text


def month(value: date) -> str:
    """The month of a date: ``November 2026``."""
    return format_skeleton("yMMMM", value, locale="en_GB" if spoken() == ENGLISH else spoken())


def day(wall: datetime, long: bool = False) -> str:
    """A local date in words: ``26 Nov``, or with ``long``: ``Thursday, 26 November 2026``."""
    locale = "en_GB" if spoken() == ENGLISH else spoken()
    return format_date(wall, "full", locale=locale) if long else format_skeleton("MMMd", wall, locale=locale)
