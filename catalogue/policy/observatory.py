"""Rules for the price observatory: which prices count, which are outliers, and what is published of the others."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from catalogue.policy.bounds import Deviation, FieldNotValid, Months, Rules, SomeDeviation, between, several

Prices = Annotated[int, between(1, 1000)]
PriceKind = Literal["contract", "quote", "offer", "bid"]


class OutlierRules(Rules, frozen=True, kw_only=True):
    """How far from the others a price may lie, measured on the logarithm; fewer than ``fences_from`` prices are all kept."""

    z_from: Prices = 8
    """With this many prices or more, outliers are found by the modified z-score; with fewer, by Tukey's fences."""
    z_limit: SomeDeviation = Decimal("3.5")
    fences_from: Annotated[int, between(2, 1000)] = 4
    fences: SomeDeviation = Decimal("1.5")
    """The fences lie this many interquartile ranges beyond the quartiles."""
    flat_percent: SomeDeviation = Decimal(15)
    """If the median deviation is 0 and the quartiles are equal, prices up to this many percent from the median are kept."""

    def check(self) -> None:
        if self.z_from < self.fences_from:
            raise FieldNotValid("z_from", "must be at least fences_from, because fewer prices are all kept")


class ObservatoryRules(Rules, frozen=True, kw_only=True):
    """Rules for reference prices and their grades."""

    kinds: Annotated[tuple[PriceKind, ...], several(1, 4)] = ("contract", "quote", "offer", "bid")
    """Kinds of prices in the order in which they are tried: prices paid, then prices asked. The first kind with enough
    prices gives the reference. A kind that is not named is not used."""
    contract_months: Months = 12
    """For this long the price of a contract counts."""
    other_months: Months = 6
    fewest_prices: Prices = 3
    """The least number of kept prices for a reference."""
    fewest_suppliers: Prices = 3
    """A reference with fewer prices is advisory: grade C."""
    supplier_share_one_in: Prices = 3
    """The prices of one supplier together have at most the weight 1/n, where n is this number."""
    outliers: OutlierRules = OutlierRules()
    grade_a_percent: Deviation = Decimal(15)
    """The highest coefficient of variation of grade A, in percent."""
    grade_b_percent: Deviation = Decimal(33)
    decimal_places: Annotated[int, between(0, 6)] = 6
    """Decimals of published prices, which are rounded once, half to even. They are more than the minor unit has,
    because a tablet may cost 0.0237."""

    def check(self) -> None:
        if self.grade_b_percent < self.grade_a_percent:
            raise FieldNotValid("grade_b_percent", "must be at least grade_a_percent")
        if self.fewest_suppliers < self.supplier_share_one_in:
            raise FieldNotValid(
                "fewest_suppliers",
                "must be at least supplier_share_one_in, because fewer suppliers cannot each weigh so little",
            )

    @property
    def step(self) -> Decimal:
        """The step to which published prices are rounded."""
        return Decimal(1).scaleb(-self.decimal_places)


USUAL_OBSERVATORY = ObservatoryRules()
"""The rules that apply if a policy has none of its own."""
