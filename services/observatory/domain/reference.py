"""The reference price of an item at a place and a day, with a verdict on every observation (docs/rules.md section 7)."""

from calendar import monthrange
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

import msgspec

from catalogue.numbers import digits
from catalogue.policy import ObservatoryRules
from catalogue.rules import RuleBroken
from events.values import Place, Refusal
from services.observatory.domain.observation import Observation, PriceKind
from services.observatory.domain.price import (
    ARITHMETIC,
    Index,
    PricedObservation,
    PriceOutOfRange,
    Rates,
    Valuation,
    priced,
)
from services.observatory.domain.spread import band, quantile, variation, weights


class ContractCancelled(RuleBroken):
    code = "cancelled"


class OutsideWindow(RuleBroken):
    code = "outside-window"


class OtherUnit(RuleBroken):
    """A price per litre cannot be compared with one per piece."""

    code = "other-unit"


class OtherKind(RuleBroken):
    code = "other-kind"


class OtherPlace(RuleBroken):
    code = "other-place"


class Outlier(RuleBroken):
    code = "outlier"


class TooFewObservations(RuleBroken):
    code = "too-few-observations"


class ObservationVerdict(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one observation: kept (``dropped`` is None, ``weight`` is its share in percent) or dropped with
    the reason. ``price`` per base unit is None if it could not be computed."""

    observation: Observation
    price: Decimal | None = None
    weight: Decimal | None = None
    dropped: Refusal | None = None


class Position(StrEnum):
    BELOW = "below"
    WITHIN = "within"
    ABOVE = "above"


class ComputedReference(msgspec.Struct, frozen=True, kw_only=True):
    """Prices per ``unit``, VAT excluded, in the money of the month of ``valued_on``. ``level`` is locality, region or
    country and ``place_code`` says which one. ``variation`` is in percent. All unknown suppliers count as one."""

    item_key: str
    kind: PriceKind
    unit: str
    currency: str
    level: str
    place_code: str
    median: Decimal
    p25: Decimal
    p75: Decimal
    observations: int
    suppliers: int
    variation: Decimal
    grade: str
    valued_on: date
    verdicts: tuple[ObservationVerdict, ...]

    @property
    def kept(self) -> tuple[PricedObservation, ...]:
        """The prices from which the figure is computed, for the pictures beside it."""
        return tuple(
            PricedObservation(
                observation=verdict.observation, price=verdict.price, unit=self.unit, currency=self.currency
            )
            for verdict in self.verdicts
            if verdict.dropped is None and verdict.price is not None
        )

    def position(self, price: Decimal) -> Position:
        """The position of a comparable price relative to the range P25 to P75; a price outside it causes an alert."""
        if price < self.p25:
            return Position.BELOW
        return Position.ABOVE if price > self.p75 else Position.WITHIN


class NoReference(msgspec.Struct, frozen=True, kw_only=True):
    """No level of any kind had enough observations; each of them still has its reason."""

    reason: Refusal
    verdicts: tuple[ObservationVerdict, ...]


class _Level(msgspec.Struct, frozen=True):
    name: str
    code: str
    match: tuple[str | None, ...]

    def holds(self, place: Place) -> bool:
        return _parts(place)[: len(self.match)] == self.match


def reference(
    observations: Iterable[Observation],
    *,
    at: date,
    place: Place,
    rules: ObservatoryRules,
    currency: str | None = None,
    unit: str | None = None,
    rates: Rates | None = None,
    index: Index | None = None,
) -> ComputedReference | NoReference:
    """The reference of one item (all ``observations`` share its key; their ids are distinct) for a buyer at ``place``.

    ``currency`` and ``unit`` (a base unit) default to those of most observations. The kinds are tried in the order of
    the rules, and for each locality, region and country: the first with enough kept observations is used. The result
    does not depend on the order of ``observations``.
    """
    seen = sorted(observations, key=lambda observation: observation.observation_id)
    valuation = Valuation(at=at, currency=currency or _commonest(o.currency for o in seen), rates=rates, index=index)
    candidates: list[PricedObservation] = []
    verdicts: dict[str, ObservationVerdict] = {}
    for observation in seen:
        try:
            _check_counts(observation, at, rules)
            candidates.append(_publishable(priced(observation, valuation), rules))
        except RuleBroken as reason:
            verdicts[observation.observation_id] = _dropped(observation, reason)
    unit = unit or _commonest(candidate.unit for candidate in candidates)
    comparable = [candidate for candidate in candidates if candidate.unit == unit]
    verdicts |= _drop_all(
        [candidate for candidate in candidates if candidate.unit != unit],
        OtherUnit(f"The price is not per {unit}, the unit of the reference.", unit=unit),
    )
    best = 0
    for kind in rules.kinds:
        of_kind = [candidate for candidate in comparable if candidate.observation.kind == kind]
        for level in _levels(place):
            here = [candidate for candidate in of_kind if level.holds(candidate.observation.place)]
            kept, outliers = _judge(here, rules)
            best = max(best, len(kept))
            if len(kept) < rules.fewest_prices:
                continue
            others = [candidate for candidate in comparable if candidate.observation.kind != kind]
            elsewhere = [candidate for candidate in of_kind if not level.holds(candidate.observation.place)]
            verdicts |= outliers
            verdicts |= _drop_all(
                others,
                OtherKind(
                    f"There are enough {kind} prices, and prices of other kinds are not mixed with them.", kind=kind
                ),
            )
            verdicts |= _drop_all(
                elsewhere, OtherPlace(f"Outside the {level.name} {level.code}.", area=level.name, level=level.code)
            )
            return _published(kept, verdicts, level, valuation, rules)
    too_few = TooFewObservations(
        f"A reference needs {rules.fewest_prices} comparable prices of one kind; there are {best}.",
        needed=rules.fewest_prices,
        found=best,
    )
    verdicts |= _drop_all(comparable, too_few)
    return NoReference(reason=Refusal.of(too_few), verdicts=_in_order(verdicts))


def counts_from(kind: PriceKind, at: date, rules: ObservatoryRules) -> date:
    """The first day whose prices count on the day ``at``."""
    months = rules.contract_months if kind is PriceKind.CONTRACT else rules.other_months
    return _months_before(at, months)


def _check_counts(observation: Observation, at: date, rules: ObservatoryRules) -> None:
    if observation.cancelled:
        raise ContractCancelled("What was cancelled does not count.")
    first = counts_from(observation.kind, at, rules)
    if not first <= observation.date <= at:
        raise OutsideWindow(
            f"Dated {observation.date}; {observation.kind} prices count from {first} to {at}.",
            date=observation.date,
            first=first,
            last=at,
        )


def _publishable(candidate: PricedObservation, rules: ObservatoryRules) -> PricedObservation:
    """Raise PriceOutOfRange if the price would be zero with the published number of digits."""
    if not _shown(candidate.price, rules):
        raise PriceOutOfRange(
            f"Published prices have {rules.decimal_places} digits after the point; this one is {candidate.price:.3e}.",
            price=candidate.price,
            lowest=rules.step,
            decimals=rules.decimal_places,
        )
    return candidate


def _judge(
    here: Sequence[PricedObservation], rules: ObservatoryRules
) -> tuple[list[PricedObservation], dict[str, ObservationVerdict]]:
    """The kept prices, and the verdicts on the outliers."""
    shares = weights([candidate.observation.supplier_id or "" for candidate in here], rules.supplier_share_one_in)
    limits = band([candidate.price for candidate in here], shares, rules.outliers)
    if limits is None:
        return list(here), {}
    kept = [candidate for candidate in here if limits.low <= candidate.price <= limits.high]
    outliers: dict[str, ObservationVerdict] = {}
    for candidate in here:
        if limits.low <= candidate.price <= limits.high:
            continue
        price, low, high = (_shown(x, rules) for x in (candidate.price, limits.low, limits.high))
        reason = Outlier(
            f"{digits(price)} lies outside {digits(low)} to {digits(high)}, the usual range of {len(here)} prices"
            f" ({limits.rule}).",
            price=price,
            low=low,
            high=high,
            among=len(here),
            rule=limits.rule,
        )
        outliers |= _drop_all([candidate], reason)
    return kept, outliers


def _published(
    kept: Sequence[PricedObservation],
    dropped: dict[str, ObservationVerdict],
    level: _Level,
    valuation: Valuation,
    rules: ObservatoryRules,
) -> ComputedReference:
    suppliers = [candidate.observation.supplier_id or "" for candidate in kept]
    shares = weights(suppliers, rules.supplier_share_one_in)
    weighted = [(candidate.price, share) for candidate, share in zip(kept, shares, strict=True)]
    p25, middle, p75 = (_shown(quantile(weighted, Fraction(quarter, 4)), rules) for quarter in (1, 2, 3))
    spread = variation(weighted).quantize(Decimal("0.01"), context=ARITHMETIC)
    verdicts = dropped | {
        candidate.observation.observation_id: ObservationVerdict(
            observation=candidate.observation,
            price=_shown(candidate.price, rules),
            weight=ARITHMETIC.divide(Decimal(100 * share.numerator), Decimal(share.denominator)).quantize(
                Decimal("0.01")
            ),
        )
        for candidate, share in zip(kept, shares, strict=True)
    }
    first = kept[0]
    return ComputedReference(
        item_key=first.observation.item_key,
        kind=first.observation.kind,
        unit=first.unit,
        currency=first.currency,
        level=level.name,
        place_code=level.code,
        median=middle,
        p25=p25,
        p75=p75,
        observations=len(kept),
        suppliers=len(set(suppliers)),
        variation=spread,
        grade=_grade(spread, len(set(suppliers)), rules),
        valued_on=valuation.at,
        verdicts=_in_order(verdicts),
    )


def _grade(spread: Decimal, suppliers: int, rules: ObservatoryRules) -> str:
    if suppliers < rules.fewest_suppliers or spread > rules.grade_b_percent:
        return "C"
    return "A" if spread <= rules.grade_a_percent else "B"


def _levels(place: Place) -> list[_Level]:
    """The levels of a place: locality, region, country, as far as they are known; without a country the whole market is
    the only level."""
    country, region, locality = _parts(place)
    levels = [_Level("country", place.country or "*", (country,) if country else ())]
    if country and region:
        levels.insert(0, _Level("region", place.region or "", (country, region)))
    if country and locality:
        code = f"{place.region or place.country}/{place.locality}"
        levels.insert(0, _Level("locality", code, (country, region, locality)))
    return levels


def _parts(place: Place) -> tuple[str | None, str | None, str | None]:
    country, region, locality = (
        part.casefold() if part else None for part in (place.country, place.region, place.locality)
    )
    return country, region, locality


def _months_before(day: date, months: int) -> date:
    """The same day that many months earlier, or the last day of a shorter month."""
    year, month = divmod(day.year * 12 + day.month - 1 - months, 12)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _commonest(values: Iterable[str]) -> str:
    """The most common value; among equally common ones the first in alphabetical order; "" if there are none."""
    counts = Counter(values)
    return min(counts, key=lambda value: (-counts[value], value), default="")


def _shown(price: Decimal, rules: ObservatoryRules) -> Decimal:
    return price.quantize(rules.step, context=ARITHMETIC)


def _dropped(observation: Observation, reason: RuleBroken, price: Decimal | None = None) -> ObservationVerdict:
    return ObservationVerdict(observation=observation, price=price, dropped=Refusal.of(reason))


def _drop_all(candidates: Iterable[PricedObservation], reason: RuleBroken) -> dict[str, ObservationVerdict]:
    return {c.observation.observation_id: _dropped(c.observation, reason, c.price) for c in candidates}


def _in_order(verdicts: dict[str, ObservationVerdict]) -> tuple[ObservationVerdict, ...]:
    """The verdicts sorted by date, then id."""
    return tuple(sorted(verdicts.values(), key=lambda v: (v.observation.date, v.observation.observation_id)))
