"""Disputes about the ground of a refusal, and how they were decided."""

from datetime import datetime

from events.bounds import Key, Prose
from events.codec import Event, event


@event(key="process_id")
class RefusalDisputed(Event, frozen=True, kw_only=True):
    """The other side says that the ground of a refusal does not hold; a moderator decides by ``due_at``. ``by`` is the
    side that disputes."""

    process_id: Key
    contract_id: Key
    by: Key
    organisation_id: Key
    member_id: Key
    reasons: Prose
    due_at: datetime


@event(key="process_id")
class RefusalDisputeDecided(Event, frozen=True, kw_only=True):
    """``decision`` is justified, or unjustified: then the refusal by ``refused_by`` (buyer or supplier) counts as a
    breach from ``refused_at`` on."""

    process_id: Key
    contract_id: Key
    supplier_id: Key
    buyer_id: Key
    refused_by: Key
    refused_at: datetime
    decision: Key
    explanation: Prose
    decided_at: datetime
