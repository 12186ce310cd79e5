"""Organisations and their members. Producer: accounts; imports bring organisations without members."""

from datetime import datetime

from events.bounds import Key, Label, Many, Prose
from events.codec import Event, event
from events.values import Category, Place, Source


@event(key="organisation_id")
class OrganisationRegistered(Event, frozen=True, kw_only=True):
    """An organisation was registered. ``roles`` are some of ``buyer``, ``supplier``, ``observer``, ``operator``.

    ``categories`` are those in which a supplier says that it works. If the organisation is published again with other
    data, the later event holds.
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
    """``state`` is pending, active, suspended (until a time) or closed."""

    organisation_id: Key
    state: Key
    reason: Prose
    until: datetime | None = None


@event(key="organisation_id")
class MemberJoined(Event, frozen=True, kw_only=True):
    """A person may act for an organisation. ``roles`` are some of supplier_agent, buyer_officer, buyer_approver,
    moderator, observer, administrator. The event is internal: it carries an address."""

    organisation_id: Key
    member_id: Key
    name: Label
    email: Label
    roles: Many[Key]
    language: Key = "en"
