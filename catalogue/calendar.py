"""Working days and local hours of a region: its time zone, weekend and public holidays.

docs/rules.md section 0: windows and working days are computed in the buyer's region calendar; a deadline that falls on a
non-working day rolls to the same hour of the next working day. Holidays, regional weekends (Friday and Saturday in much of
the Gulf) and Saturdays worked in exchange for a bridge day come from the ``holidays`` package.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from catalogue.rules import Typed, UnknownTimeZone

if TYPE_CHECKING:
    from holidays import HolidayBase

_DAY = timedelta(days=1)
_SATURDAY = 5


@dataclass(frozen=True, slots=True)
class RegionCalendar:
    """``zone`` is an IANA name, ``country`` ISO 3166-1 alpha-2, ``subdivision`` the part of an ISO 3166-2 code after the dash.

    A subdivision without holidays of its own has its country's; an unknown country, or none, has only weekends (Saturday
    and Sunday). Instants are aware datetimes (a naive one is a ValueError) and come back in UTC.
    Raise UnknownTimeZone.
    """

    zone: str
    country: str | None = None
    subdivision: str | None = None

    def __post_init__(self) -> None:
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: a folder of the database, such as "America"
            raise UnknownTimeZone(
                f"{self.zone!r} is not an IANA time zone.", field="zone", zone=Typed(self.zone)
            ) from None

    @classmethod
    def of_place(cls, zone: str, code: str | None) -> RegionCalendar:
        """From an ISO 3166-2 region ("RU-MOW") or a country code ("BR"); None when the place is not known."""
        country, _, subdivision = (code or "").partition("-")
        return cls(zone, country or None, subdivision or None)

    def local(self, instant: datetime) -> datetime:
        """The same instant on the region's clock."""
        if instant.tzinfo is None:
            raise ValueError(f"{instant} has no time zone: an instant is an aware datetime")
        return instant.astimezone(ZoneInfo(self.zone))

    def is_working_day(self, day: date) -> bool:
        """``day`` is a date of the region's calendar."""
        holidays = _holidays(self.country, self.subdivision)
        return day.weekday() < _SATURDAY if holidays is None else holidays.is_working_day(day)

    def roll(self, instant: datetime) -> datetime:
        """The instant itself on a working day, else the same hour of the next working day."""
        local = self.local(instant)
        if self.is_working_day(local.date()):
            return instant.astimezone(UTC)
        return self._at(self._next_working_day(local.date()), local)

    def add_working_days(self, instant: datetime, days: int) -> datetime:
        """The same hour, ``days`` working days later, counted from the rolled instant, so that everybody gets full
        working days.

        One day after Friday 10:00 is Monday 10:00; one day after Sunday 01:00 is Tuesday 01:00.
        """
        if days < 0:
            raise ValueError(f"working days are added, not taken away: {days}")
        rolled = self.roll(instant)
        if days == 0:
            return rolled
        # The hour is that of the given instant, because rolling over a clock change may have moved it.
        day = self.local(rolled).date()
        for _ in range(days):
            day = self._next_working_day(day)
        return self._at(day, self.local(instant))

    def _next_working_day(self, day: date) -> date:
        day += _DAY
        while not self.is_working_day(day):
            day += _DAY
        return day

    def _at(self, day: date, hour: datetime) -> datetime:
        """The instant of that local hour on that day. If the clock skips the hour, the result is one hour later; if the
        hour occurs twice, it is the first one."""
        wall = datetime.combine(day, hour.time().replace(fold=0), ZoneInfo(self.zone))
        return wall.astimezone(UTC)


@lru_cache(maxsize=512)
def _holidays(country: str | None, subdivision: str | None) -> HolidayBase | None:
    """The package adds a year when it is first asked for. None if the package does not know the country."""
    if country is None:
        return None
    from holidays import country_holidays  # imported here, because the import takes half a second of every command

    try:
        return country_holidays(country, subdiv=subdivision)
    except NotImplementedError:
        return _holidays(country, None) if subdivision else None
