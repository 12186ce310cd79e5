"""Turns the place that a person typed at registration into a place with ISO codes, coordinates and a time zone."""

import re
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import msgspec
import pycountry

from catalogue import places
from catalogue.rules import Typed, UnknownTimeZone
from events.values import Place


@cache
def countries() -> tuple[tuple[str, str], ...]:
    """Countries as (ISO 3166-1 alpha-2, name), sorted by name."""
    named = ((land.alpha_2, getattr(land, "common_name", land.name)) for land in pycountry.countries)
    return tuple(sorted(named, key=lambda pair: pair[1]))


@cache
def zones() -> tuple[str, ...]:
    """The time zones to choose from, as ``Area/City``."""
    areas = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
    return ("UTC", *sorted(zone for zone in available_timezones() if zone.split("/")[0] in areas))


def resolve(country: str, region: str = "", locality: str = "", time_zone: str = "") -> tuple[Place, str]:
    """The place and its time zone. ``region`` is a code or a name; if no zone is given, it is the nearest one of the
    country.

    Raise UnknownCountry, UnknownRegion, UnknownTimeZone.
    """
    found = places.read_place(country, region, locality)
    zone = time_zone.strip() or _zone_near(found)
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UnknownTimeZone(
            f"{zone!r} is not a time zone, such as Europe/Madrid.", field="time_zone", zone=Typed(zone)
        ) from None
    return msgspec.convert(msgspec.to_builtins(found), Place), zone


def _zone_near(place: places.Place) -> str:
    """The zone of the country whose principal city is nearest. The borders of zones are not known here, so forms also
    offer a choice."""
    known = _zones_of(place.country)
    if len(known) == 1 or place.latitude is None:
        return known[0][0] if known else "UTC"
    return min(known, key=lambda row: places.distance_km(place, row[1]) or 0)[0]


@cache
def _zones_of(country: str) -> tuple[tuple[str, places.Place], ...]:
    """(zone, coordinates of its principal city), from the table of the time zone database."""
    rows = (line.split("\t") for line in (files("tzdata") / "zoneinfo" / "zone.tab").read_text().splitlines())
    return tuple(
        (row[2], places.Place(country=country, latitude=latitude, longitude=longitude))
        for row in rows
        if row[0] == country
        for latitude, longitude in [_degrees(row[1])]
    )


def _degrees(text: str) -> tuple[float, float]:
    """Coordinates in ISO 6709 as in zone.tab: ``+4024-00341``, or with seconds."""
    signs = re.fullmatch(r"([+-])(\d{2})(\d{2})(\d{2})?([+-])(\d{3})(\d{2})(\d{2})?", text)
    if signs is None:
        raise ValueError(f"no ISO 6709 point: {text!r}")
    south, west = (-1 if signs[part] == "-" else 1 for part in (1, 5))
    parts = [int(part or 0) for part in signs.group(2, 3, 4, 6, 7, 8)]
    return (
        south * (parts[0] + parts[1] / 60 + parts[2] / 3600),
        west * (parts[3] + parts[4] / 60 + parts[5] / 3600),
    )
