"""Reads the place that a person enters, in the same way for registrations, processes, orders and offers."""

import msgspec

from catalogue import places
from events.values import Place


def place_named(country: str, region: str = "", locality: str = "", within: str = "") -> Place:
    """The place with these codes or names; ``within`` is the field that holds these three. Raise UnknownCountry,
    UnknownRegion.

    A country's table of cities is built at its first use (0.5 s).
    """
    return _as_told(places.read_place(country, region, locality, within))


def delivered_to(region: str, locality: str, seat: Place, within: str = "") -> Place:
    """The place of delivery: a region by its ISO 3166-2 code or name, and a locality. If neither is given, the seat.
    ``within`` as in :func:`place_named`. Raise UnknownRegion, and what :func:`catalogue.places.delivery_place`
    explains."""
    if not region.strip() and not locality.strip():
        return seat
    return _as_told(places.delivery_place(seat, region, locality, within))


def _as_told(found: places.Place) -> Place:
    return msgspec.convert(msgspec.to_builtins(found), Place)
