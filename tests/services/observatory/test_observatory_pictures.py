from datetime import date
from decimal import Decimal
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from events.values import Place
from services.observatory.domain import Kind, Observation, Priced, Rolling, apply, histogram, points, series

NOWHERE = Place()


def a_price(price: str, *, on: date = date(2026, 5, 5), place: Place = NOWHERE, cancelled: bool = False) -> Priced:
    observation = Observation(
        observation_id=f"{price} on {on} at {place.locality}",
        kind=Kind.CONTRACT,
        item_key="rice",
        unit_price=Decimal(price),
        currency="BRL",
        date=on,
        place=place,
        supplier_id=price,
        cancelled=cancelled,
    )
    return Priced(observation=observation, price=Decimal(price), unit="KGM", currency="BRL")


class TestPictures:
    def test_a_series_has_one_point_a_month_in_order(self) -> None:
        may = [a_price(price) for price in ("3", "1", "2")]
        april = a_price("9", on=date(2026, 4, 30))
        found = series([*may, april])
        assert [(p.month, p.median, p.count) for p in found] == [("2026-04", 9, 1), ("2026-05", 2, 3)]

    def test_a_histogram_has_equal_ratios_and_loses_no_price(self) -> None:
        found = histogram([a_price(price) for price in ("1", "10", "100", "1000")])
        assert [bin.count for bin in found] == [2, 2]
        assert found[0].low == 1 and found[-1].high == 1000
        assert abs(found[0].high - Decimal(1000).sqrt()) < Decimal("1e-20")

    def test_equal_prices_are_one_bin_and_none_are_no_bin(self) -> None:
        assert [bin.count for bin in histogram([a_price("5"), a_price("5")])] == [2]
        assert histogram([]) == ()

    @given(st.lists(st.decimals("0.01", "9999", places=2).map(str), max_size=50))
    @settings(max_examples=40)
    def test_every_price_is_in_one_bin(self, prices: list[str]) -> None:
        assert sum(bin.count for bin in histogram([a_price(price) for price in prices])) == len(prices)

    def test_points_are_the_places_with_coordinates(self) -> None:
        aracaju = Place(country="BR", region="BR-SE", locality="Aracaju", latitude=-10.9, longitude=-37.1)
        found = points([a_price("4", place=aracaju), a_price("6", place=aracaju), a_price("9")])
        assert [(point.place, point.median, point.count) for point in found] == [(aracaju, 5, 2)]


class TestRolling:
    def test_keeps_count_range_mean_and_the_latest_price_of_each_month(self) -> None:
        state = Rolling()
        for price in (a_price("8"), a_price("4", on=date(2026, 5, 9)), a_price("6"), a_price("7", on=date(2026, 6, 1))):
            state = apply(state, price)
        may = state.months["2026-05 BRL/KGM"]
        assert (may.count, may.low, may.high, may.mean, may.last) == (3, 4, 8, 6, 4)
        assert state.months["2026-06 BRL/KGM"].count == 1

    def test_a_cancelled_contract_is_not_counted(self) -> None:
        assert apply(Rolling(), a_price("8", cancelled=True)) == Rolling()

    @given(st.lists(st.sampled_from([a_price(p, on=date(2026, m, 1)) for p in "1234" for m in (4, 5)])), st.randoms())
    @settings(max_examples=40)
    def test_repeats_and_order_change_nothing(self, prices: list[Priced], random: Random) -> None:
        once, again = Rolling(), Rolling()
        for price in dict.fromkeys(p.observation.observation_id for p in prices):
            once = apply(once, next(p for p in prices if p.observation.observation_id == price))
        for price in random.sample([*prices, *prices], 2 * len(prices)):
            again = apply(again, price)
        assert once == again
