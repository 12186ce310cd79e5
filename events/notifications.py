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
class DutyMailed(Event, frozen=True, kw_only=True):
    """One member was told what its organisation has to do, on the contract or purchase at ``path``, by ``due_at`` (None: when it likes).

    ``what`` is a step of a contract (supplier-offer, buyer-draft, buyer-answer, supplier-signature, next-bidder), a part of carrying it
    out (deliver, assess, pay, confirm, answer-dispute, answer-ending) or purchase-request.
    """

    member_id: str
    organisation_id: str
    letter_id: str
    what: str
    path: str
    due_at: datetime | None
    sent_at: datetime


@event(key="member_id")
class MailUnsubscribed(Event, frozen=True, kw_only=True):
    """``topic`` is digest or duties."""

    member_id: str
    organisation_id: str
    topic: str
