"""The lengths that an auction may have at an hour, and the next possible start."""

from datetime import UTC, datetime, time, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.calendar import RegionCalendar
from catalogue.durations import end_of, next_start
from catalogue.policy import load
from catalogue.rules import Minutes

MOSCOW = RegionCalendar("Europe/Moscow", "RU", "MOW")
POLICY = load("moscow")
SHORT, MIDDLE, LONG = POLICY.auction.durations


@pytest.mark.parametrize(
    ("duration", "after", "start"),
    [
        (SHORT, "2026-11-25 07:00", "2026-11-25 09:00"),  # a Wednesday
        (SHORT, "2026-11-25 11:59", "2026-11-25 11:59"),
        (SHORT, "2026-11-25 12:01", "2026-11-26 09:00"),  # three hours would end after 15:00
        (MIDDLE, "2026-11-27 12:01", "2026-11-30 09:00"),  # a Friday
        (LONG, "2026-11-28 03:00", "2026-11-28 03:00"),
    ],
)
def test_the_next_start_keeps_the_windows_of_the_buyers_day(duration: object, after: str, start: str) -> None:
    zone = MOSCOW.local(datetime(2026, 11, 25, tzinfo=UTC)).tzinfo
    asked = datetime.fromisoformat(after).replace(tzinfo=zone)
    assert next_start(duration, asked, MOSCOW) == datetime.fromisoformat(start).replace(tzinfo=zone)  # type: ignore[arg-type]


@given(
    minutes=st.integers(0, 60 * 24 * 366),
    duration=st.sampled_from((SHORT, MIDDLE, LONG)),
)
def test_an_auction_that_begins_at_the_next_start_breaks_no_window_and_is_not_late(
    minutes: int, duration: object
) -> None:
    after = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes, seconds=minutes % 60)
    start = next_start(duration, after, MOSCOW)  # type: ignore[arg-type]
    assert start is not None and start >= after
    end_of(duration, start, Decimal(1), POLICY, MOSCOW)  # type: ignore[arg-type]
    if duration is LONG:
        assert start - after < timedelta(minutes=1)
    else:
        assert start.time() >= time(9)


@pytest.mark.parametrize(
    ("minutes", "words"),
    [(3, "3 min"), (60, "1 h"), (90, "1 h 30 min"), (1440, "24 h"), (10_080, "7 days"), (2881, "48 h 1 min")],
)
def test_a_length_is_spelt_for_people(minutes: int, words: str) -> None:
    assert str(Minutes(minutes)) == f"{Minutes(minutes)}" == words
