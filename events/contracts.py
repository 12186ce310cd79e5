"""Awards, contracts and direct purchases. Producer: contracts; imports bring awards and contracts of other markets."""

from datetime import datetime
from decimal import Decimal

from events.codec import Event, event
from events.values import Category, Line, Place, Source


@event(key="process_id")
class AwardMade(Event, frozen=True, kw_only=True):
    """A supplier was chosen. ``process_id`` is the auction, pool, purchase or imported tender; ``origin`` says which of
    ``auction``, ``pool``, ``purchase``, ``import``. The recommender learns from it. An amount that is not known is None."""

    process_id: str
    award_id: str
    origin: str
    buyer_id: str
    buyer_name: str
    supplier_ids: tuple[str, ...]
    supplier_names: tuple[str, ...]
    title: str
    category: Category | None
    method: str
    place: Place
    currency: str | None
    amount: Decimal | None
    lines: tuple[Line, ...] = ()
    awarded_at: datetime
    cancelled: bool = False
    source: Source | None = None


@event(key="process_id")
class ContractDrafted(Event, frozen=True, kw_only=True):
    """A contract waits for signatures. ``rank`` is the supplier's place in the ranking: above 1, the cascade brought it.

    ``due_at`` is the end of the running step ``step`` (supplier-offer, buyer-draft, supplier-signature).
    """

    process_id: str
    contract_id: str
    award_id: str
    origin: str
    pool_id: str | None = None
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    rank: int
    title: str
    category: Category | None
    place: Place
    currency: str
    amount: Decimal
    lines: tuple[Line, ...]
    step: str
    due_at: datetime


@event(key="process_id")
class ContractStepTaken(Event, frozen=True, kw_only=True):
    """A side did its part in time: the step taken, and the next one with its end (both None when nothing is left)."""

    process_id: str
    contract_id: str
    step: str
    party: str
    member_id: str
    next_step: str | None
    due_at: datetime | None


@event(key="process_id")
class ContractConcluded(Event, frozen=True, kw_only=True):
    """Signed by both sides, or imported: the fact that prices, records and learning build on."""

    process_id: str
    contract_id: str
    award_id: str | None
    origin: str
    pool_id: str | None = None
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    title: str
    category: Category | None
    method: str
    place: Place
    currency: str | None
    amount: Decimal | None
    lines: tuple[Line, ...]
    signed_at: datetime
    source: Source | None = None


@event(key="process_id")
class ContractEnded(Event, frozen=True, kw_only=True):
    """It will not be signed, or was cancelled after. ``reason``: lapsed (no signature in time), refused, cancelled.

    ``by`` is buyer or supplier; ``evasion`` marks what counts towards a supplier's suspension.
    """

    process_id: str
    contract_id: str
    supplier_id: str
    buyer_id: str
    pool_id: str | None = None
    reason: str
    by: str
    evasion: bool
    explanation: str = ""


@event(key="process_id")
class CascadeAwaitsBuyer(Event, frozen=True, kw_only=True):
    """The supplier left, and the bidder of ``next_rank`` is asked only when the buyer wants it. ``contract_id`` is the one that ended."""

    process_id: str
    contract_id: str
    pool_id: str | None = None
    buyer_id: str
    next_rank: int


@event(key="process_id")
class PurchaseRequested(Event, frozen=True, kw_only=True):
    """A buyer wants to buy straight from an offer; the supplier has until ``due_at``. ``process_id`` is the purchase."""

    process_id: str
    buyer_id: str
    buyer_name: str
    supplier_id: str
    offer_id: str
    sku_id: str
    title: str
    quantity: Decimal
    unit_price: Decimal
    amount: Decimal
    currency: str
    place: Place
    due_at: datetime


@event(key="process_id")
class PurchaseAnswered(Event, frozen=True, kw_only=True):
    """``answer`` is accepted, refused or lapsed."""

    process_id: str
    buyer_id: str
    supplier_id: str
    answer: str
    reason: str = ""


# Sanctions


@event(key="organisation_id")
class OrganisationSanctioned(Event, frozen=True, kw_only=True):
    """An organisation is suspended: ``contract_ids`` are the contracts that it evaded as ``side`` supplier, or refused without
    ground as buyer, each counted once. ``level`` is 1 for the first time. Until ``appeal_until`` it may appeal."""

    sanction_id: str
    organisation_id: str
    side: str
    level: int
    contract_ids: tuple[str, ...]
    since: datetime
    until: datetime
    appeal_until: datetime


@event(key="organisation_id")
class SanctionAppealed(Event, frozen=True, kw_only=True):
    """The sanctioned organisation says why it should not be suspended; a moderator decides by ``due_at``."""

    sanction_id: str
    organisation_id: str
    member_id: str
    reasons: str
    due_at: datetime


@event(key="organisation_id")
class SanctionAppealDecided(Event, frozen=True, kw_only=True):
    """``decision`` is upheld, or lifted: then the suspension ends at once and does not count for the next one's length."""

    sanction_id: str
    organisation_id: str
    decision: str
    explanation: str
    decided_at: datetime
