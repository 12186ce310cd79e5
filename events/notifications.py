"""What was mailed. Producer: notifications."""

from datetime import datetime

from events.codec import Event, event


@event(key="member_id")
class DigestSent(Event, frozen=True, kw_only=True):
    """One digest went out to one member; ``items`` are the opportunities in it, each mailed once ever."""

    member_id: str
    organisation_id: str
    digest_id: str
    period: str
    items: tuple[str, ...]
    sent_at: datetime


@event(key="member_id")
class MailUnsubscribed(Event, frozen=True, kw_only=True):
    """``topic`` is digest or reminders."""

    member_id: str
    organisation_id: str
    topic: str
