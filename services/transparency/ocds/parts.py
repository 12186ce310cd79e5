"""The building blocks of our own releases: parties, items, values, places, in OCDS 1.1 with its location extension."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from catalogue.numbers import digits
from catalogue.units import unit
from events.accounts import OrganisationRegistered
from events.values import Category, Line, Place

Json = dict[str, Any]


class Parties:
    """The organisations of one release, each once with all its roles, with the data that this market has."""

    def __init__(self, known: Mapping[str, OrganisationRegistered]) -> None:
        self._known = known
        self._found: dict[str, Json] = {}

    def refer(self, organisation_id: str, name: str, *roles: str) -> Json:
        """Add the party and return the reference to it."""
        known = self._known.get(organisation_id)
        name = name or (known.name if known else "")
        reference = filled({"id": organisation_id, "name": name})
        party = self._found.setdefault(organisation_id, {**reference, "roles": []})
        party["roles"] = sorted({*party["roles"], *roles})
        if known and known.identifier:
            party["identifier"] = filled(
                {"scheme": known.identifier_scheme, "id": known.identifier, "legalName": known.name}
            )
        if known and (address := address_of(known.place)):
            party["address"] = address
        return reference

    def __iter__(self) -> Iterator[Json]:
        return iter(self._found.values())


def filled(parts: Json) -> Json:
    """The parts that are not empty, because the standard does not allow empty texts and lists."""
    return {name: part for name, part in parts.items() if part not in (None, "", [], {}, ())}


def date(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def period(begins: datetime | None, ends: datetime | None) -> Json:
    return filled({"startDate": begins and date(begins), "endDate": ends and date(ends)})


def value(amount: Decimal | None, currency: str | None) -> Json:
    return filled({"amount": amount, "currency": currency}) if amount is not None else {}


def address_of(place: Place) -> Json:
    """``region`` is the ISO 3166-2 code and ``countryName`` the ISO 3166-1 code: names differ by language, codes do not."""
    return filled({"locality": place.locality, "region": place.region, "countryName": place.country})


def location_of(place: Place) -> Json:
    """GeoJSON: longitude first."""
    if place.latitude is None or place.longitude is None:
        return {}
    return {"geometry": {"type": "Point", "coordinates": [place.longitude, place.latitude]}}


def delivery(place: Place | None) -> Json:
    if place is None:
        return {}
    address, location = address_of(place), location_of(place)
    return filled(
        {"deliveryAddresses": [address] if address else None, "deliveryLocations": [location] if location else None}
    )


def classification(category: Category | None) -> Json:
    return filled({"scheme": category.scheme, "id": category.code, "description": category.title}) if category else {}


def items(lines: Sequence[Line], currency: str | None, lot: str | None = None) -> list[Json]:
    return [
        filled(
            {
                "id": line.line_id,
                "description": line.description,
                "classification": classification(line.category),
                "quantity": line.quantity,
                "unit": _unit(line, currency),
                "relatedLot": lot,
                **delivery(line.place),
            }
        )
        for line in lines
    ]


def _unit(line: Line, currency: str | None) -> Json:
    """The unit of a line. If the line counts packs, the unit is the pack, which has a name but no code."""
    named: Json = {"name": line.unit_text}
    if line.unit:
        known = unit(line.unit)
        named = {"scheme": "UNCEFACT", "id": known.code, "name": known.name}
        if line.pack_size != 1:
            named = {"name": f"pack of {digits(line.pack_size)} {known.name}"}
    return filled({**named, "value": value(line.unit_price, currency)})
