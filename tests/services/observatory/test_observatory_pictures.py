from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from catalogue.policy import ObservatoryRules
from events.values import Place, Source
from services.observatory.domain import (
    Observation,
    PricedObservation,
    PriceKind,
    entry,
    histogram,
    home,
    points,
    series,
    valued_on,
)

NOWHERE = Place()


def a_price(
    price: str, *, on: date = date(2026, 5, 5), place: Place = NOWHERE, cancelled: bool = False
) -> PricedObservation:
    observation = Observation(
        observation_id=f"{price} on {on} at {place.locality}",
        kind=PriceKind.CONTRACT,
        item_key="rice",
        unit_price=Decimal(price),
        currency="BRL",
        date=on,
        place=place,
        unit="KGM",
        supplier_id=price,
        cancelled=cancelled,
    )
    return PricedObservation(observation=observation, price=Decimal(price), unit="KGM", currency="BRL")


class TestPictures:
    def test_a_series_has_one_point_a_month_in_order(self) -> None:
        may = [a_price(price) for price in ("3", "1", "2")]
        april = a_price("9", on=date(2026, 4, 30))
        found = series([*may, april], 3)
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
    def test_every_price_is_in_one_bin(self, prices: list[str]) -> None:
        assert sum(bin.count for bin in histogram([a_price(price) for price in prices])) == len(prices)

    def test_points_are_the_places_with_coordinates(self) -> None:
        aracaju = Place(country="BR", region="BR-SE", locality="Aracaju", latitude=-10.9, longitude=-37.1)
        found = points([a_price("4", place=aracaju), a_price("6", place=aracaju), a_price("9")], 3)
        assert [(point.place, point.median, point.count) for point in found] == [(aracaju, 5, 2)]


class TestRollingEntry:
    def test_is_the_nominal_net_price_of_a_base_unit_in_its_month(self) -> None:
        seen = replace(a_price("12").observation, unit="GRM", vat_included=True, vat_rate=Decimal(20))
        found = entry(seen)
        assert found is not None
        assert (found.month, found.price, found.unit, found.currency) == ("2026-05", 10_000, "KGM", "BRL")

    @pytest.mark.parametrize(
        "changes", [{"cancelled": True}, {"unit": "", "unit_text": "wagon-ish"}, {"unit_price": Decimal(0)}]
    )
    def test_a_price_that_cannot_be_compared_has_no_entry(self, changes: dict[str, Any]) -> None:
        assert entry(replace(a_price("8").observation, **changes)) is None


class TestSnapshot:
    def test_is_valued_today_while_a_price_counts_today(self) -> None:
        seen = [a_price("8", on=date(2025, 7, 1)).observation, a_price("8", on=date(2019, 1, 1)).observation]
        assert valued_on(seen, date(2026, 6, 30), ObservatoryRules()) == date(2026, 6, 30)

    def test_is_history_valued_on_the_day_of_the_latest_price_that_stands(self) -> None:
        seen = [a_price("8", on=date(2016, 3, day)).observation for day in (1, 9)]
        seen += [a_price("8", on=date(2016, 4, 1), cancelled=True).observation]
        seen += [a_price("8", on=date(2099, 1, 1)).observation]
        assert valued_on(seen, date(2026, 6, 30), ObservatoryRules()) == date(2016, 3, 9)
        assert valued_on([], date(2026, 6, 30), ObservatoryRules()) == date(2026, 6, 30)

    def test_its_home_is_the_country_of_most_prices(self) -> None:
        places = [Place(country="PY"), Place(country="BR", region="BR-SE"), Place(country="BR"), NOWHERE]
        assert home([a_price("8", place=place).observation for place in places]) == Place(country="BR")
        assert home([]) == NOWHERE

    def test_a_native_bid_is_shown_without_its_bidder(self) -> None:
        bid = replace(a_price("8").observation, kind=PriceKind.BID, supplier_name="Loser Ltd")
        assert (bid.public.supplier_id, bid.public.supplier_name) == (None, "")
        imported = replace(bid, source=Source(publisher="p", document="d"))
        assert imported.public == imported
