"""Members enrol and withdraw, the demand is frozen, the minimum is checked."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

import msgspec

from catalogue.rules import QuantityAbsurd, RuleBroken, Several, UnknownLine, require_repeat
from events.codec import Event
from events.pools import Demand, PoolExtended, PoolMemberEnrolled, PoolMemberWithdrew
from events.values import Place
from services.pools.domain.pool import BelowMinimum, Pool, PoolStage, apply, cancelled, frozen
from services.pools.domain.weight import check_shares

MOST_CHANGES = 100
"""How often a member may enrol or change its enrolment in one pool. Each time stays in the log, which every page of the
pool shows."""
MOST_MEMBERS = 300
"""How many members a pool may have. Each gets a contract, and all contracts are drafted in one transaction, for which
others wait."""
_ABSURD = Decimal(10**12)  # a bound that keeps the arithmetic exact


class EnrolmentOver(RuleBroken):
    code = "enrolment-over"


class EnrolmentChangedTooOften(RuleBroken):
    code = "enrolment-changed-too-often"


class PoolFull(RuleBroken):
    code = "pool-full"


class FirmQuantityNotPositive(RuleBroken):
    code = "firm-quantity-not-positive"


class ToleranceNegative(RuleBroken):
    code = "tolerance-negative"


class DemandMissing(RuleBroken):
    """A member wants at least one line."""

    code = "demand-missing"


class DemandRepeated(RuleBroken):
    """A member states its demand for a line once."""

    code = "demand-repeated"


class PlaceOutsideRegions(RuleBroken):
    code = "place-outside-regions"


class DeliveryInThePast(RuleBroken):
    code = "delivery-in-the-past"


class DefaultUnexplained(RuleBroken):
    code = "default-unexplained"


class NotEnrolled(RuleBroken):
    code = "not-enrolled"


class MinimumNotReached(RuleBroken):
    code = "minimum-not-reached"


class NobodyLeft(RuleBroken):
    """The last member with demand defaulted."""

    code = "nobody-left"


class NoPackFilled(RuleBroken):
    """The firm quantities of the members fill no pack of any line."""

    code = "no-pack-filled"


class CancelledByLead(RuleBroken):
    code = "cancelled-by-lead"


class Enrol(msgspec.Struct, frozen=True, kw_only=True):
    """A member's demand, in units of each line. Before the freeze, sending it again changes the enrolment."""

    member_id: str
    member_name: str
    demands: tuple[Demand, ...]
    place: Place
    deliver_by: datetime | None = None


class WithdrawEnrolment(msgspec.Struct, frozen=True, kw_only=True):
    member_id: str
    reason: str = ""


class Freeze(msgspec.Struct, frozen=True, kw_only=True):
    """The lead freezes the demand early, once the minimum is reached."""

    by: str


class EndEnrolment(msgspec.Struct, frozen=True, kw_only=True):
    """A timer's command: enrolment may be over. ``extend_to`` is the new deadline if the terms say that enrolment is
    extended (by its first length)."""

    extend_to: datetime


class CancelPool(msgspec.Struct, frozen=True, kw_only=True):
    by: str
    reason: str


def enrol(pool: Pool, command: Enrol, now: datetime) -> Sequence[Event]:
    """Return the events of an enrolment or its change. A change keeps the member's position in the order."""
    before = pool.members.get(command.member_id)
    event = PoolMemberEnrolled(
        pool_id=pool.opened.pool_id,
        enrolled_at=before.enrolled_at if before else now,
        **msgspec.structs.asdict(command),
    )
    if event == before:
        return []
    pool.require(PoolStage.ENROLLING)
    if now >= pool.enrolment_ends_at:
        raise EnrolmentOver(
            f"Enrolment ended at {pool.enrolment_ends_at:%Y-%m-%d %H:%M} UTC.", ended_at=pool.enrolment_ends_at, now=now
        )
    if pool.told.get(command.member_id, 0) >= MOST_CHANGES:
        raise EnrolmentChangedTooOften(
            f"A member can enrol in a pool, or change its enrolment, {MOST_CHANGES} times; withdrawing is always possible.",
            most=MOST_CHANGES,
        )
    if before is None and len(pool.members) >= MOST_MEMBERS:
        raise PoolFull(
            f"A pool may have at most {MOST_MEMBERS} members, and this one has that many. Enrol in another, or open one.",
            members=len(pool.members),
            most=MOST_MEMBERS,
        )
    _check_demands(pool, command.demands)
    regions = Several(pool.opened.regions)
    if regions and command.place.region not in regions:
        asked = command.place.region or "a place without region"
        raise PlaceOutsideRegions(
            f"This pool delivers in {regions}, not in {asked}.",
            field="place",
            region=asked,
            regions=regions,
        )
    if command.deliver_by and command.deliver_by <= pool.enrolment_ends_at:
        raise DeliveryInThePast(
            "Delivery must be after the end of enrolment.",
            field="deliver_by",
            deliver_by=command.deliver_by,
            enrolment_ends_at=pool.enrolment_ends_at,
        )
    check_shares(pool.opened.lines, pool.members, apply(pool, event).members)
    return [event]


