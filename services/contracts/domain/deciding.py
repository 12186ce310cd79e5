"""What a decision about a deal is made with, besides the deal and the command."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from events.values import Line

DeriveId = Callable[..., str]
"""Make an id. The same parts (texts) always give the same id, so an event that arrives twice makes the same contract."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RankedBid:
    """The last bid of one bidder on the whole process; rank 1 is the lowest, or the quote that the buyer chose. A bidder that is not
    ``active`` (suspended, closed) is not asked. ``lines`` are the bidder's own, if it priced them."""

    rank: int
    supplier_id: str
    supplier_name: str
    amount: Decimal
    active: bool = True
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """``now`` is the instant of the decision. ``ranking`` holds every bid of the process; only a decision by which a contract may end, or
    the next bidder is brought in, needs it. ``derive_id`` makes the ids of awards and contracts."""

    now: datetime
    derive_id: DeriveId
    ranking: Sequence[RankedBid] = ()
