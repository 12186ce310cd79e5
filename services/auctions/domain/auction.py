"""The state of a mini-auction, and how it follows from the facts in the log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import msgspec
from msgspec.structs import replace

from events.auctions import (
    AuctionClosed,
    AuctionExtended,
    AuctionOpened,
    BidAccepted,
    BidDeleted,
    BidRefused,
    OpeningRules,
    RoundBegan,
    TurnEnded,
)
from services.auctions.domain.scoring import score

Fact = AuctionOpened | BidAccepted | BidRefused | BidDeleted | AuctionExtended | RoundBegan | TurnEnded | AuctionClosed
"""The facts that may be in the log after the opening."""

STOPPED = ("withdrawn", "cancelled")
"""The outcomes of an auction that a person ended, perhaps before its end."""


class Bid(msgspec.Struct, frozen=True):
    """What a supplier sent, and what was known about it when it was decided. This is what the service stores.

    ``arrived_at`` is the service's time when the request arrived; for an ``automatic`` cut it is the time at which it
    was due. ``standing`` is the state of the supplier's organisation (active, pending, suspended, closed) at the
    decision. It is stored so that the log can be checked again. ``choices`` answer the auction's criteria if bids are
    scored.
    """

    bid_id: str
    supplier_id: str
    request_key: str
    amount: Decimal
    arrived_at: datetime
    standing: str = "active"
    choices: tuple[int, ...] = ()
    automatic: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Return the key. Two bids of one auction with the same key are one bid that was sent again."""
        return self.supplier_id, self.request_key

    def wants_the_same(self, other: Bid) -> bool:
        """Return whether both bids have the same amount, however it is written, and the same choices. An amount that is
        not finite equals only the same text."""
        amounts = self.amount, other.amount
        finite = all(amount.is_finite() for amount in amounts)
        equal = self.amount == other.amount if finite else str(self.amount) == str(other.amount)
        return equal and self.choices == other.choices


class Verdict(msgspec.Struct, frozen=True):
    """One bid and its one verdict: a row of the service's log. The event is public; only the bid names the supplier."""

    bid: Bid
    event: BidAccepted | BidRefused

    @property
    def accepted(self) -> BidAccepted | None:
        return self.event if isinstance(self.event, BidAccepted) else None


class Offered(msgspec.Struct, frozen=True, array_like=True):
    """The part of an accepted bid that later decisions need."""

    amount: Decimal
    sequence: int
    arrived_at: datetime
    choices: tuple[int, ...] = ()


class Participant(msgspec.Struct, frozen=True, array_like=True):
    """``last`` is None after its only bid was deleted. ``before`` is the bid that a deletion restores. ``deleted`` says
    that the one deletion was used."""

    number: int
    last: Offered | None
    before: Offered | None = None
    deleted: bool = False


class Round(msgspec.Struct, frozen=True):
    """The running round: turns in the ``order`` of these participant numbers, of which ``ended`` are over."""

    number: int
    order: tuple[int, ...]
    begins_at: datetime
    ended: int = 0


class AuctionState(msgspec.Struct, frozen=True):
    """``opened`` and ``rules`` never change. The rest is small, and the row lock guards it.

    ``participants`` are by supplier, numbered from 1 in the order of their first accepted bid. ``price`` is the
    leader's amount, or the initial price if there is no leader. ``closes_at`` is the effective end (until rounds begin:
    the end of sealed first bids). ``shown`` are the participants as the public sees them if turns are sealed, otherwise
    None. ``stopped`` is the close of an auction that was withdrawn or cancelled, which may be before its end.
    """

    opened: AuctionOpened
    rules: OpeningRules
    price: Decimal
    closes_at: datetime
    leader_id: str | None = None
    sequence: int = 0
    participants: Mapping[str, Participant] = msgspec.field(default_factory=dict)
    shown: Mapping[str, Participant] | None = None
    round: Round | None = None
    automatic_at: datetime | None = None
    resumed_at: datetime | None = None
    restarted: bool = False
    closed: bool = False
    stopped: AuctionClosed | None = None

    @property
    def ended_at(self) -> datetime:
        """The time at which a closed auction was stopped, or its effective end."""
        return self.stopped.closed_at if self.stopped else self.closes_at

    @property
    def floor(self) -> Decimal:
        """Return the price at or below which the auction is over. It is exact, not rounded."""
        return self.opened.initial_price * self.rules.floor_percent / 100

    @property
    def settles_at(self) -> datetime:
        """Return the time from which the auction may be closed: every bid that arrived before the end has been decided
        by then."""
        return self.closes_at + timedelta(seconds=self.rules.settle_seconds)

    @property
    def sealed(self) -> bool:
        """Return whether present decisions are hidden from the public until the turn ends."""
        return bool(self.rules.pauses_seconds) and not self.closed

    def over(self, instant: datetime) -> bool:
        """Return whether no bid that arrives at this instant can be accepted. At the end itself the auction is over;
        with the price at the floor it is always over."""
        return self.closed or instant >= self.closes_at or self.price <= self.floor

    def number_of(self, supplier_id: str | None) -> int | None:
        known = self.participants.get(supplier_id or "")
        return known.number if known else None

    def last_of(self, supplier_id: str) -> Offered | None:
        known = self.participants.get(supplier_id)
        return known.last if known else None

    def public(self) -> AuctionState:
        """Return the state as anybody may see it: in sealed turns, without the bids since the last turn ended."""
        if self.shown is None or self.closed:
            return self
        sequence = max((each.last.sequence for each in self.shown.values() if each.last), default=0)
        return _led(replace(self, participants=self.shown, sequence=sequence))


