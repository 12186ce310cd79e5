"""Rules for suspensions after breaches."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta
from typing import Annotated

from catalogue.policy.bounds import CalendarDays, Months, Positive, Rules, WorkingDays, between, several


class SuspensionPolicy(Rules, frozen=True, kw_only=True):
    """``after`` breaches within ``within_days`` lead to a suspension: the first time for ``months[0]``, then
    ``months[1]``, …; the last length applies to every later one."""

    after: Positive
    within_days: CalendarDays
    months: Annotated[tuple[Months, ...], several(1, 20, once=False)]

    def length(self, level: int) -> int:
        """The length in months of suspension number ``level``, counted from 1."""
        return self.months[min(level, len(self.months)) - 1]


class Sanctions(Rules, frozen=True, kw_only=True):
    """The suspension of a supplier that evades contracts, and of a buyer that refuses them without ground; None: there
    is none."""

    supplier: SuspensionPolicy | None = None
    buyer: SuspensionPolicy | None = None
    appeal_days: WorkingDays
    """Working days to appeal against a suspension."""
    decision_days: WorkingDays
    """Working days to decide about an appeal."""
    month_minutes: Annotated[int, between(1, 31 * 24 * 60)] | None = None
    """The length of a month in a rehearsal, in minutes; None: calendar months."""

    def until(self, since: datetime, months: int) -> datetime:
        """The same day and hour that many months later, or the last day of the month if it has no such day. It is
        computed in UTC, because a suspension belongs to no buyer's region."""
        if self.month_minutes is not None:
            return since + timedelta(minutes=self.month_minutes * months)
        years, month = divmod(since.month - 1 + months, 12)
        year = since.year + years
        return since.replace(year=year, month=month + 1, day=min(since.day, monthrange(year, month + 1)[1]))
