"""The data of organisations and members that the pages and the API show."""

from collections.abc import Sequence

import msgspec

from events.values import Category, Place
from infra.database import Transaction
from infra.denied import Missing
from infra.listing import Listed
from infra.tokens import Principal
from services.accounts import store
from services.accounts.domain import MANAGERS, MEMBER_ROLES, Member, Organisation
from services.accounts.store import ApiKey, OpenInvitation, PublicContract

CONTRACTS = 10
"""The number of contracts on each side that the page of an organisation shows."""


class OrganisationCard(msgspec.Struct, frozen=True, kw_only=True):
    """What everybody may know about an organisation. Contracts are counted up to 1,000; ``more`` says that there are
    more."""

    organisation_id: str
    name: str
    roles: tuple[str, ...]
    state: str
    identifier_scheme: str
    identifier: str
    place: Place
    categories: tuple[Category, ...]
    contracts_as_buyer: int
    contracts_as_supplier: int
    more_as_buyer: bool = False
    more_as_supplier: bool = False


class OrganisationContracts(msgspec.Struct, frozen=True, kw_only=True):
    """An organisation and its latest contracts on each side."""

    organisation: Organisation
    bought: Listed[PublicContract]
    sold: Listed[PublicContract]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The reader's own account. ``invitations`` are shown only to members who may invite."""

    organisation: Organisation | None
    members: Sequence[Member]
    keys: Sequence[ApiKey]
    manages: bool
    invitations: Sequence[OpenInvitation]


async def record(tx: Transaction, organisation_id: str, limit: int = CONTRACTS) -> OrganisationContracts:
    """Return the organisation with its latest ``limit`` contracts on each side. Raise Missing."""
    found = await store.organisation(tx, organisation_id)
    if found is None:
        raise Missing("organisation", organisation_id)
    return OrganisationContracts(
        organisation=found,
        bought=await store.latest_contracts(tx, organisation_id, party="buyer", limit=limit),
        sold=await store.latest_contracts(tx, organisation_id, party="supplier", limit=limit),
    )


async def card(tx: Transaction, organisation_id: str) -> OrganisationCard:
    """Return the public card of the organisation. Raise Missing."""
    found = await record(tx, organisation_id, limit=0)
    fields = {
        name: getattr(found.organisation, name)
        for name in OrganisationCard.__struct_fields__
        if hasattr(found.organisation, name)
    }
    return OrganisationCard(
        **fields,
        contracts_as_buyer=found.bought.total,
        contracts_as_supplier=found.sold.total,
        more_as_buyer=found.bought.more,
        more_as_supplier=found.sold.more,
    )


async def account(tx: Transaction, reader: Principal) -> Account:
    manages = reader.may(*MANAGERS)
    return Account(
        organisation=await store.organisation(tx, reader.organisation_id),
        members=await store.members_of(tx, reader.organisation_id),
        keys=await store.keys_of(tx, reader.member_id),
        manages=manages,
        invitations=await store.open_invitations(tx, reader.organisation_id) if manages else [],
    )


def roles_in(organisation: Organisation | None) -> tuple[str, ...]:
    """The roles that a member of the organisation may have."""
    kinds = organisation.roles if organisation else ()
    return tuple(dict.fromkeys(role for kind in kinds for role in MEMBER_ROLES[kind]))
