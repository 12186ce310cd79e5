"""Whether the ground of a refusal held."""

from datetime import datetime

from events.codec import Event, event


@event(key="process_id")
class RefusalDisputed(Event, frozen=True, kw_only=True):
    """The other side says that the ground of a refusal does not hold; a moderator decides by ``due_at``. ``by`` is who disputes."""

    process_id: str
    contract_id: str
    by: str
    organisation_id: str
    member_id: str
    reasons: str
    due_at: datetime


@event(key="process_id")
class RefusalDisputeDecided(Event, frozen=True, kw_only=True):
    """``decision`` is justified, or unjustified: then the refusal by ``refused_by`` (buyer or supplier) counts as the breach that
    it was, from ``refused_at``."""

    process_id: str
    contract_id: str
    supplier_id: str
    buyer_id: str
    refused_by: str
    refused_at: datetime
    decision: str
    explanation: str
    decided_at: datetime
