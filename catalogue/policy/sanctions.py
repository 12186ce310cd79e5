"""What whoever breaks its word has to expect."""

from __future__ import annotations

from calendar import monthrange
from datetime import datetime, timedelta
from typing import Annotated

from msgspec import Meta

from catalogue.policy.bounds import Positive, Rules


class Suspension(Rules, frozen=True, kw_only=True):
    """``after`` breaches ``within_days`` of one another suspend: the first time for ``months[0]``, then ``months[1]``, …; the last
    length holds for every time after."""

    after: Positive
    within_days: Positive
    months: Annotated[tuple[Positive, ...], Meta(min_length=1)]

    def length(self, level: int) -> int:
        """Months of the ``level``-th suspension, counted from 1."""
        return self.months[min(level, len(self.months)) - 1]


class Sanctions(Rules, frozen=True, kw_only=True):
    """What a supplier who evades contracts it won, or a buyer who refuses them without ground, has to expect; None: nothing."""

    supplier: Suspension | None = None
    buyer: Suspension | None = None
    appeal_days: Positive
    """Working days to appeal against a suspension."""
    decision_days: Positive
    """Working days to decide about an appeal."""
    month_minutes: Positive | None = None
    """Where a rehearsal shortens a month to minutes; None: months of the calendar."""

    def until(self, since: datetime, months: int) -> datetime:
        """The same day and hour so many months later in UTC, for an organisation has no buyer's clock; the month's last day
        where it has no such day."""
        if self.month_minutes is not None:
            return since + timedelta(minutes=self.month_minutes * months)
        years, month = divmod(since.month - 1 + months, 12)
        year = since.year + years
        return since.replace(year=year, month=month + 1, day=min(since.day, monthrange(year, month + 1)[1]))
