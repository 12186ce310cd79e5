"""What a bid must be below, in words for pages, and the amounts that a page offers to a bidder."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum

import msgspec

from events.auctions import OpeningRules
from services.auctions.domain.auction import AuctionState, Offered
from services.auctions.domain.bids import ladder, next_bid


class Undercut(StrEnum):
    """What a bid must be below, by the rules of an auction. Pages have a sentence for each."""

    STEPS = "steps"
    """The price, by whole steps."""
    PRICE = "price"
    """The price, by a step or more."""
    OWN = "own"
    """The bidder's own last bid, by a step or more; and if it is below the price, the price too. A first bid is at most
    the initial price."""
    TURN = "turn"
    """The bidder's own bid before its turn, by a step or more. Sealed first bids are at most the initial price and change
    freely."""


def undercut_of(rules: OpeningRules) -> Undercut:
    if rules.pauses_seconds:
        return Undercut.TURN
    if rules.improve_on == "own":
        return Undercut.OWN
    return Undercut.STEPS if rules.whole_steps else Undercut.PRICE


class Rungs(msgspec.Struct, frozen=True):
    """Amounts to offer to a bidder, the highest first. ``lead`` is the one that would take the lead from another, if the
    ``others`` would not. ``highest`` is the highest that would be accepted, which may be above its own last bid."""

    highest: Decimal | None = None
    lead: Decimal | None = None
    others: tuple[Decimal, ...] = ()


def rungs_for(state: AuctionState, count: int, supplier_id: str, last: Offered | None) -> Rungs:
    """Return the amounts to offer. ``state`` is the public one; ``last`` is the supplier's own last bid, which may be
    sealed: no amount that is offered is above it. For a visitor, ``supplier_id`` is ""."""
    highest = next(iter(ladder(state, 1, supplier_id or None)), None)
    below = last.amount - state.opened.step if last else None
    if state.rules.improve_on == "price" or state.rules.pauses_seconds:
        return Rungs(highest, others=ladder(state, count, supplier_id or None, below))
    behind = state.leader_id not in (None, supplier_id)
    others = ladder(state, count, supplier_id or None, below)
    if not behind:
        return Rungs(highest, others=others)
    others = tuple(amount for amount in others if amount >= state.price)
    if not others:
        return Rungs(highest, others=ladder(state, count))
    return Rungs(highest, next_bid(state), others)
