"""The organisations of a release: parties (OCDS 1.1), organisations embedded in the places where they act (1.0), or
both."""

import re
from collections.abc import Callable

import msgspec

from catalogue.identifiers import MalformedIdentifier, UnknownRegister, plain_number, read_identifier
from events.values import Place
from services.transparency.ocds import vocabulary
from services.transparency.ocds.fitting import KEY
from services.transparency.ocds.node import Node
from services.transparency.ocds.process import OcdsOrganisation, derived_id
from services.transparency.ocds.tolerance import NotUnderstood

RegionCode = Callable[[str, str], str | None]
"""A function: (country, region as written) → ISO 3166-2 code, or None."""

_BUYER = frozenset({"buyer", "procuringentity", "procuringagency", "procurer", "payer", "centralpurchasingbody"})
_SUPPLIER = frozenset({"supplier", "tenderer", "payee", "bidder", "proveedor", "notifiedsupplier"})
_OPAQUE = re.compile(
    r"[0-9a-f]{32}|[0-9a-f]{40}|[0-9a-f]{64}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
_LONGEST_NUMBER = 200
_ORG_ID = re.compile(r"([A-Z]{2}-[A-Za-z0-9_]+)-(.+)")


def no_regions(country: str, region: str) -> str | None:
    return None


class OcdsOrganisations:
    """Collects the organisations of one process, each once, in however many places it appears.

    The id is derived from the first of these that is present: the identifier with its scheme; an id in the form of an
    identifier ("AM-TIN-02589128"); another id, within the publisher; the name, within the publisher. Hashes are not
    used as ids, because publishers make new ones with each version of their data.
    """

    def __init__(self, publisher: str, ledger: NotUnderstood, region_code: RegionCode = no_regions) -> None:
        self.publisher, self.ledger, self.region_code = publisher, ledger, region_code
        self.parties: dict[str, OcdsOrganisation] = {}
        self.by_name: dict[str, OcdsOrganisation] = {}
        self.found: dict[str, OcdsOrganisation] = {}

    def add_parties(self, parties: list[Node]) -> None:
        for party in parties:
            roles = {vocabulary.folded(role) for role in party.texts("roles", "role")}
            for other in sorted(roles - _BUYER - _SUPPLIER):
                self.ledger.add(f"parties.roles: {other[:40]} not carried")
            mapped = tuple(role for role, words in (("buyer", _BUYER), ("supplier", _SUPPLIER)) if roles & words)
            local_id = party.text("id")
            organisation = self._read(party, local_id, mapped)
            if organisation and local_id:
                self.parties[local_id] = self.found[organisation.organisation_id]

    def refer(self, node: Node, role: str) -> OcdsOrganisation | None:
        """The organisation of a reference ({id, name}) or of an embedded organisation, in a role. None if it cannot be
        recognised."""
        if not node:
            return None
        local_id = node.text("id")
        party = self.parties.get(local_id) if local_id else None
        if party is None:
            return self._read(node, local_id, (role,))
        node.ignore("name", "identifier", "address")
        return self._keep(msgspec.structs.replace(party, roles=(role,)))

    def refer_all(self, nodes: list[Node], role: str) -> tuple[OcdsOrganisation, ...]:
        """The organisations of several references, each once, in order."""
        found = (self.refer(node, role) for node in nodes)
        return tuple({one.organisation_id: one for one in found if one}.values())

    def __iter__(self):  # type: ignore[no-untyped-def]
        return iter(self.found.values())

    def with_role(self, role: str) -> list[OcdsOrganisation]:
        return [one for one in self.found.values() if role in one.roles]

    def current(self, organisation: OcdsOrganisation) -> OcdsOrganisation:
        """The organisation with the data of all places of the release."""
        return self.found[organisation.organisation_id]

    def _read(self, node: Node, local_id: str, roles: tuple[str, ...]) -> OcdsOrganisation | None:
        identifier = node.node("identifier", "identifiers")
        node.ignore("subOrganisationOf")
        name = " ".join((node.text("name") or identifier.text("legalName") or node.text("legalName")).split())
        identifier.ignore("legalName", "uri", "key")
        node.ignore("legalName")
        written = vocabulary.identifier_scheme(identifier.text("scheme", most=KEY))
        number = identifier.text("id", most=_LONGEST_NUMBER)
        shaped = _ORG_ID.fullmatch(local_id)
        if not _number(number) and shaped and shaped[1][:2] in vocabulary.COUNTRIES:
            written, number = shaped[1], shaped[2]
        scheme, number = read_number(written, number, self.ledger, node.path)
        if not name and not number:
            self.ledger.add(f"{node.path}: an organisation without name and identifier", local_id)
            return None
        if number and written:
            organisation_id = derived_id("organisation", scheme or written, number)
        elif number:
            organisation_id = derived_id("organisation", self.publisher, "identifier", number)
        elif known := self.by_name.get(vocabulary.folded(name)):
            organisation_id = known.organisation_id
        elif local_id and not _OPAQUE.fullmatch(local_id):
            organisation_id = derived_id("organisation", self.publisher, "id", local_id)
        else:
            organisation_id = derived_id("organisation", self.publisher, "name", vocabulary.folded(name))
        place = read_place(node.node("address"), self.ledger, self.region_code)
        if place.country is None and (country := vocabulary.country_of_scheme(scheme)):
            place = msgspec.structs.replace(place, country=country)
        return self._keep(
            OcdsOrganisation(
                organisation_id=organisation_id,
                name=name or number,
                roles=roles,
                scheme=scheme,
                identifier=number,
                place=place,
            )
        )

    def _keep(self, new: OcdsOrganisation) -> OcdsOrganisation:
        """Add the new data to the known ones; the first name and the most complete place are kept."""
        old = self.found.get(new.organisation_id)
        if old is not None:
            new = msgspec.structs.replace(
                old,
                roles=tuple(sorted({*old.roles, *new.roles})),
                scheme=old.scheme or new.scheme,
                identifier=old.identifier or new.identifier,
                place=max(old.place, new.place, key=_detail) if _detail(old.place) != _detail(new.place) else old.place,
            )
        self.found[new.organisation_id] = new
        self.by_name.setdefault(vocabulary.folded(new.name), new)
        return new


def _detail(place: Place) -> int:
    return sum(value is not None for value in (place.country, place.region, place.locality, place.latitude))


def read_number(scheme: str, number: str, ledger: NotUnderstood, where: str) -> tuple[str, str]:
    """The register and the number, checked by the rule for organisations that register here. A number that breaks it is
    left out and counted."""
    plain = _number(number)
    try:
        read_identifier("", plain)
    except MalformedIdentifier:
        ledger.add(f"{where}: an identifier without letter and digit", number)
        plain = ""
    try:
        return read_identifier(scheme, plain)
    except UnknownRegister:
        if plain:
            ledger.add(f"{where}: unknown register", scheme)
        return "", plain


def _number(text: str) -> str:
    """An identifier without dots and spaces; "" for placeholders like "N/A" and "0"."""
    plain = plain_number(text)
    return "" if plain.casefold() in vocabulary.NOTHING else plain[:_LONGEST_NUMBER]


def read_place(address: Node, ledger: NotUnderstood, region_code: RegionCode) -> Place:
    """Read an OCDS address. The region is stored as its ISO 3166-2 code; a region without a code is reported and is
    used as locality."""
    if not address:
        return Place()
    written = address.text("country", "countryCode", "countryName")
    country = vocabulary.country(written) if written else None
    if written and country is None and written.casefold() not in vocabulary.NOTHING:
        ledger.add(f"{address.path}.countryName: unknown country", written)
    region_text = address.text("region", "department", "province", "state")
    region = region_code(country, region_text) if country and region_text else None
    if region_text and region is None and region_text.casefold() not in vocabulary.NOTHING:
        ledger.add(f"{address.path}.region: no ISO 3166-2 code found", region_text)
    locality = address.text("locality", "city", "municipality").strip(". ")
    return Place(country=country, region=region, locality=locality or (region_text if not region else "") or None)
