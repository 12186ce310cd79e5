"""Autobid: after a first bid a supplier sets a floor, and the market bids for it (docs/rules.md section 3).

The first cut is due with the rival's bid that took the lead. After it there is one automatic cut at each interval in
each auction, for the supplier whose last bid is the oldest. A cut is one step, never below the floor, and never against
the supplier's own lead. Its date is the time at which it was due, so a late timer changes nothing. Only its owner knows
a floor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from catalogue.money import minor_units
from catalogue.rules import RuleBroken
from services.auctions.domain.auction import AuctionState


class NoAutobidHere(RuleBroken):
    code = "no-autobid-here"


class NoBidYet(RuleBroken):
    """The first bid must be placed by hand."""

    code = "no-bid-yet"


class FloorNotBelowOwnBid(RuleBroken):
    code = "floor-not-below-own-bid"


class Autobid(msgspec.Struct, frozen=True, array_like=True):
    """A supplier's floor. ``set_at`` is when it was set or switched on."""

    floor: Decimal
    set_at: datetime
    on: bool = True


@dataclass(frozen=True, slots=True)
class Cut:
    """An automatic cut. ``at`` is when it is due."""

    supplier_id: str
    amount: Decimal
    at: datetime


def check(state: AuctionState, supplier_id: str, floor: Decimal, now: datetime) -> None:
    """Check whether this supplier may have this floor now. Raise NoAutobidHere, NoBidYet or FloorNotBelowOwnBid."""
    if not state.rules.autobid_seconds or state.over(now):
        why = (
            "The mini-auction is over."
            if state.rules.autobid_seconds
            else "Mini-auctions under this policy have no autobid."
        )
        raise NoAutobidHere(why)
    own = state.last_of(supplier_id)
    if own is None:
        raise NoBidYet("Place a first bid by hand. After that you can set a floor.")
    decimals, exponent = minor_units(state.opened.currency), floor.as_tuple().exponent
    if not floor.is_finite() or not 0 < floor < own.amount or (isinstance(exponent, int) and -exponent > decimals):
        raise FloorNotBelowOwnBid(
            f"A floor must be above zero and below your own bid of {own.amount:,f} {state.opened.currency},"
            f" with at most {decimals} decimals.",
            field="floor",
            floor=floor,
            own=own.amount,
            currency=state.opened.currency,
            decimals=decimals,
        )


def due_cut(state: AuctionState, autobids: Mapping[str, Autobid]) -> Cut | None:
    """Return the next automatic cut and when it is due, or None if nobody's floor allows one before the end."""
    pace = state.rules.autobid_seconds
    if not pace or state.closed or state.leader_id is None or state.price <= state.floor:
        return None
    amount = state.price - state.opened.step
    led = state.participants[state.leader_id].last
    assert led is not None, "the leader has a bid"
    earliest = max(
        instant
        for instant in (
            led.arrived_at,
            state.resumed_at,
            state.automatic_at + timedelta(seconds=pace) if state.automatic_at else None,
        )
        if instant
    )
    waiting = [
        (max(earliest, autobid.set_at), own.sequence, supplier_id)
        for supplier_id, autobid in autobids.items()
        if autobid.on
        and supplier_id != state.leader_id
        and (own := state.last_of(supplier_id)) is not None
        and 0 < amount
        and autobid.floor <= amount
    ]
    if not waiting:
        return None
    at, _, supplier_id = min(waiting)
    return Cut(supplier_id, amount, at) if at < state.closes_at else None
