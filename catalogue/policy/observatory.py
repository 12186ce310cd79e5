"""Rules for the price observatory: which prices count, which are outliers, and what is published of the others."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from msgspec import Meta

from catalogue.policy.bounds import FieldNotValid, Rules

Months = Annotated[int, Meta(ge=1, le=600)]
Few = Annotated[int, Meta(ge=1, le=1000)]
Kind = Literal["contract", "quote", "offer", "bid"]


class OutlierRules(Rules, frozen=True, kw_only=True):
    """How far from the others a price may lie, measured on the logarithm; fewer than ``fences_from`` prices are all kept."""

    z_from: Few = 8
    """With this many prices or more, outliers are found by the modified z-score; with fewer, by Tukey's fences."""
    z_limit: Decimal = Decimal("3.5")
    fences_from: Annotated[int, Meta(ge=2, le=1000)] = 4
    fences: Decimal = Decimal("1.5")
    """The fences lie this many interquartile ranges beyond the quartiles."""
    flat_percent: Decimal = Decimal(15)
    """If the median deviation is 0 and the quartiles are equal, prices up to this many percent from the median are kept."""

    def __post_init__(self) -> None:
        for name in ("z_limit", "fences", "flat_percent"):
            if not 0 < getattr(self, name) <= 1000:
                raise FieldNotValid(name, "must be above 0 and at most 1000")
        if self.z_from < self.fences_from:
            raise FieldNotValid("z_from", "must be at least fences_from, because fewer prices are all kept")


class ObservatoryRules(Rules, frozen=True, kw_only=True):
    """Rules for reference prices and their grades."""

    kinds: Annotated[tuple[Kind, ...], Meta(min_length=1)] = ("contract", "quote", "offer", "bid")
    """Kinds of prices in the order in which they are tried: prices paid, then prices asked. The first kind with enough
    prices gives the reference. A kind that is not named is not used."""
    contract_months: Months = 12
    """For this long the price of a contract counts."""
    other_months: Months = 6
    fewest_prices: Few = 3
    """The least number of kept prices for a reference."""
    fewest_suppliers: Few = 3
    """A reference with fewer prices is advisory: grade C."""
    supplier_share_one_in: Few = 3
    """The prices of one supplier together have at most the weight 1/n, where n is this number."""
    outliers: OutlierRules = OutlierRules()
    grade_a_percent: Decimal = Decimal(15)
    """The highest coefficient of variation of grade A, in percent."""
    grade_b_percent: Decimal = Decimal(33)
    decimal_places: Annotated[int, Meta(ge=0, le=6)] = 6
    """Decimals of published prices, which are rounded once, half to even. They are more than the minor unit has,
    because a tablet may cost 0.0237."""

    def __post_init__(self) -> None:
        if len(set(self.kinds)) < len(self.kinds):
            raise FieldNotValid("kinds", "must name each kind once")
        if not 0 <= self.grade_a_percent <= 1000:
            raise FieldNotValid("grade_a_percent", "must lie between 0 and 1000")
        if not self.grade_a_percent <= self.grade_b_percent <= 1000:
            raise FieldNotValid("grade_b_percent", "must lie between grade_a_percent and 1000")
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
