"""OCDS in and out. Producer: transparency."""

from datetime import datetime

from events.bounds import Key, Label, Many, Prose
from events.codec import Event, event
from events.values import Category, Line, Place, Source


@event(key="process_id")
class TenderImported(Event, frozen=True, kw_only=True):
    """A tender of another market, read from its publication. Its organisations, bids, awards and contracts follow in
    the same events as those of this market."""

    process_id: Key
    ocid: Key
    buyer_id: Key | None
    title: Label
    description: Prose = ""
    status: Key = ""
    method: Key = ""
    category: Category | None = None
    place: Place = Place()
    language: Key = ""
    lines: Many[Line] = ()
    published_at: datetime | None = None
    closes_at: datetime | None = None
    source: Source


@event(key="process_id")
class ReleasePublished(Event, frozen=True, kw_only=True):
    """An OCDS release of a process of this market was added to the feed."""

    process_id: Key
    ocid: Key
    release_id: Key
    tags: Many[Key]
    released_at: datetime
