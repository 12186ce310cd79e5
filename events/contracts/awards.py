"""Who was chosen, and whether the cascade asks another."""

from datetime import datetime
from decimal import Decimal

from events.codec import Event, event
from events.values import Category, Line, Place, Source


@event(key="process_id")
class AwardMade(Event, frozen=True, kw_only=True):
    """A supplier was chosen. ``process_id`` is the auction, quote request, pool, purchase or imported tender; ``origin`` says
    which of ``auction``, ``quote``, ``pool``, ``purchase``, ``import``. The recommender learns from it. An amount that is not
    known is None."""

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
class CascadeAwaitsBuyer(Event, frozen=True, kw_only=True):
    """The supplier left, and the bidder of ``next_rank`` is asked only when the buyer wants it. ``contract_id`` is the one that ended."""

    process_id: str
    contract_id: str
    pool_id: str | None = None
    buyer_id: str
    next_rank: int
