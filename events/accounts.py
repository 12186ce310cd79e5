"""Organisations and their members. Producer: accounts; imports bring organisations without members."""

from datetime import datetime

from events.codec import Event, event
from events.values import Category, Place, Source


@event(key="organisation_id")
class OrganisationRegistered(Event, frozen=True, kw_only=True):
    """An organisation is known. ``roles`` are of ``buyer``, ``supplier``, ``observer``, ``operator``.

    ``categories`` are those a supplier declares to work in. Seen again with other particulars, the later one holds.
    """

    organisation_id: str
    roles: tuple[str, ...]
    name: str
    state: str = "active"
    identifier_scheme: str = ""
    identifier: str = ""
    place: Place = Place()
    time_zone: str = "UTC"
    language: str = "en"
    categories: tuple[Category, ...] = ()
    source: Source | None = None


@event(key="organisation_id")
class OrganisationStateChanged(Event, frozen=True, kw_only=True):
    """pending, active, suspended (until a time) or closed."""

    organisation_id: str
    state: str
    reason: str
    until: datetime | None = None


@event(key="organisation_id")
class MemberJoined(Event, frozen=True, kw_only=True):
    """A person acts for an organisation. ``roles`` are of supplier_agent, buyer_officer, buyer_approver, moderator,
    observer, administrator. The event is internal: it carries an address."""

    organisation_id: str
    member_id: str
    name: str
    email: str
    roles: tuple[str, ...]
    language: str = "en"
