"""Rules for the other ways to buy: pools, direct purchases, quick quotes."""

from __future__ import annotations

from typing import Annotated

from catalogue.policy.bounds import (
    CalendarDays,
    CategoryStart,
    Characters,
    FieldNotValid,
    Minutes,
    Money,
    Positive,
    Rules,
    SecondsOrNone,
    WorkingDays,
    WorkingDaysOrNone,
    several,
)


class PoolRules(Rules, frozen=True, kw_only=True, omit_defaults=True):
    """Rules for pools. Pools are stored with the rules under which they began: values equal to the defaults are left out, so
    that a former release can read them."""

    min_enrolment_days: WorkingDaysOrNone
    """The least number of working days for which an enrolment is open; 0: no minimum."""
    open_in_all: Positive = 100
    """The most pools that one buyer leads and that are not over."""


class PurchaseRules(Rules, frozen=True, kw_only=True, omit_defaults=True):
    """Rules for direct purchases. They are stored with each purchase; fields with the default value are left out, so
    that the former release can read them."""

    ceiling: Money
    answer_days: WorkingDays
    """Working days in which the supplier accepts or refuses."""
    contract_days: WorkingDays
    """The longest term of a contract, in working days."""
    in_demand: Annotated[tuple[CategoryStart, ...], several(0, 1000)] = ()
    """CPV codes, or their first digits, of goods in demand: of such a SKU only the cheapest offer may be bought."""
    open_to_one: Positive = 50
    """The most requests of one buyer that one supplier has not answered yet."""
    open_in_all: Positive = 300
    """The most requests of one buyer, to all suppliers, that are not answered yet."""

    def cheapest_only(self, category: str) -> bool:
        return category.startswith(self.in_demand) if self.in_demand else False


class QuoteRules(Rules, frozen=True, kw_only=True, omit_defaults=True):
    """Rules for quick quotes: sealed quotes until a deadline, then the buyer's choice.

    Requests are stored with the rules under which they began: values equal to the defaults are left out, so that a
    former release can read them.
    """

    min_minutes: Minutes
    """The shortest time in which a request accepts quotes."""
    max_days: CalendarDays
    """The longest such time, in calendar days."""
    settle_seconds: SecondsOrNone
    """The deadline waits this long for quotes that arrived before it."""
    choose_days: WorkingDays
    """Working days after the deadline in which the buyer chooses; then the request lapses."""
    justification_characters: Characters
    """The least number of characters of the reason for choosing a quote that is not the cheapest."""
    ceiling: Money | None = None
    """The highest total of a quote; None: no limit."""
    open_in_all: Positive = 300
    """The most undecided requests of one buyer."""
    longest_delivery_days: CalendarDays = 365
    """The most days within which a quote may promise delivery."""

    def check(self) -> None:
        if self.min_minutes > self.max_days * 24 * 60:
            raise FieldNotValid("min_minutes", "must not be longer than max_days")
