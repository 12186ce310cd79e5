"""A typed value is read in the forms that people and our pages use; an ambiguous value, or one out of bounds, is
refused beside its field."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated

import msgspec
import pytest

from catalogue.numbers import unambiguous
from events import bounds
from events.limits import OutOfBounds
from infra.web import CHOSEN, instant_in, misfits, read_form, read_instant, text_in
from infra.web.exact import arriving
from infra.web.forms import NotFitting
from infra.web.languages import speaking


def test_a_time_in_a_form_is_written_as_a_date() -> None:
    class Fields(msgspec.Struct):
        day: date

    for written in ("1796005000", "1796005000.5", "20270131"):
        value, errors = read_form({"day": written}, Fields)
        assert value is None and list(errors) == ["day"], written
        with pytest.raises((ValueError, OutOfBounds)):
            instant_in(written, "UTC")
    assert read_form({"day": "2027-01-31"}, Fields)[0] == Fields(date(2027, 1, 31))


@pytest.mark.parametrize("written", ["1_5", "٣", "１", "1e5", "1E2"])
def test_a_number_in_a_form_is_written_as_people_write_it(written: str) -> None:
    class Fields(msgspec.Struct):
        amount: bounds.Amount

    value, errors = read_form({"amount": written}, Fields)
    assert value is None and list(errors) == ["amount"]
    assert read_form({"amount": "1\u00a0250,40"}, Fields)[0] == Fields(Decimal("1250.40"))


@pytest.mark.parametrize("written", ["1.0", "1e2", "+1", "01", "1_0", "٣"])
def test_a_whole_number_in_a_form_has_only_digits(written: str) -> None:
    class Fields(msgspec.Struct):
        days: bounds.Days

    assert read_form({"days": written}, Fields) == (None, {"days": "must be a whole number"})
    assert read_form({"days": "10"}, Fields)[0] == Fields(10)


class Typed(msgspec.Struct):
    """A form for the tests."""

    name: bounds.Name = ""
    rate: bounds.Percent = Decimal(0)
    day: date | None = None
    amount: bounds.Amount = Decimal(0)
    minutes: Annotated[bounds.Minutes, CHOSEN] = 0
    days: bounds.Days = 0


@pytest.mark.parametrize(
    ("field", "typed", "said"),
    [
        ("rate", "1e400000000", ("must lie between 0 and 100", "debe estar entre 0 y 100", "должно быть от 0 до 100")),
        ("amount", "1e16", ("must be at most 1\u202f000\u202f000\u202f000\u202f000\u202f000", "como máximo 1", "не больше 1")),
        ("amount", "-1e16", ("must be above zero", "mayor que cero", "больше нуля")),
        ("minutes", "99999999", ("must be one of the choices", "una de las opciones", "один из вариантов")),
        ("days", "99999999", ("must be at most 3\u202f660", "como máximo 3\u202f660", "не больше 3\u202f660")),
        ("rate", "NaN", ("is not a finite number", "no es un número finito", "не является конечным числом")),
        ("rate", "120", ("must lie between 0 and 100", "debe estar entre 0 y 100", "должно быть от 0 до 100")),
        ("name", "\x1b[2J", ("has a character that", "contiene un carácter", "содержит символ")),
        ("name", "\u200b", ("has no visible character", "no tiene ninguna letra", "не содержит видимых")),
        ("name", "n" * 301, ("at most 300 characters", "300", "300")),
        ("day", "9999-12-31", ("must lie within 10 years", "10 años", "10 лет")),
    ],
)  # fmt: skip
def test_a_form_says_beside_its_field_what_is_out_of_bounds(field: str, typed: str, said: tuple[str, str, str]) -> None:
    for language, words in zip(("en", "es", "ru"), said, strict=True):
        with speaking(language), arriving(datetime(2026, 11, 28, tzinfo=UTC)):
            form, errors = read_form({field: typed}, Typed)
        assert form is None and words in errors[field]


def test_a_wall_clock_is_read_in_its_zone_and_within_ten_years() -> None:
    with arriving(datetime(2026, 11, 28, tzinfo=UTC)):
        assert instant_in("2027-01-31T18:00", "Europe/Moscow") == datetime(2027, 1, 31, 15, tzinfo=UTC)
        for far in ("9999-12-31T23:59", "0001-01-01T00:00", "2037-01-01T00:00"):
            with pytest.raises(OutOfBounds, match="10 years"):
                instant_in(far, "Europe/Moscow")
        for text in ("", "tomorrow", "2027-02-31T18:00"):
            with pytest.raises(ValueError):
                instant_in(text, "Europe/Moscow")


@pytest.mark.parametrize(
    ("typed", "words"), [("x" * 10_001, "characters"), ("x" * 500_000, "characters"), ("a\x00b", "cannot be shown")]
)
def test_a_text_that_does_not_fit_is_refused_at_its_field(typed: str, words: str) -> None:
    fields = {"reason": typed, "other": "is kept"}
    with pytest.raises(NotFitting) as refused:
        text_in(fields, "reason")
    assert refused.value.field == "reason"
    assert words in refused.value.message
    assert misfits(fields) == {"reason": refused.value.message}
    assert text_in(fields, "other") == "is kept"


@pytest.mark.parametrize("far", ["2101-01-31T09:00", "12026-01-31T09:00", "+12026-01-31T09:00"])
def test_the_error_of_a_time_too_far_away_says_how_far_it_may_be(far: str) -> None:
    with arriving(datetime(2026, 11, 29, tzinfo=UTC)):
        found, errors = read_instant({"at": far}, "at", "Europe/Moscow")
    assert found is None
    assert errors == {"at": "must lie within 10 years"}


@pytest.mark.parametrize("typed", ["1 234,50", "1\u00a0234.50", "1\u202f234.50"])
def test_a_number_is_read_as_our_pages_write_it(typed: str) -> None:
    form, errors = read_form({"amount": typed}, Typed)
    assert errors == {} and form is not None and form.amount == Decimal("1234.50")


@pytest.mark.parametrize("typed", ["1,200", "1.200", "-1.200", "120,000", " 1,200 "])
def test_a_number_that_could_be_a_thousand_times_as_large_is_refused_with_both_readings(typed: str) -> None:
    for language, sign in (("en", "."), ("es", ","), ("ru", ",")):
        with speaking(language):
            form, errors = read_form({"amount": typed}, Typed)
        large = typed.strip().replace(",", "").replace(".", "")
        small = {"1200": "1.2", "-1200": "-1.2", "120000": "120"}[large].replace(".", sign)
        assert form is None and f"{large} " in errors["amount"] and f" {small}:" in errors["amount"]


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("1,5", "1.5"), ("1 200", "1200"), ("0,125", "0.125"), ("1234,567", "1234.567"), ("1 234,567", "1234.567"),
     ("1.2340", "1.234"), ("1,20", "1.20")],
)  # fmt: skip
def test_a_number_with_one_meaning_is_taken(typed: str, meant: str) -> None:
    form, errors = read_form({"amount": typed}, Typed)
    assert errors == {} and form is not None and form.amount == Decimal(meant)


def test_a_number_whose_thousandfold_is_out_of_bounds_has_one_meaning() -> None:
    form, errors = read_form({"rate": "1,234"}, Typed)
    assert errors == {} and form is not None and form.rate == Decimal("1.234")


@pytest.mark.parametrize(
    "number", ["1.234", "999.001", "-1.234", "1200", "1.2", "0.125", "1234.567", "1.2345", "1000", "1.200"]
)
def test_what_a_page_fills_in_is_read_as_it_was(number: str) -> None:
    form, errors = read_form({"amount": unambiguous(Decimal(number))}, Typed)
    assert errors == {} and form is not None and form.amount == Decimal(number)


def test_a_form_that_asks_again_takes_a_decimal() -> None:
    form, _ = read_form({"amount": "985.001"}, Typed, asks=True)
    assert form is not None and form.amount == Decimal("985.001")
