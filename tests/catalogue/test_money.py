from decimal import Decimal as D

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.money import (
    AmountNotRounded,
    CurrencyMismatch,
    Money,
    NegativeWeight,
    NothingToSplitBy,
    TotalNotLower,
    UnknownCurrency,
    apportion,
    lower_in_proportion,
    minor_units,
    round_down,
    round_money,
    split,
    unit_price,
)

CURRENCIES = st.sampled_from(["EUR", "JPY", "KWD"])


def money(minor: int, currency: str) -> Money:
    return Money(D(minor).scaleb(-minor_units(currency)), currency)


@pytest.mark.parametrize(
    ("currency", "digits"), [("EUR", 2), ("JPY", 0), ("CLP", 0), ("PYG", 0), ("KWD", 3), ("CLF", 4)]
)
def test_minor_units_follow_iso_4217(currency, digits):
    assert minor_units(currency) == digits


def test_an_unknown_currency_is_refused_by_name():
    with pytest.raises(UnknownCurrency) as refused:
        Money(D(1), "RUR")
    assert refused.value.as_dict()["numbers"] == {"currency": "RUR"}


@pytest.mark.parametrize(
    ("amount", "rounded"), [("0.125", "0.12"), ("0.135", "0.14"), ("-0.125", "-0.12"), ("2", "2.00")]
)
def test_halves_round_to_even(amount, rounded):
    assert str(round_money(D(amount), "EUR")) == rounded


def test_currencies_never_mix():
    with pytest.raises(CurrencyMismatch):
        assert Money(D(1), "EUR") < Money(D(2), "USD")
    with pytest.raises(CurrencyMismatch):
        Money(D(1), "EUR") + Money(D(2), "USD")
    assert Money(D(1), "EUR") != Money(D(1), "USD")


def test_the_remainder_goes_to_the_largest_fraction_then_the_smaller_id():
    assert split(Money(D("0.05"), "EUR"), {"b": D(1), "a": D(1), "c": D(0)}) == {
        "b": Money(D("0.02"), "EUR"),
        "a": Money(D("0.03"), "EUR"),
        "c": Money(D("0.00"), "EUR"),
    }
    assert split(Money(D("1.00"), "EUR"), {"a": D(1), "b": D(2)})["b"].amount == D("0.67")


def test_a_credit_splits_like_its_positive():
    assert apportion(D("-0.05"), {"a": D(1), "b": D(1)}, D("0.01")) == {"a": D("-0.03"), "b": D("-0.02")}


def test_an_amount_that_cannot_be_split_is_refused_with_the_rule():
    one = Money(D(1), "EUR")
    with pytest.raises(NothingToSplitBy):
        split(one, {"a": D(0)})
    with pytest.raises(NothingToSplitBy):
        split(one, {})
    with pytest.raises(NegativeWeight):
        split(one, {"a": D(2), "b": D(-1)})
    with pytest.raises(AmountNotRounded):
        split(Money(D("0.001"), "EUR"), {"a": D(1)})


@given(
    st.integers(-(10**12), 10**12),
    CURRENCIES,
    st.dictionaries(st.text(max_size=3), st.decimals(0, 10**6, places=3), min_size=1, max_size=8).filter(
        lambda weights: any(weights.values())
    ),
)
def test_parts_sum_exactly_and_stay_within_one_minor_unit_of_their_share(minor, currency, weights):
    total = money(minor, currency)
    parts = split(total, weights)
    assert sum(part.amount for part in parts.values()) == total.amount
    for key, part in parts.items():
        share = total.amount * weights[key] / sum(weights.values())
        assert abs(part.amount - share) < D(1).scaleb(-minor_units(currency)) + D("1e-9")
    assert split(total, dict(reversed(weights.items()))) == parts


@given(CURRENCIES, st.lists(st.integers(0, 10**9), min_size=1, max_size=8), st.data())
def test_lowered_lines_sum_to_the_new_total_and_none_rises(currency, minors, data):
    lines = {f"line-{n}": money(minor, currency) for n, minor in enumerate(minors)}
    new_total = money(data.draw(st.integers(0, sum(minors))), currency)
    lowered = lower_in_proportion(lines, new_total)
    assert sum(line.amount for line in lowered.values()) == new_total.amount
    assert all(Money(D(0), currency) <= lowered[key] <= lines[key] for key in lines)


def test_a_higher_total_is_not_lower():
    with pytest.raises(TotalNotLower):
        lower_in_proportion({"a": Money(D(1), "EUR")}, Money(D("1.01"), "EUR"))


@given(st.integers(0, 10**9), st.integers(1, 9_999), CURRENCIES)
def test_quantity_times_unit_price_rounds_back_to_the_line(minor, quantity, currency):
    line = money(minor, currency)
    assert (unit_price(line, D(quantity)) * quantity).rounded() == line


@pytest.mark.parametrize(
    ("ceiling", "currency", "payable"),
    [
        ("519.439997", "RUB", "519.43"),
        ("519.44", "RUB", "519.44"),
        ("1250.9", "JPY", "1250"),
        ("0.0034", "EUR", "0.0034"),
    ],
)
def test_what_a_ceiling_allows_to_be_paid_is_not_above_it(ceiling: str, currency: str, payable: str) -> None:
    assert str(round_down(D(ceiling), currency)) == payable
