"""Organisations and their members. Producer: accounts; imports bring organisations without members."""

from datetime import datetime

from events.bounds import Key, Label, Many, Prose
from events.codec import Event, event
from events.values import Category, Place, Source


@event(key="organisation_id")
class OrganisationRegistered(Event, frozen=True, kw_only=True):
    """An organisation is known. ``roles`` are of ``buyer``, ``supplier``, ``observer``, ``operator``.

    ``categories`` are those a supplier declares to work in. Seen again with other particulars, the later one holds.
    """

    organisation_id: Key
    roles: Many[Key]
    name: Label
    state: Key = "active"
    identifier_scheme: Key = ""
    identifier: Label = ""
    place: Place = Place()
    time_zone: Key = "UTC"
    language: Key = "en"
    categories: Many[Category] = ()
    source: Source | None = None


@event(key="organisation_id")
class OrganisationStateChanged(Event, frozen=True, kw_only=True):
    """pending, active, suspended (until a time) or closed."""

    organisation_id: Key
    state: Key
    reason: Prose
    until: datetime | None = None


@event(key="organisation_id")
class MemberJoined(Event, frozen=True, kw_only=True):
    """A person acts for an organisation. ``roles`` are of supplier_agent, buyer_officer, buyer_approver, moderator,
    observer, administrator. The event is internal: it carries an address."""

    organisation_id: Key
    member_id: Key
    name: Label
    email: Label
    roles: Many[Key]
    language: Key = "en"
