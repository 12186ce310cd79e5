"""Breaches, suspensions and appeals. Conduct publishes suspensions and appeals; the topic has not changed."""

from datetime import datetime

from events.bounds import Key, Many, PolicyText, Prose
from events.codec import Event, event


@event(key="process_id")
class ContractBreached(Event, frozen=True, kw_only=True):
    """``organisation_id`` evaded a contract as ``side`` supplier, or refused one without ground as buyer, at the
    instant ``at``. ``known_at`` is later if a dispute decided it: the consequences begin no earlier. The policy is that
    of the contract's process."""

    process_id: Key
    contract_id: Key
    organisation_id: Key
    side: Key
    at: datetime
    known_at: datetime | None = None
    policy: Key
    policy_text: PolicyText = ""


@event(key="organisation_id")
class OrganisationSanctioned(Event, frozen=True, kw_only=True):
    """An organisation is suspended: ``contract_ids`` are the contracts that it evaded as ``side`` supplier, or refused
    without ground as buyer, each counted once. ``level`` is 1 for the first suspension. The organisation may appeal
    until ``appeal_until``."""

    sanction_id: Key
    organisation_id: Key
    side: Key
    level: int
    contract_ids: Many[Key]
    since: datetime
    until: datetime
    appeal_until: datetime


@event(key="organisation_id")
class SanctionAppealed(Event, frozen=True, kw_only=True):
    """The sanctioned organisation says why it should not be suspended; a moderator decides by ``due_at``."""

    sanction_id: Key
    organisation_id: Key
    member_id: Key
    reasons: Prose
    due_at: datetime


@event(key="organisation_id")
class SanctionAppealDecided(Event, frozen=True, kw_only=True):
    """``decision`` is upheld, or lifted: then the suspension ends at once and does not count for the length of the next
    one."""

    sanction_id: Key
    organisation_id: Key
    decision: Key
    explanation: Prose
    decided_at: datetime