def withdraw(pool: Pool, command: WithdrawEnrolment) -> Sequence[Event]:
    """Return the events of a withdrawal, none if it repeats the withdrawal. Before the freeze it has no consequence.
    After it, it is a default, and the demand of the others is announced again while it can still be sourced. Raise
    DoneOtherwise if the former withdrawal had another reason, and DefaultUnexplained for a default without a reason."""
    if command.member_id in pool.withdrawn:
        reason = pool.reasons.get(command.member_id)
        require_repeat(reason is None or command.reason == reason, reason or "")
        return []
    pool.require(PoolStage.ENROLLING, PoolStage.FROZEN, PoolStage.SOURCING)
    if command.member_id not in pool.members:
        raise NotEnrolled("Your organisation is not enrolled, so it cannot withdraw.", member=command.member_id)
    default = pool.stage is not PoolStage.ENROLLING
    if default and not command.reason.strip():
        raise DefaultUnexplained(
            "The demand is frozen, so a withdrawal now is a default. It is published with its reason and cannot be undone. Say why.",
            field="reason",
        )
    left = PoolMemberWithdrew(
        pool_id=pool.opened.pool_id, member_id=command.member_id, default=default, reason=command.reason
    )
    if not default:
        return [left]
    rest = apply(pool, left)
    if not rest.demand:
        return [left, cancelled(rest, NobodyLeft("After the last default nobody is left to buy."))]
    return [left, frozen(rest)] if pool.stage is PoolStage.FROZEN else [left]


def freeze(pool: Pool, command: Freeze) -> Sequence[Event]:
    pool.require_lead(command.by)
    if _past_freeze(pool):
        return []
    pool.require(PoolStage.ENROLLING)
    if (broken := _below_minimum(pool)) is not None:
        raise broken
    return [frozen(pool)]


def end(pool: Pool, command: EndEnrolment, now: datetime) -> Sequence[Event]:
    """Return the events at the deadline: freeze, or what the terms say if the minimum is not reached. There are none
    before the deadline."""
    if pool.stage is not PoolStage.ENROLLING or now < pool.enrolment_ends_at:
        return []
    short = _below_minimum(pool)
    if short is None:
        return [frozen(pool)]
    choice = BelowMinimum(pool.opened.below_minimum)
    if choice is BelowMinimum.EXTEND_ONCE and not pool.extended:
        return [PoolExtended(pool_id=pool.opened.pool_id, enrolment_ends_at=command.extend_to, reason=short.message)]
    if choice is BelowMinimum.SMALLER and pool.demand:
        return [frozen(pool)]
    return [cancelled(pool, short)]


def cancel(pool: Pool, command: CancelPool) -> Sequence[Event]:
    """Return the events of a cancellation by the lead, none if it repeats the cancellation. It is possible until a
    mini-auction runs. Raise DoneOtherwise if the former cancellation had another reason."""
    pool.require_lead(command.by)
    why = pool.refusal
    if pool.stage is PoolStage.CANCELLED and why is not None and why.rule == CancelledByLead.code:
        require_repeat(command.reason == why.message, why.message)
        return []
    pool.require(PoolStage.ENROLLING, PoolStage.FROZEN)
    return [cancelled(pool, CancelledByLead(command.reason))]


def _past_freeze(pool: Pool) -> bool:
    return pool.stage in (PoolStage.FROZEN, PoolStage.SOURCING, PoolStage.CONTRACTING, PoolStage.CLOSED)


def _below_minimum(pool: Pool) -> RuleBroken | None:
    firm, minimum = pool.firm_quantity, pool.opened.minimum_quantity
    if firm < minimum:
        return MinimumNotReached(
            f"The members' firm quantities are {firm}; the minimum is {minimum}.", firm=firm, minimum=minimum
        )
    return None if pool.demand else NoPackFilled("The members' quantities fill no pack.", firm=firm)


def _check_demands(pool: Pool, demands: Sequence[Demand]) -> None:
    known = {line.line_id for line in pool.opened.lines}
    told: set[str] = set()
    if not demands:
        raise DemandMissing("A member must want at least one line.", field="demands")
    for demand in demands:
        if demand.line_id not in known:
            raise UnknownLine(f"The pool has no line {demand.line_id!r}.", field="demands", line=demand.line_id)
        if demand.line_id in told:
            raise DemandRepeated(f"Line {demand.line_id!r} is named twice.", field="demands", line=demand.line_id)
        told.add(demand.line_id)
        if demand.firm.is_nan() or demand.firm <= 0:
            raise FirmQuantityNotPositive(
                f"A firm quantity must be above zero, not {demand.firm}.",
                field="demands",
                line=demand.line_id,
                firm=demand.firm,
            )
        for quantity in (demand.firm, demand.tolerance):
            if not quantity.is_nan() and quantity >= _ABSURD:
                raise QuantityAbsurd(
                    f"The quantity of line {demand.line_id} must be below {_ABSURD:,f}, not {quantity}.",
                    field="demands",
                    line=demand.line_id,
                    quantity=quantity,
                    below=_ABSURD,
                )
        if demand.tolerance.is_nan() or demand.tolerance < 0:
            raise ToleranceNegative(
                f"A tolerance must not be below zero: {demand.tolerance}.",
                field="demands",
                line=demand.line_id,
                tolerance=demand.tolerance,
            )
