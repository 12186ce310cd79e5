"""When a reference becomes a new snapshot, as of which day it is valued, whether it may bound anything, and how long an item rests
before it is judged again."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec

from catalogue.policy import ObservatoryRules
from events.values import Place
from services.observatory.domain.observation import Observation
from services.observatory.domain.reference import Reference, counts_from

SHORTEST_REST, LONGEST_REST = timedelta(seconds=1), timedelta(minutes=1)


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """Prices that come to an item ``until`` then are judged together."""

    until: datetime
    span: timedelta


def rest_after(now: datetime, last: Rest | None) -> Rest:
    """Of an item that is judged now. A single price is judged at once; where one follows soon after each rest, the rests become twice as
    long: 3,000 prices in a minute make six versions, and never is there more than one a minute for long."""
    busy = last is not None and now < last.until + last.span
    span = min(last.span * 2, LONGEST_REST) if last and busy else SHORTEST_REST
    return Rest(until=now + span, span=span)


def valued_on(observations: Sequence[Observation], today: date, rules: ObservatoryRules) -> date:
    """Today while any price counts today, else the day of the latest one.

    Imports bring prices of years ago. Valued today they would all lie outside the window; valued on the day of the latest
    they show what the item cost then. Such a reference is history: shown with its day, never a ceiling.
    """
    dates = [
        (seen.date, seen.kind)
        for seen in observations
        if seen.kind in rules.kinds and not seen.cancelled and seen.date <= today
    ]
    if not dates or any(day >= counts_from(kind, today, rules) for day, kind in dates):
        return today
    return max(day for day, _ in dates)


def home(observations: Sequence[Observation]) -> Place:
    """The country that most prices come from: an item's snapshot is of its country."""
    countries = Counter(seen.place.country for seen in observations if seen.place.country)
    return Place(country=min(countries, key=lambda code: (-countries[code], code), default=None))


def same_figures(one: Reference, other: Reference) -> bool:
    """What was published still holds: only then no new event follows."""
    return _figures(one) == _figures(other)


def same_snapshot(one: Reference, other: Reference) -> bool:
    """The same figures from the same observations, each with the same verdict. Sentences that name today's date do not count."""
    return same_figures(one, other) and _verdicts(one) == _verdicts(other)


def _figures(reference: Reference) -> tuple[object, ...]:
    return (
        reference.kind,
        reference.unit,
        reference.currency,
        reference.level,
        reference.place_code,
        reference.median,
        reference.p25,
        reference.p75,
        reference.observations,
        reference.suppliers,
        reference.variation,
        reference.grade,
    )


def _verdicts(reference: Reference) -> list[tuple[object, ...]]:
    return [
        (verdict.observation, verdict.price, verdict.weight, verdict.dropped.rule if verdict.dropped else None)
        for verdict in reference.verdicts
    ]
