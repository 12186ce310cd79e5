"""Which mini-auctions may be opened: each rule at its boundary."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from catalogue import durations
from catalogue.categories import MalformedCategory, NotOneFunctionalGroup, UnknownDivision
from catalogue.openings import AboveReferencePrice, CeilingExceeded, NoLiveAuction, NotTheMarketsCurrency
from catalogue.policy import load
from catalogue.references import ReferencePrice
from catalogue.rules import (
    LineIdRepeated,
    LineQuantityNotPositive,
    PriceAbsurd,
    PriceNotPositive,
    QuantityAbsurd,
    RuleBroken,
    TitleMissing,
    UnknownKind,
)
from events.values import Category
from services.auctions.domain import opening
from services.auctions.domain.opening import OpenAuction
from tests.services.auctions.builders import A_DAY_OF_PAPER, MOSCOW, NOON_UTC, a_line, at_moscow, opened


def asking(**changes: Any) -> OpenAuction:
    return replace(A_DAY_OF_PAPER, **changes)


def worth(amount: str) -> tuple[Any, ...]:
    return (a_line(quantity="1", unit_price=amount),)


def test_an_opened_auction_has_amounts_a_step_and_an_end() -> None:
    event = opened(asking(lines=(a_line("1", "3", "33.335"), a_line("2", "1", "900")), title=" Paper "))
    assert [line.amount for line in event.lines] == [Decimal("100.00"), Decimal("900.00")]
    assert (event.initial_price, event.step) == (Decimal("1000.00"), Decimal("10.00"))
    assert (event.opens_at, event.closes_at) == (NOON_UTC, NOON_UTC + timedelta(hours=24))
    assert (event.title, event.policy, event.reference_ids) == ("Paper", "moscow", ())


@pytest.mark.parametrize(
    ("initial", "percent", "step"),
    [
        ("1000", "1", "10.00"),
        ("1000", "0.5", "5.00"),
        ("100.50", "1", "1.00"),  # 1.005 goes to the even cent
        ("101.50", "1", "1.02"),  # 1.015 likewise
        ("0.40", "0.5", "0.01"),  # never less than one minor unit
    ],
)
def test_the_step_is_rounded_half_even_once(initial: str, percent: str, step: str) -> None:
    assert opened(asking(lines=worth(initial), step_percent=Decimal(percent))).step == Decimal(step)


@pytest.mark.parametrize(
    ("changes", "broken"),
    [
        ({"standing": "suspended"}, opening.BuyerNotActive),
        ({"title": "  "}, TitleMissing),
        ({"currency": "EUR"}, NotTheMarketsCurrency),
        ({"lines": ()}, opening.AuctionWithoutLines),
        ({"lines": (a_line(), a_line())}, LineIdRepeated),
        ({"lines": (a_line(category=None),)}, opening.LineNotComplete),
        ({"lines": (a_line(quantity="0"),)}, LineQuantityNotPositive),
        ({"lines": (a_line(unit_price="-1"),)}, PriceNotPositive),
        ({"lines": (a_line(unit_price="NaN"),)}, PriceNotPositive),
        ({"lines": (a_line(unit_price="1E+12"),)}, PriceAbsurd),
        ({"lines": (a_line(quantity="NaN"),)}, LineQuantityNotPositive),
        ({"lines": (a_line(quantity="1E+99"),)}, QuantityAbsurd),
        ({"lines": (a_line(), a_line("2", category=Category(code="33190000")))}, NotOneFunctionalGroup),
        ({"category": Category(code="33190000")}, NotOneFunctionalGroup),
        ({"category": Category(code="30190000", scheme="UNSPSC")}, NotOneFunctionalGroup),
        ({"lines": (a_line(category=Category(code="banana")),)}, MalformedCategory),
        ({"category": Category(code="99")}, UnknownDivision),
        ({"kind": "wishes"}, UnknownKind),
        ({"lines": worth("5000000.01")}, CeilingExceeded),
        ({"lines": worth("3000000.01"), "kind": "works"}, CeilingExceeded),
        ({"lines": worth("3000000.01"), "kind": "services"}, CeilingExceeded),
        ({"lines": worth("0.01")}, opening.InitialPriceTooLow),
        ({"opens_at": NOON_UTC - timedelta(microseconds=1)}, opening.OpensInThePast),
        ({"duration_minutes": 60}, durations.DurationNotOffered),
        ({"duration_minutes": 180, "kind": "works"}, durations.DurationNotOffered),
        ({"duration_minutes": 180, "lines": worth("100000.01")}, durations.InitialPriceTooHighForDuration),
        ({"step_percent": Decimal("0.75")}, opening.StepNotOffered),
    ],
)
def test_an_auction_against_a_rule_is_refused_by_its_name(changes: dict[str, Any], broken: type[RuleBroken]) -> None:
    with pytest.raises(broken) as caught:
        opened(asking(**changes))
    assert caught.value.message.endswith(".")


def test_a_policy_without_live_auctions_opens_none() -> None:
    with pytest.raises(NoLiveAuction):
        opened(asking(currency="ARS"), policy=load("acordar"))


def test_the_refusal_of_a_price_that_rounds_to_zero_names_the_total_of_the_lines() -> None:
    with pytest.raises(opening.InitialPriceTooLow) as caught:
        opened(asking(lines=worth("0.000001")))
    assert (
        caught.value.message
        == "The total of all lines is 0.00 RUB. A bid one step of 0.01 RUB lower would not be above zero."
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"lines": worth("5000000")},
        {"lines": worth("3000000"), "kind": "works"},
        {"lines": (a_line(), a_line("2", category=Category(code="30230000")))},
        {"opens_at": NOON_UTC + timedelta(days=1)},
        {"lines": worth("0.02")},
    ],
)
def test_an_auction_just_inside_the_rules_is_opened(changes: dict[str, Any]) -> None:
    opened(asking(**changes))


@pytest.mark.parametrize(
    ("minutes", "hour", "minute", "second", "fits"),
    [
        (180, 9, 0, 0, True),
        (180, 8, 59, 59, False),
        (180, 12, 0, 0, True),
        (180, 12, 0, 1, False),
        (180, 23, 0, 0, False),  # it would end the next day at 02:00
        (360, 9, 0, 0, True),
        (360, 8, 59, 59, False),
        (360, 12, 0, 0, True),
        (360, 12, 0, 1, False),
        (1440, 23, 59, 59, True),
    ],
)
def test_windows_are_read_on_the_buyers_clock(minutes: int, hour: int, minute: int, second: int, fits: bool) -> None:
    command = asking(duration_minutes=minutes, opens_at=at_moscow(hour, minute, second))
    if fits:
        assert opened(command, now=at_moscow(3)).opens_at == command.opens_at
    else:
        with pytest.raises(durations.DurationOutsideWindow):
            opened(command, now=at_moscow(3))


def test_the_demo_runs_at_any_hour() -> None:
    event = opened(asking(duration_minutes=3), policy=load("demo"), now=at_moscow(22))
    assert event.closes_at - event.opens_at == timedelta(minutes=3)


@pytest.mark.parametrize("grade", ["A", "B"])
def test_a_published_reference_price_bounds_each_line_and_is_frozen_with_the_auction(grade: str) -> None:
    two = asking(lines=(a_line("1", unit_price="10"), a_line("2", unit_price="20")))
    exact = {"1": ReferencePrice("r1", grade, Decimal(10)), "2": ReferencePrice("r2", grade, Decimal(20))}
    assert opened(two, references=exact).reference_ids == ("r1", "r2")
    with pytest.raises(AboveReferencePrice) as caught:
        opened(two, references={**exact, "2": ReferencePrice("r2", grade, Decimal("19.99"))})
    assert caught.value.numbers["reference_price"] == Decimal("19.99")


def test_an_advisory_reference_price_bounds_nothing() -> None:
    assert opened(references={"1": ReferencePrice("r1", "C", Decimal(1))}).reference_ids == ()


def test_the_policys_numbers_decide_not_the_codes() -> None:
    generous = msgspec.structs.replace(
        MOSCOW.auction, ceilings={**MOSCOW.auction.ceilings, "goods": Decimal(9_000_000)}
    )
    policy = msgspec.structs.replace(MOSCOW, auction=generous)
    assert opened(asking(lines=worth("9000000")), policy=policy).initial_price == 9_000_000
