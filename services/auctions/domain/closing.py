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
from services.auctions.domain.auction import AuctionState, Verdict, ranking


class AlreadyClosed(RuleBroken):
    code = "already-closed"


class AuctionWithdrawn(RuleBroken):
    """The buyer withdrew the mini-auction, perhaps before its end. A bid that is refused by this gets a receipt, but no
    line in the log, because the log ends with the close."""

    code = "auction-withdrawn"


class AuctionCancelled(RuleBroken):
    """A moderator cancelled the mini-auction. Otherwise this is like :class:`AuctionWithdrawn`."""

    code = "auction-cancelled"


class NotOverYet(RuleBroken):
    code = "not-over-yet"


class LogIncomplete(RuleBroken):
    """The given bids are not those from which the state was built, so no winner can be named."""

    code = "log-incomplete"


def require_not_stopped(state: AuctionState) -> None:
    """Raise AuctionWithdrawn or AuctionCancelled if somebody ended it without a winner."""
    if state.stopped is None:
        return
    at = state.stopped.closed_at
    if state.stopped.outcome == "withdrawn":
        raise AuctionWithdrawn(f"The buyer withdrew the mini-auction at {at:%Y-%m-%d %H:%M} UTC.", closed_at=at)
    raise AuctionCancelled(f"A moderator cancelled the mini-auction at {at:%Y-%m-%d %H:%M} UTC.", closed_at=at)


def close(state: AuctionState, log: Iterable[Verdict], now: datetime) -> tuple[list[BidDisclosed], AuctionClosed]:
    """Return the standing bid of each participant, the best first, and the result. An auction without a standing bid is
    unsuccessful.

    ``log`` needs to have only the accepted bids that were not deleted. The time of the close is the effective end, not ``now``.
    Raise AlreadyClosed, LogIncomplete or NotOverYet. The auction is not over during the settle window, or while turns
    are still to come.
    """
    if state.closed:
        raise AlreadyClosed(
            f"The mini-auction was closed at {state.ended_at:%Y-%m-%d %H:%M:%S} UTC.", closes_at=state.ended_at
        )
    if now < state.settles_at:
        raise NotOverYet(
            f"The mini-auction ends at {state.closes_at:%Y-%m-%d %H:%M:%S} UTC and settles until"
            f" {state.settles_at:%Y-%m-%d %H:%M:%S} UTC.",
            closes_at=state.closes_at,
            settles_at=state.settles_at,
            now=now,
        )
    outcome = "successful" if state.leader_id is not None else "unsuccessful"
    return _ranking(state, log), closed(state, outcome, state.closes_at)


def closed(state: AuctionState, outcome: str, closed_at: datetime, reason: str = "") -> AuctionClosed:
    """Return the event of the close with the result. Only a successful auction has a winner; only a withdrawn or
    cancelled one has a reason."""
    opened = state.opened
    won = outcome == "successful"
    return AuctionClosed(
        auction_id=opened.auction_id,
        buyer_id=opened.buyer_id,
        title=opened.title,
        kind=opened.kind,
        category=opened.category,
        place=opened.place,
        currency=opened.currency,
        initial_price=opened.initial_price,
        outcome=outcome,
        amount=state.price if won else None,
        winner_id=state.leader_id if won else None,
        winner=state.number_of(state.leader_id) if won else None,
        participants=len(state.participants),
        bids=state.sequence,
        lines=lowered(opened.lines, state.price, opened.currency) if won else (),
        policy=opened.policy,
        opened_at=opened.opens_at,
        closed_at=closed_at,
        pool_id=opened.pool_id,
        reason=reason,
    )


def lowered(lines: tuple[Line, ...], total: Decimal, currency: str) -> tuple[Line, ...]:
    """Return the lines with new amounts and unit prices. The amounts keep their proportion and sum up exactly to
    ``total``."""
    before = {line.line_id: Money(line.amount, currency) for line in lines if line.amount is not None}
    after = lower_in_proportion(before, Money(total, currency))
    return tuple(_priced(line, after[line.line_id]) for line in lines)


def _priced(line: Line, amount: Money) -> Line:
    price = unit_price(amount, line.quantity or Decimal(0)).amount
    return msgspec.structs.replace(line, amount=amount.amount, unit_price=price)


def _ranking(state: AuctionState, log: Iterable[Verdict]) -> list[BidDisclosed]:
    """Return the bids that were not deleted, sorted by score and then by time. Raise LogIncomplete if
    ``log`` lacks one of the bids."""
    opened = state.opened
    logged = {event.sequence: verdict for verdict in log if (event := verdict.accepted)}
    places = ranking(state)
    disclosed = []
    for rank, (supplier_id, participant, offered) in enumerate(places, start=1):
        verdict = logged.get(offered.sequence)
        if verdict is None or verdict.bid.supplier_id != supplier_id:
            raise LogIncomplete(
                f"The log lacks the standing bid {offered.sequence} of participant {participant.number}.",
                logged=len(logged),
                participants=len(places),
                sequence=offered.sequence,
                participant=participant.number,
            )
        disclosed.append(
            BidDisclosed(
                auction_id=opened.auction_id,
                bid_id=verdict.bid.bid_id,
                supplier_id=supplier_id,
                participant=participant.number,
                rank=rank,
                amount=offered.amount,
                currency=opened.currency,
                lines=lowered(opened.lines, offered.amount, opened.currency),
                bid_at=offered.arrived_at,
                buyer_id=opened.buyer_id,
                category=opened.category,
                place=opened.place,
            )
        )
    return disclosed
