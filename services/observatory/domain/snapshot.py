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
A_TURN, TURNS = timedelta(minutes=1), 6
"""What it costs an item to be judged, and how many times it can be before it has to wait for that long."""


class Rest(msgspec.Struct, frozen=True, kw_only=True):
    """Prices that come to an item ``until`` then are judged together. ``owed`` is what of its turns is not paid off at that time: a
    second of it goes with each second."""

    until: datetime
    owed: timedelta


def rest_after(now: datetime, last: Rest | None) -> Rest:
    """Of an item that is judged now.

    Each time costs it a minute, which time pays off. It rests the longer the more it owes, 1, 2, 4 … seconds, and so long at least that
    it never owes more than six. So in no span of time is it judged more than six times and once for each minute of it, however its
    prices come; and one that comes a minute after it was judged, or later, never waits.
    """
    before = last.until + last.owed - now if last else timedelta(0)
    owed = min(max(before, timedelta(0)) + A_TURN, TURNS * A_TURN)
    turns = -(-owed // A_TURN)
    span = max(SHORTEST_REST * 2 ** (turns - 1), owed - (TURNS - 1) * A_TURN)
    return Rest(until=now + span, owed=owed - span)


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
