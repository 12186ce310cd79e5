from datetime import UTC, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.transparency.ocds import tolerance
from services.transparency.ocds.tolerance import NotUnderstood, read_currency, read_date, read_decimal, read_text


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("1.234,56", "1234.56"),
        ("1,234.56", "1234.56"),
        ("12 000", "12000"),
        ("12\u00a0000,5", "12000.5"),
        ("1'234.50", "1234.50"),
        ("5.000.000", "5000000"),
        ("1,234,567", "1234567"),
        ("R$ 1.000,00", "1000.00"),
        ("1 200 EUR", "1200"),
        ("₲ 5.000.000", "5000000"),
        ("(12.50)", "-12.50"),
        ("-3", "-3"),
        ("12,5", "12.5"),
        ("0,125", "0.125"),
        ("1.234", "1.234"),
        (".5", "0.5"),
        ("1e3", "1000"),
        (7, "7"),
        (Decimal("1.10"), "1.10"),
    ],
)
def test_numbers_are_read_as_they_are_written(written: object, number: str, ledger: NotUnderstood) -> None:
    assert read_decimal(written, "amount", ledger) == Decimal(number)
    assert not ledger.kinds


@pytest.mark.parametrize(
    "written",
    [
        "1,234",
        "abc",
        "1.2.3",
        "12,34,5",
        "NaN",
        "Infinity",
        Decimal("NaN"),
        Decimal("1E+999999"),
        "9" * 5000,
        True,
        [],
        {},
        "1-2",
    ],
)
def test_an_unreadable_or_ambiguous_number_is_counted_and_left_out(written: object, ledger: NotUnderstood) -> None:
    assert read_decimal(written, "amount", ledger) is None
    assert ledger.total() == 1


def test_a_source_that_states_its_convention_is_believed(ledger: NotUnderstood) -> None:
    assert read_decimal("1,234", "q", ledger, decimal_mark=".") == 1234
    assert read_decimal("1.234", "q", ledger, decimal_mark=".") == Decimal("1.234")
    assert read_decimal("1.234", "q", ledger, decimal_mark=",") == 1234
    assert read_decimal("1.600", "q", ledger, thousands=".") == 1600
    assert read_decimal("60000.0", "q", ledger, thousands=".") == 60000


@pytest.mark.parametrize("written", [None, "", "N/A", "-", "null", "s/d"])
def test_absence_is_not_counted(written: object, ledger: NotUnderstood) -> None:
    assert read_decimal(written, "amount", ledger) is None
    assert read_date(written, "date", ledger) is None
    assert not ledger.kinds


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("2020-02-03T04:05:06Z", datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("2020-02-03T04:05:06.1234567+0400", datetime(2020, 2, 3, 0, 5, 6, 123456, tzinfo=UTC)),
        ("2020-02-03T04:05:06-04:00", datetime(2020, 2, 3, 8, 5, 6, tzinfo=UTC)),
        ("2016-06-30T17:21:10.000000Z", datetime(2016, 6, 30, 17, 21, 10, tzinfo=UTC)),
        ("2020-02-03 04:05", datetime(2020, 2, 3, 4, 5, tzinfo=UTC)),
        ("2020-02-03", datetime(2020, 2, 3, tzinfo=UTC)),
        ("2025/01/02 00:00:00.000", datetime(2025, 1, 2, tzinfo=UTC)),
        ("20200203", datetime(2020, 2, 3, tzinfo=UTC)),
        ("20200203T040506Z", datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC)),
        ("13/02/2020", datetime(2020, 2, 13, tzinfo=UTC)),
        ("02/13/2020", datetime(2020, 2, 13, tzinfo=UTC)),
        ("03.02.2020 10:00", datetime(2020, 2, 3, 10, tzinfo=UTC)),
        ("2020-02", datetime(2020, 2, 1, tzinfo=UTC)),
        ("Febrero/2024", datetime(2024, 2, 1, tzinfo=UTC)),
        ("3 de marzo de 2024", datetime(2024, 3, 3, tzinfo=UTC)),
        ("2020-12-31T24:00:00Z", datetime(2021, 1, 1, tzinfo=UTC)),
        (1580702706, datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC)),
        (1580702706000, datetime(2020, 2, 3, 4, 5, 6, tzinfo=UTC)),
        (20240115, datetime(2024, 1, 15, tzinfo=UTC)),
    ],
)
def test_dates_are_read_as_they_are_written(written: object, instant: datetime, ledger: NotUnderstood) -> None:
    assert read_date(written, "date", ledger) == instant
    assert not ledger.kinds


@pytest.mark.parametrize(
    "written",
    [
        "03/04/2020",
        "2020-13-01",
        "2020-02-30",
        "0001-01-01T00:00:00Z",
        "soon",
        "31/31/2020",
        True,
        10**30,
        ["2020"],
        20241301,
    ],
)
def test_an_unreadable_or_ambiguous_date_is_counted(written: object, ledger: NotUnderstood) -> None:
    assert read_date(written, "date", ledger) is None
    assert ledger.total() == 1


def test_a_stated_order_settles_which_is_the_month(ledger: NotUnderstood) -> None:
    assert read_date("03/04/2020", "date", ledger, order="dmy") == datetime(2020, 4, 3, tzinfo=UTC)
    assert read_date("03/04/2020", "date", ledger, order="mdy") == datetime(2020, 3, 4, tzinfo=UTC)


def test_currencies_are_codes_signs_or_names_of_one_currency(ledger: NotUnderstood) -> None:
    assert [read_currency(text, "c", ledger) for text in ("mdl", "R$", " EUR ", "Gs.")] == ["MDL", "BRL", "EUR", "PYG"]
    assert not ledger.kinds
    assert [read_currency(text, "c", ledger) for text in ("XYZ", "$", 5)] == [None] * 3
    assert ledger.kinds == {"c: unknown currency": 3}


def test_text_is_safe_to_store(ledger: NotUnderstood) -> None:
    assert read_text("a\x00b\ud800c ", "t", ledger) == "abc"
    assert read_text({"en": "x"}, "t", ledger) == ""
    assert ledger.kinds == {"t: not a text": 1, "t: characters that cannot be shown": 1}


def test_the_ledger_stays_small_whatever_is_reported(ledger: NotUnderstood) -> None:
    for number in range(tolerance.MAX_KINDS + 500):
        ledger.add(f"unknown field: {number}", "x" * 10_000)
    assert len(ledger.kinds) == tolerance.MAX_KINDS + 1
    assert ledger.total() == tolerance.MAX_KINDS + 500
    assert all(len(example) <= 80 for examples in ledger.examples.values() for example in examples)


_anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.decimals(),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)


@settings(max_examples=settings.default.max_examples * 3 // 2)
@given(_anything)
def test_no_value_raises_and_none_is_lost_silently(value: object) -> None:
    ledger = NotUnderstood()
    number = read_decimal(value, "f", ledger)
    assert number is None or number.is_finite()
    read_date(value, "f", ledger)
    read_currency(value, "f", ledger)
    read_text(value, "f", ledger).encode()
