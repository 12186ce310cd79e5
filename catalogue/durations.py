"""How long an auction may run: which lengths are allowed for which kind, price and hour, and which rule forbids the
others."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from catalogue.calendar import RegionCalendar
from catalogue.policy import Duration, Policy, Window
from catalogue.rules import AllOf, Minutes, RuleBroken

_DAYS_AHEAD = 30
"""Days in which a start is searched for. No sequence of holidays is longer."""


class DurationNotOffered(RuleBroken):
    code = "duration-not-offered"


class InitialPriceTooHighForDuration(RuleBroken):
    code = "initial-price-too-high-for-duration"


class DurationOutsideWindow(RuleBroken):
    code = "duration-outside-window"


def durations(
    kind: str, initial_price: Decimal, *, policy: Policy, calendar: RegionCalendar, opens_at: datetime
) -> list[tuple[Duration, RuleBroken | None]]:
    """All lengths of the policy, each with the rule that forbids it for this kind, price and hour, or None."""
    answers: list[tuple[Duration, RuleBroken | None]] = []
    for duration in policy.auction.durations:
        broken: RuleBroken | None = None
        if kind not in duration.kinds:
            kinds = AllOf(duration.kinds)
            broken = DurationNotOffered(
                f"{Minutes(duration.minutes)} is for {kinds}.",
                field="duration_minutes",
                minutes=duration.minutes,
                kinds=kinds,
            )
        else:
            try:
                end_of(duration, opens_at, initial_price, policy, calendar)
            except RuleBroken as refused:
                broken = refused
        answers.append((duration, broken))
    return answers


def end_of(
    duration: Duration, opens_at: datetime, initial_price: Decimal, policy: Policy, calendar: RegionCalendar
) -> datetime:
    """When an auction of this length ends. Raise InitialPriceTooHighForDuration, DurationOutsideWindow."""
    highest = duration.max_initial_price
    if highest is not None and initial_price > highest:
        raise InitialPriceTooHighForDuration(
            f"A mini-auction of {Minutes(duration.minutes)} begins at no more than {highest:,f} {policy.currency}, "
            f"not at {initial_price:,f}.",
            field="duration_minutes",
            initial_price=initial_price,
            max_initial_price=highest,
            minutes=duration.minutes,
            currency=policy.currency,
        )
    closes_at = opens_at + timedelta(minutes=duration.minutes)
    _inside_windows(duration, calendar.local(opens_at), calendar.local(closes_at))
    return closes_at


def next_start(duration: Duration, after: datetime, calendar: RegionCalendar) -> datetime | None:
    """The first minute from ``after`` on, today or on a working day, at which an auction of this length may begin."""
    first, last = _starts(duration)
    local = calendar.local(after)
    if local != local.replace(second=0, microsecond=0):
        local = local.replace(second=0, microsecond=0) + timedelta(minutes=1)
    for days in range(_DAYS_AHEAD):
        day = local + timedelta(days=days)
        if days and not calendar.is_working_day(day.date()):
            continue
        midnight = day.replace(hour=0, minute=0)
        start = max(local, midnight + first)
        if start <= midnight + last:
            return start
    return None


def _starts(duration: Duration) -> tuple[timedelta, timedelta]:
    """The earliest and the latest start, as times since midnight of the buyer's day."""
    earliest, latest = timedelta(0), timedelta(days=1) - timedelta(minutes=1)
    if duration.starts_within:
        earliest, latest = _since_midnight(duration.starts_within)
    if duration.runs_within:
        first, end = _since_midnight(duration.runs_within)
        earliest, latest = max(earliest, first), min(latest, end - timedelta(minutes=duration.minutes))
    return earliest, latest


def _since_midnight(window: Window) -> tuple[timedelta, timedelta]:
    first, last = (timedelta(hours=each.hour, minutes=each.minute) for each in (window.first, window.last))
    return first, last


def _inside_windows(duration: Duration, first: datetime, last: datetime) -> None:
    """Whether an auction from ``first`` to ``last``, both in the buyer's local time, lies in the windows."""
    start, run = duration.starts_within, duration.runs_within
    if start and not start.first <= first.time() <= start.last:
        raise _outside(duration, "starts within", start, first, last)
    if run and not (run.first <= first.time() and last.time() <= run.last and first.date() == last.date()):
        raise _outside(duration, "runs within", run, first, last)


def _outside(duration: Duration, rule: str, window: Window, first: datetime, last: datetime) -> DurationOutsideWindow:
    return DurationOutsideWindow(
        f"A mini-auction of {Minutes(duration.minutes)} {rule} {window.first:%H:%M}-{window.last:%H:%M} of the buyer's day; "
        f"this one would run from {first:%H:%M} to {last:%H:%M}.",
        field="opens_at",
        window=f"{window.first:%H:%M}-{window.last:%H:%M}",
        opens_at=first,
        closes_at=last,
        local_start=f"{first:%H:%M}",
        local_end=f"{last:%H:%M}",
        minutes=duration.minutes,
        rule=rule,
    )
