"""Statistics of positive prices: outlier bands, supplier weights, weighted quantiles, variation (docs/rules.md section 7).

Everything is computed in Decimal and Fraction at fixed precision, so that everybody can recompute a published figure
exactly.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from statistics import quantiles

import msgspec

from catalogue.policy import OutlierRules
from services.observatory.domain.price import ARITHMETIC

_NORMAL = Decimal("0.6745")
"""MAD over standard deviation of a normal distribution: Iglewicz and Hoaglin, How to Detect and Handle Outliers, 1993."""

_HALF = Fraction(1, 2)


class Band(msgspec.Struct, frozen=True, kw_only=True):
    """Prices from ``low`` to ``high`` are kept; ``rule`` is modified-z, tukey or flat."""

    rule: str
    low: Decimal
    high: Decimal


def band(prices: Sequence[Decimal], shares: Sequence[Fraction], rule: OutlierRules) -> Band | None:
    """The range beyond which a price is an outlier; None if there are fewer than ``fences_from`` prices.

    Distances are measured on the logarithm, because errors of unit and pack multiply: ten times too expensive and ten
    times too cheap are equally far. With at least ``z_from`` prices and a median absolute deviation above 0: the
    modified z-score is at most ``z_limit``. With fewer prices, or if that deviation is 0: Tukey's fences, quartiles
    interpolated between closest ranks. If the quartiles are equal as well: the flat band, ``flat_percent`` from the
    median. Both medians weigh prices by the suppliers' ``shares``: otherwise one supplier with many prices could make
    those of the others outliers. The quartiles of Tukey's fences do not weigh: there each price counts once.
    """
    if len(prices) < rule.fences_from:
        return None
    with localcontext(ARITHMETIC):
        logs = [price.ln() for price in prices]
        middle = quantile(zip(logs, shares, strict=True), _HALF)
        deviation = quantile(((abs(log - middle), share) for log, share in zip(logs, shares, strict=True)), _HALF)
        if len(logs) >= rule.z_from and deviation:
            reach = rule.z_limit * deviation / _NORMAL
            return Band(rule="modified-z", low=(middle - reach).exp(), high=(middle + reach).exp())
        first, _, third = quantiles(logs, n=4, method="inclusive")
        if third > first:
            reach = rule.fences * (third - first)
            return Band(rule="tukey", low=(first - reach).exp(), high=(third + reach).exp())
        reach = (1 + rule.flat_percent / 100).ln()
        return Band(rule="flat", low=(middle - reach).exp(), high=(middle + reach).exp())


def weights(suppliers: Sequence[str], share_one_in: int) -> list[Fraction]:
    """Weight of each observation, given its supplier; they sum to 1, and the weights of one supplier together are at most
    1 / ``share_one_in`` (the cap).

    All observations weigh the same until a supplier would exceed the cap; it then has exactly the cap, shared evenly by its
    observations. If there are too few suppliers for the cap (two, for a third), each supplier has the same weight: no other weights come
    closer to the cap.
    """
    counts, most = Counter(suppliers), Fraction(1, share_one_in)
    if not counts:
        return []
    if len(counts) * most <= 1:
        return [Fraction(1, len(counts) * counts[supplier]) for supplier in suppliers]
    capped: set[str] = set()
    while True:
        free = 1 - len(capped) * most
        rest = sum(count for supplier, count in counts.items() if supplier not in capped)
        over = {s for s, count in counts.items() if s not in capped and Fraction(count, rest) * free > most}
        if not over:
            break
        capped |= over
    return [most / counts[s] if s in capped else free / rest for s in suppliers]


def quantile(weighted: Iterable[tuple[Decimal, Fraction]], share: Fraction) -> Decimal:
    """The price below which ``share`` of the weight lies: the first price at which the summed weight exceeds it, or the
    mean with the next price if the sum equals it (so equal weights give the usual median). ``weighted`` is not
    empty."""
    ordered = sorted(weighted)
    target = share * sum(weight for _, weight in ordered)
    reached = Fraction(0)
    for position, (price, weight) in enumerate(ordered):
        reached += weight
        if reached == target and position + 1 < len(ordered):
            return ARITHMETIC.divide(ARITHMETIC.add(price, ordered[position + 1][0]), Decimal(2))
        if reached > target:
            return price
    return ordered[-1][0]


def variation(weighted: Sequence[tuple[Decimal, Fraction]]) -> Decimal:
    """Coefficient of variation in percent, as in Russia's Order 567: the sample's standard deviation (n - 1) over the
    mean; here both are weighted. 0 for a single price."""
    if len(weighted) < 2:
        return Decimal(0)
    none = Fraction(0)
    total = sum((weight for _, weight in weighted), none)
    mean = sum((Fraction(price) * weight for price, weight in weighted), none) / total
    squares = sum(((Fraction(price) - mean) ** 2 * weight for price, weight in weighted), none) / total
    ratio = squares * Fraction(len(weighted), len(weighted) - 1) / (mean * mean)
    return 100 * ARITHMETIC.sqrt(ARITHMETIC.divide(Decimal(ratio.numerator), Decimal(ratio.denominator)))
