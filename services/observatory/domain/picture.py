"""Pictures of comparable prices of one item, unit and currency: over time, their distribution, and by place.

Suppliers have the same weights as in the reference (each at most 1/``share_one_in``), so that a picture agrees with the
figure beside it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from math import isqrt

import msgspec

from events.values import Place
from services.observatory.domain.price import ARITHMETIC, PricedObservation, month_of
from services.observatory.domain.spread import quantile, weights


class MonthPoint(msgspec.Struct, frozen=True, kw_only=True):
    month: str
    p25: Decimal
    median: Decimal
    p75: Decimal
    count: int


class Bin(msgspec.Struct, frozen=True, kw_only=True):
    """Prices from ``low`` up to ``high``, which only the last bin includes."""

    low: Decimal
    high: Decimal
    count: int


class PlacePoint(msgspec.Struct, frozen=True, kw_only=True):
    """All prices of one place; ``place`` has coordinates."""

    place: Place
    median: Decimal
    count: int


def series(prices: Iterable[PricedObservation], share_one_in: int) -> tuple[MonthPoint, ...]:
    """One point for each month that has prices, in order."""
    months: dict[str, list[PricedObservation]] = defaultdict(list)
    for price in prices:
        months[month_of(price.observation.date)].append(price)
    points = []
    for month, group in sorted(months.items()):
        p25, median, p75 = _quartiles(group, share_one_in)
        points.append(MonthPoint(month=month, p25=p25, median=median, p75=p75, count=len(group)))
    return tuple(points)


def histogram(prices: Iterable[PricedObservation], most: int = 20) -> tuple[Bin, ...]:
    """About √n bins of equal width on a log scale, at most ``most``; one bin if all prices are equal."""
    ordered = sorted(price.price for price in prices)
    if not ordered:
        return ()
    low, high = ordered[0], ordered[-1]
    if low == high:
        return (Bin(low=low, high=high, count=len(ordered)),)
    bins = min(most, isqrt(len(ordered) - 1) + 1)
    with localcontext(ARITHMETIC):
        width = (high / low).ln() / bins
        inner = [low * (width * step).exp() for step in range(1, bins)]
    edges = [low, *inner, high]
    counts = [0] * bins
    for price in ordered:
        counts[sum(edge <= price for edge in inner)] += 1
    return tuple(Bin(low=edges[i], high=edges[i + 1], count=count) for i, count in enumerate(counts))


def points(prices: Iterable[PricedObservation], share_one_in: int) -> tuple[PlacePoint, ...]:
    """One point for each place, by country, region and locality; prices without coordinates are left out."""
    places: dict[tuple[str, str, str], list[PricedObservation]] = defaultdict(list)
    for price in prices:
        place = price.observation.place
        if place.latitude is not None and place.longitude is not None:
            places[place.country or "", place.region or "", place.locality or ""].append(price)
    found = []
    for _, group in sorted(places.items()):
        first = min(group, key=lambda price: price.observation.observation_id)
        found.append(
            PlacePoint(place=first.observation.place, median=_quartiles(group, share_one_in)[1], count=len(group))
        )
    return tuple(found)


def _quartiles(group: Sequence[PricedObservation], share_one_in: int) -> tuple[Decimal, Decimal, Decimal]:
    shares = weights([price.observation.supplier_id or "" for price in group], share_one_in)
    weighted = [(price.price, share) for price, share in zip(group, shares, strict=True)]
    return quantile(weighted, Fraction(1, 4)), quantile(weighted, Fraction(1, 2)), quantile(weighted, Fraction(3, 4))
