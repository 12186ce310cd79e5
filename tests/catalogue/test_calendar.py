from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.calendar import RegionCalendar
from catalogue.rules import UnknownTimeZone

MOSCOW = RegionCalendar.of_place("Europe/Moscow", "RU-MOW")
BERLIN = RegionCalendar.of_place("Europe/Berlin", "DE-BE")


def at(calendar: RegionCalendar, text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(calendar.zone)).astimezone(UTC)


def test_local_is_the_regions_clock():
    assert MOSCOW.local(datetime(2026, 3, 2, 6, 0, tzinfo=UTC)).isoformat() == "2026-03-02T09:00:00+03:00"


@pytest.mark.parametrize(
    ("place", "day", "works"),
    [
        ("RU-MOW", date(2025, 1, 8), False),
        ("RU-MOW", date(2025, 11, 1), True),  # a Saturday worked for the bridge day before Unity Day
        ("DE-BE", date(2026, 3, 8), False),
        ("DE-BE", date(2027, 3, 8), False),  # Women's Day: a holiday of Berlin
        ("DE-BY", date(2027, 3, 8), True),  # and not of Bavaria
        ("BR", date(2026, 9, 7), False),
        ("AE-DU", date(2020, 1, 3), False),  # Friday was weekend until 2022
        ("XX-9", date(2026, 12, 25), True),  # unknown country: only weekends
        (None, date(2026, 12, 26), False),
    ],
)
def test_working_days_follow_country_subdivision_and_weekend(place, day, works):
    assert RegionCalendar.of_place("UTC", place).is_working_day(day) is works


def test_a_deadline_on_a_holiday_rolls_to_the_same_hour_of_the_next_working_day():
    assert MOSCOW.roll(at(MOSCOW, "2026-01-01 10:30")) == at(MOSCOW, "2026-01-12 10:30")


def test_a_deadline_on_a_working_day_stays():
    instant = at(MOSCOW, "2026-02-03 10:30")
    assert MOSCOW.roll(instant) == instant


def test_the_day_is_the_regions_day_not_the_utc_one():
    late_sunday_utc = datetime(2026, 2, 8, 22, 0, tzinfo=UTC)  # Monday 01:00 in Moscow
    assert MOSCOW.roll(late_sunday_utc) == late_sunday_utc


@pytest.mark.parametrize(
    ("start", "days", "end"),
    [
        ("2026-02-06 10:00", 1, "2026-02-09 10:00"),
        ("2026-02-08 01:00", 1, "2026-02-10 01:00"),
        ("2026-02-07 12:00", 0, "2026-02-09 12:00"),
        ("2026-12-30 12:00", 2, "2027-01-12 12:00"),
    ],
)
def test_working_days_are_added_at_the_same_hour(start, days, end):
    assert MOSCOW.add_working_days(at(MOSCOW, start), days) == at(MOSCOW, end)


def test_the_hour_on_the_wall_survives_a_clock_change():
    due = BERLIN.add_working_days(at(BERLIN, "2026-03-27 10:00"), 1)
    assert due == at(BERLIN, "2026-03-30 10:00")
    assert due - at(BERLIN, "2026-03-27 10:00") == timedelta(hours=71)


def test_a_skipped_hour_is_read_an_hour_later_and_later_days_keep_the_hour():
    calendar = RegionCalendar("Asia/Jerusalem")  # the clock goes forward on Friday 2026-03-27 at 02:00
    thursday = at(calendar, "2026-03-26 02:30")
    assert calendar.local(calendar.add_working_days(thursday, 1)).isoformat() == "2026-03-27T03:30:00+03:00"
    assert calendar.local(calendar.add_working_days(thursday, 2)).isoformat() == "2026-03-30T02:30:00+03:00"


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc", "America"])
def test_an_unknown_zone_is_refused(zone):
    with pytest.raises(UnknownTimeZone):
        RegionCalendar(zone)


def test_naive_instants_and_negative_days_are_programming_errors():
    with pytest.raises(ValueError, match="no time zone"):
        MOSCOW.local(datetime(2026, 1, 1))
    with pytest.raises(ValueError, match="not taken away"):
        MOSCOW.add_working_days(datetime(2026, 1, 1, tzinfo=UTC), -1)


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.integers(0, 12),
    st.integers(0, 12),
)
def test_adding_lands_on_working_days_and_composes(instant, first, second):
    due = BERLIN.add_working_days(instant, first)
    assert BERLIN.is_working_day(BERLIN.local(due).date())
    assert due >= instant and due.tzinfo is UTC
    whole = BERLIN.add_working_days(instant, first + second)
    assert BERLIN.local(BERLIN.add_working_days(due, second)).date() == BERLIN.local(whole).date()
