"""The state of a mini-auction, and how it follows from the log of what happened."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

from catalogue.policy import AuctionRules
from events.auctions import AuctionClosed, AuctionOpened, BidAccepted, BidRefused


@dataclass(frozen=True, slots=True)
class Bid:
    """What a supplier sent, and what was known of it when it was decided. This is what the service stores.

    ``arrived_at`` is the service's clock when the request came in. ``standing`` is the supplier's organisation state
    (active, pending, suspended, closed) as the decision saw it, stored so that the log can be judged again.
    """

    bid_id: str
    supplier_id: str
    request_key: str
    amount: Decimal
    arrived_at: datetime
    standing: str = "active"

    @property
    def key(self) -> tuple[str, str]:
        """Two bids of one auction with the same key are one bid, sent again."""
        return self.supplier_id, self.request_key


@dataclass(frozen=True, slots=True)
class Verdict:
    """One bid and its one verdict: a row of the service's log. The event is public; only the bid knows the supplier."""

    bid: Bid
    event: BidAccepted | BidRefused

    @property
    def accepted(self) -> BidAccepted | None:
        return self.event if isinstance(self.event, BidAccepted) else None


@dataclass(frozen=True, slots=True)
class AuctionState:
    """``opened`` and ``rules`` never change; the rest is small and is what a row lock guards.

    ``participants`` numbers the suppliers from 1 in the order of their first accepted bid. ``closes_at`` is the effective end.
    """

    opened: AuctionOpened
    rules: AuctionRules
    price: Decimal
    closes_at: datetime
    leader_id: str | None = None
    sequence: int = 0
    participants: Mapping[str, int] = field(default_factory=dict)
    closed: bool = False

    @property
    def floor(self) -> Decimal:
        """At or below this price the session is over. Exact, not rounded."""
        return self.opened.initial_price * self.rules.floor_percent / 100

    @property
    def settles_at(self) -> datetime:
        """From here on the auction may be closed: every bid that arrived before the end has been decided."""
        return self.closes_at + timedelta(seconds=self.rules.settle_seconds)

    def over(self, instant: datetime) -> bool:
        """No bid arriving at this instant can be accepted. The end itself is over; a price at the floor always is."""
        return self.closed or instant >= self.closes_at or self.price <= self.floor


def begin(opened: AuctionOpened, rules: AuctionRules) -> AuctionState:
    """``rules`` are those frozen with the auction at its opening."""
    return AuctionState(opened, rules, price=opened.initial_price, closes_at=opened.closes_at)


def apply(state: AuctionState, fact: Verdict | AuctionClosed) -> AuctionState:
    """The state after the fact. Decides nothing: a refused bid changes nothing, whatever it was refused for."""
    if isinstance(fact, AuctionClosed):
        return replace(state, closed=True)
    accepted, supplier_id = fact.accepted, fact.bid.supplier_id
    if accepted is None:
        return state
    participants = state.participants
    if supplier_id not in participants:
        participants = {**participants, supplier_id: accepted.participant}
    return AuctionState(
        state.opened,
        state.rules,
        price=accepted.amount,
        closes_at=accepted.closes_at,
        leader_id=supplier_id,
        sequence=accepted.sequence,
        participants=participants,
        closed=state.closed,
    )


def replay(opened: AuctionOpened, rules: AuctionRules, log: Iterable[Verdict | AuctionClosed]) -> AuctionState:
    """The state from the stored log, in the order of decision."""
    state = begin(opened, rules)
    for fact in log:
        state = apply(state, fact)
    return state
