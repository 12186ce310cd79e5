"""What was mailed. Producer: notifications."""

from datetime import datetime

from events.bounds import Key, Many
from events.codec import Event, event


@event(key="member_id")
class DigestSent(Event, frozen=True, kw_only=True):
    """One digest went out to one member; ``items`` are the opportunities in it; each is mailed to a member only
    once."""

    member_id: Key
    organisation_id: Key
    digest_id: Key
    period: Key
    items: Many[Key]
    sent_at: datetime


@event(key="member_id")
class DutyMailed(Event, frozen=True, kw_only=True):
    """One member was informed of a duty of its organisation, for the contract or purchase at ``path``, due at
    ``due_at`` (None: no deadline).

    ``what`` is a step of a contract (supplier-offer, buyer-draft, buyer-answer, supplier-signature, next-bidder), a part of carrying it
    out (deliver, assess, pay, confirm, answer-dispute, answer-ending) or purchase-request.
    """

    member_id: Key
    organisation_id: Key
    letter_id: Key
    what: Key
    path: Key
    due_at: datetime | None
    sent_at: datetime


@event(key="member_id")
class MailUnsubscribed(Event, frozen=True, kw_only=True):
    """``topic`` is digest or duties."""

    member_id: Key
    organisation_id: Key
    topic: Key
