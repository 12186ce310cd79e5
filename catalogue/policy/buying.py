"""The other ways to buy: pools, direct purchases, quick quotes."""

from __future__ import annotations

from decimal import Decimal

from catalogue.policy.bounds import Count, Positive, Rules


class PoolRules(Rules, frozen=True, kw_only=True, omit_defaults=True):
    """Pools are kept with the rules they began under: what is as usual is left out, so that a former release reads them."""

    min_enrolment_days: Count
    """Working days an enrolment is open at least; 0: free."""
    open_in_all: Positive = 100
    """Pools that one buyer leads and that are not over, at most."""


class PurchaseRules(Rules, frozen=True, kw_only=True, omit_defaults=True):
    """Purchases are kept with the rules they were made under: what is as usual is left out, so that a former release reads them."""

    ceiling: Decimal
    answer_days: Positive
    """Working days the supplier has to accept or refuse."""
    contract_days: Positive
    """Longest contract, in working days."""
    in_demand: tuple[str, ...] = ()
    """CPV codes, or what they begin with, of goods in demand: of these only the cheapest offer of a SKU is bought."""
    open_to_one: Positive = 50
    """Requests of one buyer that one supplier has not answered yet, at most."""
    open_in_all: Positive = 300
    """Requests of one buyer that nobody has answered yet, at most."""

    def __post_init__(self) -> None:
        if self.ceiling <= 0:
            raise ValueError("the ceiling of a direct purchase is above zero")

    def cheapest_only(self, category: str) -> bool:
        return category.startswith(self.in_demand) if self.in_demand else False


class QuoteRules(Rules, frozen=True, kw_only=True, omit_defaults=True):
    """Quick quotes: sealed quotes until a deadline, then the buyer's choice.

    Requests are kept with the rules they began under: what is as usual is left out, so that a former release reads them.
    """

    min_minutes: Positive
    """A request takes quotes for so long at least."""
    max_days: Positive
    """And for so many days of the calendar at most."""
    settle_seconds: Count
    """The deadline waits this long for quotes that arrived before it."""
    choose_days: Positive
    """Working days after the deadline in which the buyer chooses; then the request lapses."""
    justification_characters: Positive
    """How long at least the reason is for a quote that is not the cheapest."""
    ceiling: Decimal | None = None
    """Highest total of a quote; None: none holds."""
    open_in_all: Positive = 300
    """Requests of one buyer that are not decided, at most."""
    longest_delivery_days: Positive = 365
    """A quote promises delivery within so many days at most."""

    def __post_init__(self) -> None:
        if self.ceiling is not None and self.ceiling <= 0:
            raise ValueError("the ceiling of a quick quote is above zero")
