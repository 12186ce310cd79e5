"""Monthly figures of one item, updated with each event. It is only a view, not the reference: prices are nominal, and
outliers are included."""

from datetime import date
from decimal import Decimal

import msgspec

from catalogue.rules import RuleBroken
from services.observatory.domain.observation import Observation
from services.observatory.domain.price import ARITHMETIC, Valuation, month_of, priced


class MonthlyPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What one price adds to its month. Different series, currencies and base units are never mixed."""

    item_key: str
    month: str
    currency: str
    unit: str
    price: Decimal
    date: date
    observation_id: str


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """Prices of one ``month`` per ``unit``. ``series`` is contract, award or bid: an award and its contract are two
    facts, so they are counted separately. ``last`` is the price of the latest day; of several on that day, the one with
    the greatest id."""

    series: str
    month: str
    currency: str
    unit: str
    count: int
    low: Decimal
    high: Decimal
    total: Decimal
    last: Decimal

    @property
    def mean(self) -> Decimal:
        return ARITHMETIC.divide(self.total, Decimal(self.count))


def entry(seen: Observation) -> MonthlyPrice | None:
    """The entry of an observation; None if its price cannot be made comparable (the reference says why).

    A price that is cancelled later stays in its month, because the lowest and highest price cannot be recomputed.
    """
    if seen.cancelled:
        return None
    try:
        found = priced(seen, Valuation(at=seen.date, currency=seen.currency))
    except RuleBroken:
        return None
    return MonthlyPrice(
        item_key=seen.item_key,
        month=month_of(seen.date),
        currency=seen.currency,
        unit=found.unit,
        price=found.price,
        date=seen.date,
        observation_id=seen.observation_id,
    )