def begin(opened: AuctionOpened, rules: OpeningRules | None = None) -> AuctionState:
    """Return the state at the opening. The event of an opening has its rules. ``rules`` is used
    only for an event of a former release that has none."""
    rules = opened.rules or rules
    if rules is None:
        raise ValueError(f"the rules of auction {opened.auction_id} are missing")
    shown: Mapping[str, Participant] | None = {} if rules.pauses_seconds else None
    return AuctionState(opened, rules, price=opened.initial_price, closes_at=opened.closes_at, shown=shown)


def apply(state: AuctionState, fact: Verdict | Fact) -> AuctionState:
    """Return the state after the fact. This decides nothing: a refused bid changes nothing, whatever the reason."""
    match fact:
        case Verdict():
            accepted = fact.accepted
            return state if accepted is None else _accepted(state, fact.bid, accepted)
        case BidDeleted():
            return _deleted(state, fact)
        case AuctionExtended():
            return _extended(state, fact)
        case RoundBegan():
            running = Round(fact.number, fact.order, fact.begins_at)
            return replace(state, round=running, closes_at=fact.closes_at, shown=state.participants)
        case TurnEnded():
            assert state.round is not None, "a turn belongs to a round"
            running = replace(state.round, ended=state.round.ended + 1)
            return replace(state, round=running, shown=state.participants)
        case AuctionClosed():
            return replace(state, closed=True, stopped=fact if fact.outcome in STOPPED else None)
    raise TypeError(f"{type(fact).__name__} changes no auction")


def replay(opened: AuctionOpened, log: Iterable[Verdict | Fact], rules: OpeningRules | None = None) -> AuctionState:
    """Return the state that follows from the stored log, in the order of decision."""
    state = begin(opened, rules)
    for fact in log:
        state = apply(state, fact)
    return state


def ranking(state: AuctionState) -> list[tuple[str, Participant, Offered]]:
    """Return the suppliers that have a bid that was not deleted, the best first: by score, then the earlier bid."""
    return sorted(_standing(state), key=lambda entry: _order(state, entry[2]))


def worth(state: AuctionState, offered: Offered) -> Fraction:
    """Return the value by which a bid is ranked. Lower is better."""
    return score(state.opened.scoring, offered.amount, offered.choices)


def _order(state: AuctionState, offered: Offered) -> tuple[Fraction, int]:
    """Return the key that orders leader, winner and ranks: the value, then the earlier bid."""
    return worth(state, offered), offered.sequence


def _standing(state: AuctionState) -> Iterator[tuple[str, Participant, Offered]]:
    for supplier_id, participant in state.participants.items():
        if participant.last is not None:
            yield supplier_id, participant, participant.last


def _accepted(state: AuctionState, bid: Bid, event: BidAccepted) -> AuctionState:
    known = state.participants.get(bid.supplier_id)
    offered = Offered(event.amount, event.sequence, event.arrived_at, event.choices)
    after = Participant(event.participant, offered, known.last if known else None, bool(known and known.deleted))
    participants = {**state.participants, bid.supplier_id: after}
    leading = state.last_of(state.leader_id or "")
    leads = leading is None or _order(state, offered) < _order(state, leading)
    state = replace(
        state,
        price=event.amount if leads else state.price,
        closes_at=event.closes_at,
        leader_id=bid.supplier_id if leads else state.leader_id,
        sequence=event.sequence,
        participants=participants,
        automatic_at=event.arrived_at if bid.automatic else state.automatic_at,
    )
    return _led(state) if state.rules.pauses_seconds else state


def _deleted(state: AuctionState, event: BidDeleted) -> AuctionState:
    supplier_id = next(each for each, one in state.participants.items() if one.number == event.participant)
    before = state.participants[supplier_id].before
    after = Participant(event.participant, before, None, True)
    return _led(replace(state, participants={**state.participants, supplier_id: after}))


def _extended(state: AuctionState, event: AuctionExtended) -> AuctionState:
    running = state.round
    if running is not None:  # turns that are still to come move with the end
        running = replace(running, begins_at=running.begins_at + (event.closes_at - state.closes_at))
    return replace(
        state,
        closes_at=event.closes_at,
        resumed_at=event.until,
        restarted=state.restarted or event.reason == "restart",
        round=running,
    )


def _led(state: AuctionState) -> AuctionState:
    """Return the same state with price and leader computed again."""
    best = min(_standing(state), key=lambda entry: _order(state, entry[2]), default=(None, None, None))
    leader_id, _, offered = best
    return replace(state, leader_id=leader_id, price=offered.amount if offered else state.opened.initial_price)
