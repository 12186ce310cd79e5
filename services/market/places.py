"""Reads the place that a person enters, in the same way for registrations, processes, orders and offers."""

import msgspec

from catalogue import places
from events.values import Place


def place_named(country: str, region: str = "", locality: str = "", within: str = "") -> Place:
    """The place with these codes or names; ``within`` is the field that holds these three. Raise UnknownCountry,
    UnknownRegion.

    A country's table of cities is built at its first use (0.5 s).
    """
    return msgspec.convert(msgspec.to_builtins(places.read_place(country, region, locality, within)), Place)


def delivered_to(region: str, locality: str, seat: Place, within: str = "") -> Place:
    """The place of delivery: a region by its ISO 3166-2 code or name, and a locality. If neither is given, the seat.
    ``within`` as in :func:`place_named`. Raise UnknownRegion."""
    if not region and not locality:
        return seat
    prefix, dash, _ = region.partition("-")
    country = prefix if dash and len(prefix) == 2 else seat.country or ""
    if places.country_code(country) is None:
        nowhere = f"{region!r} is not a region of {country or 'any country'} (ISO 3166-2)."
        raise places.UnknownRegion(nowhere, field=f"{within}.region" if within else "region", region=region)
    return place_named(country, region or seat.region or "", locality, within)
