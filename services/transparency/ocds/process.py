"""The content of one published procurement in this market's types: the form between OCDS and events."""

from datetime import datetime
from decimal import Decimal

import msgspec

from events.derived import derive_id_in
from events.values import Category, Line, Place, Source

_NAMESPACE = bytes.fromhex("8f2e6a3455c15d0e9a536c0f7b3d21aa")


def derived_id(*parts: str) -> str:
    """The same parts give the same id on every machine and in every run, so that a second import changes nothing."""
    return derive_id_in(_NAMESPACE, *parts)


class OcdsOrganisation(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """``roles`` are ``buyer`` and ``supplier``. ``scheme`` and ``identifier`` are "" if the source has none."""

    organisation_id: str
    name: str
    roles: tuple[str, ...] = ()
    scheme: str = ""
    identifier: str = ""
    place: Place = Place()


class OcdsBid(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    bid_id: str
    suppliers: tuple[OcdsOrganisation, ...]
    status: str = ""
    amount: Decimal | None = None
    currency: str | None = None
    bid_at: datetime | None = None
    lines: tuple[Line, ...] = ()


class OcdsAward(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """``local_id`` is the id of the source, ``award_id`` is ours."""

    award_id: str
    local_id: str
    title: str
    suppliers: tuple[OcdsOrganisation, ...]
    status: str = ""
    amount: Decimal | None = None
    currency: str | None = None
    awarded_at: datetime | None = None
    lines: tuple[Line, ...] = ()


class OcdsContract(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """``award_id`` is ours; it is None if the source names no award, or one that it does not publish."""

    contract_id: str
    local_id: str
    award_id: str | None
    title: str
    suppliers: tuple[OcdsOrganisation, ...]
    status: str = ""
    amount: Decimal | None = None
    currency: str | None = None
    signed_at: datetime | None = None
    lines: tuple[Line, ...] = ()


class OcdsProcess(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The process of one ocid with the content of its merged releases. Codes are those of OCDS; "" or None if the
    source does not state them."""

    process_id: str
    ocid: str
    title: str
    description: str
    status: str
    method: str
    kind: str
    category: Category | None
    buyer: OcdsOrganisation | None
    place: Place
    language: str
    currency: str | None
    amount: Decimal | None
    published_at: datetime | None
    closes_at: datetime | None
    released_at: datetime | None
    lines: tuple[Line, ...]
    bids: tuple[OcdsBid, ...]
    awards: tuple[OcdsAward, ...]
    contracts: tuple[OcdsContract, ...]
    organisations: tuple[OcdsOrganisation, ...]
    source: Source
