"""The descent as a picture: its line, its axes, and the rows that say the same."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from services.auctions.domain.picture import MOST_TICKS, descent
from tests.services.auctions.stories import NOON_UTC

MINUTE = timedelta(minutes=1)
END = NOON_UTC + 60 * MINUTE


def test_the_line_falls_with_each_lower_bid_and_a_higher_one_is_only_a_dot() -> None:
    bids = [
        (NOON_UTC + 15 * MINUTE, Decimal(900)),
        (NOON_UTC + 30 * MINUTE, Decimal(950)),
        (NOON_UTC + 45 * MINUTE, Decimal(800)),
    ]
    drawn = descent(Decimal(1000), bids, NOON_UTC, END)
    assert drawn.line == "M0,8 H250 V150 H750 V292 H750"
    assert drawn.bids == "M250,150h0 M500,79h0 M750,292h0"
    assert [level.amount for level in drawn.levels] == [1000, 900, 800]
    assert [(tick.at, f"{tick.instant:%H:%M}") for tick in drawn.times] == [
        (0, "12:00"), (25, "12:15"), (50, "12:30"), (75, "12:45"), (100, "13:00")
    ]  # fmt: skip
    assert [(f"{at:%H:%M}", int(price)) for at, price in drawn.rows] == [
        ("12:00", 1000), ("12:15", 900), ("12:30", 900), ("12:45", 800)
    ]  # fmt: skip


def test_without_a_bid_there_is_the_initial_price_alone() -> None:
    drawn = descent(Decimal(1000), [], NOON_UTC, END)
    assert (drawn.line, drawn.bids, drawn.rows) == ("M0,8 H0", "", ((NOON_UTC, Decimal(1000)),))
    assert [level.amount for level in drawn.levels] == [1000]


@given(
    minutes=st.integers(1, 60_000),
    bids=st.lists(st.tuples(st.floats(0, 1), st.decimals(1, 2000, places=2)), max_size=30),
)
def test_whatever_was_bid_stays_in_the_picture_and_ends_at_the_lowest(
    minutes: int, bids: list[tuple[float, Decimal]]
) -> None:
    length = minutes * MINUTE
    arrived = sorted((NOON_UTC + length * part, amount) for part, amount in bids)
    drawn = descent(Decimal(1000), arrived, NOON_UTC, NOON_UTC + length)
    assert len(drawn.times) <= MOST_TICKS + 1
    assert all(0 <= each.at <= 100 for each in (*drawn.times, *drawn.levels))
    assert 0 <= drawn.end <= 100 and 0 <= drawn.reach <= 100
    prices = [price for _, price in drawn.rows]
    assert prices == sorted(prices, reverse=True)
    assert prices[-1] == min([Decimal(1000), *(amount for _, amount in arrived)])
