"""Which supplier was chosen, and whether the cascade asks the next one."""

from datetime import datetime

from events.bounds import Exact, Key, Label, Many
from events.codec import Event, event
from events.values import Category, Line, Place, Source


@event(key="process_id")
class AwardMade(Event, frozen=True, kw_only=True):
    """A supplier was chosen. ``process_id`` is the auction, quote request, pool, purchase or imported tender; ``origin`` says
    which of ``auction``, ``quote``, ``pool``, ``purchase``, ``import``. The recommender learns from it. An amount that is not
    known is None."""

    process_id: Key
    award_id: Key
    origin: Key
    buyer_id: Key
    buyer_name: Label
    supplier_ids: Many[Key]
    supplier_names: Many[Label]
    title: Label
    category: Category | None
    method: Key
    place: Place
    currency: Key | None
    amount: Exact | None
    lines: Many[Line] = ()
    awarded_at: datetime
    cancelled: bool = False
    source: Source | None = None


@event(key="process_id")
class CascadeAwaitsBuyer(Event, frozen=True, kw_only=True):
    """The supplier left, and the bidder of ``next_rank`` is asked only if the buyer wants that. ``contract_id`` is the
    one that ended."""

    process_id: Key
    contract_id: Key
    pool_id: Key | None = None
    buyer_id: Key
    next_rank: int
