"""The place for which the catalogue asks for a reference price."""

from datetime import date

import pytest

from events.values import Place
from services.catalogue.pricing import LocalMarket

MOSCOW = Place(country="RU", region="RU-MOW", locality="Moscow", latitude=55.75, longitude=37.61)
ANDORRA = Place(country="AD", locality="Andorra la Vella")


@pytest.mark.parametrize(
    ("seat", "asked", "common", "place"),
    [
        (MOSCOW, "RU-MOW", "", MOSCOW),
        (MOSCOW, "", "RU-MOW", MOSCOW),
        (MOSCOW, "RU", "", Place(country="RU")),
        (MOSCOW, "RU-SPE", "RU-MOW", Place(country="RU", region="RU-SPE")),
        (ANDORRA, "AD", "", ANDORRA),
        (Place(), "RU-MOW", "", Place(country="RU", region="RU-MOW")),
        (Place(), "", "", Place()),
    ],
)
def test_the_reference_is_of_the_readers_town_if_the_prices_are_of_its_region(
    seat: Place, asked: str, common: str, place: Place
) -> None:
    market = LocalMarket(region=asked, currency="RUB", on=date(2026, 11, 30), seat=seat)
    assert market.place(common) == place
