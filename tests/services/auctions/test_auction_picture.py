"""The fall of the price as a picture: its line, its axes, and the rows that say the same."""

from datetime import timedelta
from decimal import Decimal

from hypothesis import example, given
from hypothesis import strategies as st

from services.auctions.domain.picture import MOST_TICKS, descent
from tests.services.auctions.builders import NOON_UTC

MINUTE = timedelta(minutes=1)


def test_the_line_falls_with_each_lower_bid_and_a_higher_one_is_only_a_dot() -> None:
    bids = [
        (NOON_UTC + 15 * MINUTE, Decimal(900)),
        (NOON_UTC + 30 * MINUTE, Decimal(950)),
        (NOON_UTC + 45 * MINUTE, Decimal(800)),
    ]
    drawn = descent(Decimal(1000), bids, NOON_UTC)
    assert drawn.line == "M0,8 H71 V150 H928 V292 H928"
    assert drawn.bids == "M71,150h0 M500,79h0 M928,292h0"
    assert [level.amount for level in drawn.levels] == [1000, 900, 800]
    assert [f"{tick.instant.strftime(drawn.clock)}" for tick in drawn.times] == ["12:20", "12:30", "12:40"]
    assert [(f"{at:%H:%M:%S}", int(price)) for at, price in drawn.rows] == [
        ("12:12:30", 1000), ("12:20:00", 900), ("12:30:00", 900), ("12:40:00", 900), ("12:45:00", 800)
    ]  # fmt: skip


def test_a_day_of_silence_does_not_press_the_bids_together() -> None:
    end = NOON_UTC + timedelta(hours=23)
    drawn = descent(Decimal(1000), [(end, Decimal(990)), (end + MINUTE, Decimal(980))], NOON_UTC)
    assert drawn.bids == "M71,150h0 M928,292h0"
    assert drawn.clock == "%H:%M:%S" and len(drawn.times) >= 3


def test_without_a_bid_only_the_initial_price_is_drawn() -> None:
    drawn = descent(Decimal(1000), [], NOON_UTC)
    assert (drawn.line, drawn.bids, drawn.rows) == ("M0,8 H0", "", ((NOON_UTC, Decimal(1000)),))
    assert [level.amount for level in drawn.levels] == [1000]


@given(
    minutes=st.integers(1, 60_000),
    bids=st.lists(st.tuples(st.floats(0, 1), st.decimals(1, 2000, places=2)), max_size=30),
)
@example(minutes=1, bids=[(0.0, Decimal("1000.01")), (0.0, Decimal("1000.02"))])
def test_whatever_was_bid_stays_in_the_picture_and_ends_at_the_lowest(
    minutes: int, bids: list[tuple[float, Decimal]]
) -> None:
    arrived = sorted((NOON_UTC + minutes * MINUTE * part, amount) for part, amount in bids)
    drawn = descent(Decimal(1000), arrived, NOON_UTC)
    assert len(drawn.times) <= MOST_TICKS + 1
    assert all(0 <= each.at <= 100 for each in (*drawn.times, *drawn.levels))
    assert 0 <= drawn.end <= 100 and 0 <= drawn.reach <= 100
    prices = [price for _, price in drawn.rows]
    assert prices == sorted(prices, reverse=True)
    assert prices[-1] == min([Decimal(1000), *(amount for _, amount in arrived)])
