"""Check the public log again by its own rules. It names bidders only by participant numbers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from events.auctions import (
    AuctionClosed,
    AuctionExtended,
    AuctionOpened,
    BidAccepted,
    BidDeleted,
    BidRefused,
    RoundBegan,
    TurnEnded,
)
from events.codec import Event
from events.values import Refusal
from services.auctions.domain import rounds
from services.auctions.domain.auction import STOPPED, AuctionState, Bid, Verdict, apply, begin
from services.auctions.domain.bids import WRITTEN_AS, place_bid
from services.auctions.domain.closing import closed
from services.auctions.domain.due import restart
from services.auctions.domain.remedies import delete_last, resume

STRANGER = "somebody without a number"
_LATER = {written: code for code, written in WRITTEN_AS.items()}
"""The codes by which a later release may write a refusal that this one writes by its former code."""


class Unsound(Exception):
    """The log does not follow from the rules, or is not the log that was signed. ``line`` counts from 0."""

    code = "unsound"

    def __init__(self, why: str, line: int | None = None) -> None:
        super().__init__(why if line is None else f"line {line + 1}: {why}")
        self.line = line


@dataclass(frozen=True, slots=True)
class Audit:
    """What the audit found so far. ``ends`` are the effective ends in order, each with its reason."""

    state: AuctionState
    accepted: int = 0
    refused: int = 0
    ends: tuple[tuple[str, datetime], ...] = ()
    result: AuctionClosed | None = None
    amounts: list[Decimal] = field(default_factory=list)


def begun(opened: AuctionOpened) -> Audit:
    """Return the audit after the opening. Raise Unsound if the opening contradicts itself."""
    if opened.rules is None:
        raise Unsound("the opening does not have its rules", 0)
    amounts = [line.amount for line in opened.lines if line.amount is not None]
    if sum(amounts) != opened.initial_price or not 0 < opened.step < opened.initial_price:
        raise Unsound("the initial price is not the sum of the lines, or the step does not fit it", 0)
    return Audit(begin(opened), ends=(("opening", opened.closes_at),))


def follow(audit: Audit, fact: Event, line: int) -> Audit:
    """Return the audit after one more fact, which must be what the rules make of the log so far. Raise Unsound."""
    state = audit.state
    if audit.result is not None:
        raise Unsound("something follows the close", line)
    if fact.subject != state.opened.auction_id:
        raise Unsound(f"the line is about another auction, {fact.subject}", line)
    match fact:
        case BidAccepted() | BidRefused():
            return _verdict(audit, fact, line)
        case BidDeleted():
            _same(fact, delete_last(state, _name(fact.participant), fact.deleted_at), line)
        case AuctionExtended(reason="outage"):
            _same(fact, resume(state, fact.since, fact.until), line)
        case AuctionExtended():
            _same(fact, restart(state, fact.until), line)
        case RoundBegan() | TurnEnded():
            _same(fact, rounds.advance(state, rounds.due_at(state)), line)
        case AuctionClosed():
            _closes(state, fact, line)
            return replace(audit, state=apply(state, fact), result=fact)
        case _:
            raise Unsound(f"a {type(fact).__name__} cannot be in a log", line)
    after = apply(state, fact)
    ends = audit.ends
    if after.closes_at != state.closes_at:
        reason = fact.reason if isinstance(fact, AuctionExtended) else "rounds"
        ends = (*ends, (reason, after.closes_at))
    return replace(audit, state=after, ends=ends)


def _verdict(audit: Audit, fact: BidAccepted | BidRefused, line: int) -> Audit:
    state = audit.state
    bid = Bid(
        bid_id="",
        supplier_id=STRANGER if fact.participant is None else _name(fact.participant),
        request_key=str(line),
        amount=fact.amount,
        arrived_at=fact.arrived_at,
        standing=fact.standing if isinstance(fact, BidRefused) else "active",
        choices=fact.choices,
    )
    expected = place_bid(state, bid).event
    if isinstance(fact, BidRefused) and isinstance(expected, BidRefused) and _alike(fact.refusal, expected.refusal):
        expected = msgspec.structs.replace(expected, refusal=fact.refusal)
    _same(fact, expected, line)
    after = apply(state, Verdict(bid, fact))
    if isinstance(fact, BidRefused):
        return replace(audit, state=after, refused=audit.refused + 1)
    audit.amounts.append(fact.amount)
    ends = (*audit.ends, (f"bid {fact.sequence}", fact.closes_at)) if fact.extended else audit.ends
    return replace(audit, state=after, accepted=audit.accepted + 1, ends=ends)


def _alike(said: Refusal, expected: Refusal) -> bool:
    """Return whether both refusals have the same rule, perhaps by its later code, and no contradicting numbers. A
    later release may word a refusal differently and name other numbers."""
    numbers = {number.name: number.value for number in expected.numbers}
    return said.rule in (expected.rule, _LATER.get(expected.rule)) and all(
        numbers.get(each.name, each.value) == each.value for each in said.numbers
    )


def _closes(state: AuctionState, fact: AuctionClosed, line: int) -> None:
    if fact.outcome in STOPPED:
        expected = closed(state, fact.outcome, fact.closed_at, fact.reason)
    else:
        settled = state.settles_at + timedelta(microseconds=1)
        if restart(state, settled) is not None or (state.rules.pauses_seconds and rounds.advance(state, settled)):
            raise Unsound("it was closed before the mini-auction was over", line)
        expected = closed(state, "successful" if state.leader_id else "unsuccessful", state.closes_at)
    # The winner's identity is not in the log; the winning participant is recomputed.
    _same(fact, msgspec.structs.replace(expected, winner_id=fact.winner_id), line)
    if (fact.winner_id is None) != (fact.winner is None):
        raise Unsound("a winner has a number and a name, or neither", line)


def _same(fact: Event, expected: Event | None, line: int) -> None:
    if fact != expected:
        raise Unsound(f"by the rules it must be: {msgspec.json.encode(expected).decode()}", line)


def _name(participant: int) -> str:
    return f"participant {participant}"
