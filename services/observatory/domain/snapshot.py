"""When a reference becomes a new snapshot, for which day it is valued, whether it can be a ceiling, and how long an
item rests before it is judged again."""

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec

from catalogue.policy import ObservatoryRules
from events.values import Place
from services.observatory.domain.observation import Observation
from services.observatory.domain.reference import ComputedReference, counts_from

SHORTEST_REST, LONGEST_REST = timedelta(seconds=1), timedelta(minutes=1)
A_TURN, TURNS = timedelta(minutes=1), 6
"""The cost of one judgement of an item, as a time, and the number of judgements before the item has to wait for that
time."""


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """Prices of an item that come before ``until`` are judged together. ``owed`` is the part of the cost that is not
    paid off at that time; it decreases by one second per second."""

    until: datetime
    owed: timedelta


def rest_after(now: datetime, last: Rest | None) -> Rest:
    """The rest of an item that is judged now.

    Each judgement costs one minute, which passing time pays off. The more an item owes, the longer it rests: 1, 2, 4 …
    seconds, and at least so long that it never owes more than six minutes. So in any period an item is judged at most
    six times plus once per minute, however its prices come. A price that comes a minute or more after the last
    judgement never waits.
    """
    before = last.until + last.owed - now if last else timedelta(0)
    owed = min(max(before, timedelta(0)) + A_TURN, TURNS * A_TURN)
    turns = -(-owed // A_TURN)
    span = max(SHORTEST_REST * 2 ** (turns - 1), owed - (TURNS - 1) * A_TURN)
    return Rest(until=now + span, owed=owed - span)


def valued_on(observations: Sequence[Observation], today: date, rules: ObservatoryRules) -> date:
    """The valuation day: today if any price counts today, else the day of the latest price.

    Imports bring prices that are years old. Valued today, all would lie outside the window; valued on the day of the
    latest price, they show what the item cost then. Such a reference is history: it is shown with its day and is never
    a ceiling.
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
    """The country from which most prices come: the snapshot of an item is for this country."""
    countries = Counter(seen.place.country for seen in observations if seen.place.country)
    return Place(country=min(countries, key=lambda code: (-countries[code], code), default=None))


def same_figures(one: ComputedReference, other: ComputedReference) -> bool:
    """Whether the published figures are unchanged, so that no new event is needed."""
    return _figures(one) == _figures(other)


def same_place(one: ComputedReference, other: ComputedReference) -> bool:
    """Whether the later reference takes the place of the earlier one where references are stored by currency and place."""
    return (one.currency, one.level, one.place_code) == (other.currency, other.level, other.place_code)


def same_snapshot(one: ComputedReference, other: ComputedReference) -> bool:
    """Whether both have the same figures from the same observations with the same verdicts. Sentences with today's date
    are not compared."""
    return same_figures(one, other) and _verdicts(one) == _verdicts(other)


def _figures(reference: ComputedReference) -> tuple[object, ...]:
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


def _verdicts(reference: ComputedReference) -> list[tuple[object, ...]]:
    return [
        (verdict.observation, verdict.price, verdict.weight, verdict.dropped.rule if verdict.dropped else None)
        for verdict in reference.verdicts
    ]
