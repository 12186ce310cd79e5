"""The close: who won, at which line prices, and who bid what."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import msgspec

from catalogue.money import Money, lower_in_proportion, unit_price
from catalogue.rules import RuleBroken
from events.auctions import AuctionClosed, BidDisclosed
from events.values import Line
from services.auctions.domain.auction import AuctionState, Verdict


class AlreadyClosed(RuleBroken):
    code = "already-closed"


class NotOverYet(RuleBroken):
    code = "not-over-yet"


class LogIncomplete(RuleBroken):
    """The bids given are not those the state was built from: no winner is named on such grounds."""

    code = "log-incomplete"


def close(state: AuctionState, log: Iterable[Verdict], now: datetime) -> list[BidDisclosed | AuctionClosed]:
    """Each participant's last bid, lowest first, then the result; an auction without an accepted bid is unsuccessful.

    ``log`` has the accepted bids in sequence; of each participant the last suffices. The close is dated with the effective
    end, not with ``now``. Raises AlreadyClosed, NotOverYet (the settle window included) and LogIncomplete.
    """
    opened = state.opened
    if state.closed:
        raise AlreadyClosed(f"The session was closed at {state.closes_at:%H:%M:%S}.", closes_at=state.closes_at)
    if now < state.settles_at:
        raise NotOverYet(
            f"The session ends at {state.closes_at:%H:%M:%S} and settles until {state.settles_at:%H:%M:%S}.",
            closes_at=state.closes_at,
            settles_at=state.settles_at,
            now=now,
        )
    ranking = _ranking(state, log)
    won = state.leader_id is not None
    closed = AuctionClosed(
        auction_id=opened.auction_id,
        buyer_id=opened.buyer_id,
        title=opened.title,
        kind=opened.kind,
        category=opened.category,
        place=opened.place,
        currency=opened.currency,
        initial_price=opened.initial_price,
        outcome="successful" if won else "unsuccessful",
        amount=state.price if won else None,
        winner_id=state.leader_id,
        participants=len(state.participants),
        bids=state.sequence,
        lines=lowered(opened.lines, state.price, opened.currency) if won else (),
        policy=opened.policy,
        opened_at=opened.opens_at,
        closed_at=state.closes_at,
        pool_id=opened.pool_id,
    )
    return [*ranking, closed]


def lowered(lines: tuple[Line, ...], total: Decimal, currency: str) -> tuple[Line, ...]:
    """The lines with amounts in proportion to ``total``, sum exact, and the unit prices that follow from them."""
    before = {line.line_id: Money(line.amount, currency) for line in lines if line.amount is not None}
    after = lower_in_proportion(before, Money(total, currency))
    return tuple(_priced(line, after[line.line_id]) for line in lines)


def _priced(line: Line, amount: Money) -> Line:
    price = unit_price(amount, line.quantity or Decimal(0)).amount
    return msgspec.structs.replace(line, amount=amount.amount, unit_price=price)


def _ranking(state: AuctionState, log: Iterable[Verdict]) -> list[BidDisclosed]:
    """A price only falls, so of two participants the one whose last bid came later is the lower: there are no ties."""
    opened = state.opened
    last = {verdict.bid.supplier_id: (verdict.bid, event) for verdict in log if (event := verdict.accepted)}
    ranked = sorted(last.values(), key=lambda entry: entry[1].amount)
    if last.keys() != state.participants.keys() or (ranked and ranked[0][1].sequence != state.sequence):
        raise LogIncomplete(
            f"The log has {len(last)} participants and the state {len(state.participants)}, or the last bid is missing.",
            logged=len(last),
            participants=len(state.participants),
            sequence=state.sequence,
        )
    return [
        BidDisclosed(
            auction_id=opened.auction_id,
            bid_id=bid.bid_id,
            supplier_id=bid.supplier_id,
            participant=event.participant,
            rank=rank,
            amount=event.amount,
            currency=opened.currency,
            lines=lowered(opened.lines, event.amount, opened.currency),
            bid_at=event.arrived_at,
            buyer_id=opened.buyer_id,
            category=opened.category,
            place=opened.place,
        )
        for rank, (bid, event) in enumerate(ranked, start=1)
    ]
