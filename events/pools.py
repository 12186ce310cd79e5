"""Pools (joint purchases). Producer: pools."""

from datetime import datetime
from decimal import Decimal

import msgspec

from events.bounds import Exact, Key, Label, Many, PolicyText, Prose
from events.codec import Event, event
from events.values import Category, Line, Place, Refusal


@event(key="pool_id")
class PoolOpened(Event, frozen=True, kw_only=True):
    """Enrolment is open and the terms are fixed. ``lines`` have no quantities: each member states its own, per line.

    ``below_minimum`` is cancel, smaller or extend-once; ``savings_rule`` is equal (the same unit price for all).
    """

    pool_id: Key
    lead_id: Key
    lead_name: Label
    title: Label
    kind: Key
    category: Category
    currency: Key
    regions: Many[Key]
    lines: Many[Line]
    minimum_quantity: Exact
    enrolment_ends_at: datetime
    below_minimum: Key
    savings_rule: Key
    policy: Prose
    duration_minutes: int
    policy_text: PolicyText = ""


class Demand(msgspec.Struct, frozen=True, kw_only=True):
    """What one member wants of one line: the firm quantity, and the further quantity that it would take."""

    line_id: Key
    firm: Exact
    tolerance: Exact = Decimal(0)


@event(key="pool_id")
class PoolMemberEnrolled(Event, frozen=True, kw_only=True):
    """A member's demand. If the member enrols again, the new demand replaces the former one and the member keeps its
    place in the order."""

    pool_id: Key
    member_id: Key
    member_name: Label
    demands: Many[Demand]
    place: Place
    deliver_by: datetime | None = None
    enrolled_at: datetime


@event(key="pool_id")
class PoolMemberWithdrew(Event, frozen=True, kw_only=True):
    """``default`` is true after the freeze: it is recorded as a default, and the terms of the others were checked
    again."""

    pool_id: Key
    member_id: Key
    default: bool
    reason: Prose = ""


@event(key="pool_id")
class PoolExtended(Event, frozen=True, kw_only=True):
    pool_id: Key
    enrolment_ends_at: datetime
    reason: Prose


@event(key="pool_id")
class PoolFrozen(Event, frozen=True, kw_only=True):
    """No more enrolment. ``lines`` carry the firm totals."""

    pool_id: Key
    members: int
    lines: Many[Line]


@event(key="pool_id")
class PoolSourcingRequested(Event, frozen=True, kw_only=True):
    """Asks auctions to open a mini-auction for the frozen demand; answered by AuctionOpened or AuctionOpeningRefused.

    ``lines`` carry total quantities and initial unit prices. ``attempt`` counts from 1: each attempt asks for a new
    auction.
    """

    pool_id: Key
    lead_id: Key
    lead_name: Label
    title: Label
    kind: Key
    category: Category
    place: Place
    currency: Key
    lines: Many[Line]
    policy: Prose
    duration_minutes: int
    step_percent: Exact
    attempt: int = 1
    policy_text: PolicyText = ""


@event(key="pool_id")
class PoolSourcingFailed(Event, frozen=True, kw_only=True):
    """Auctions refused to open, or nobody bid. The pool is frozen again, and its lead may ask once more or cancel."""

    pool_id: Key
    refusal: Refusal


class Allocation(msgspec.Struct, frozen=True, kw_only=True):
    """One member's part: its lines with allocated quantity, unit price and amount, and the amount that it saved.

    ``standalone`` is what the same quantity would have cost without the pool (the observatory's reference, else the initial price).
    """

    member_id: Key
    member_name: Label
    place: Place
    lines: Many[Line]
    amount: Exact
    standalone: Exact
    saving: Exact


@event(key="pool_id")
class PoolAllocated(Event, frozen=True, kw_only=True):
    """The result was divided among the members. The service contracts makes one contract for each allocation. Amounts
    and savings sum exactly."""

    pool_id: Key
    auction_id: Key
    lead_id: Key
    title: Label
    kind: Key
    category: Category
    currency: Key
    supplier_id: Key
    amount: Exact
    standalone: Exact
    saving: Exact
    allocations: Many[Allocation]
    policy_text: PolicyText = ""


@event(key="pool_id")
class PoolClosed(Event, frozen=True, kw_only=True):
    """Every contract of the pool was signed, or ended without a signature."""

    pool_id: Key
    contracts: int
    concluded: int


@event(key="pool_id")
class PoolCancelled(Event, frozen=True, kw_only=True):
    pool_id: Key
    refusal: Refusal
