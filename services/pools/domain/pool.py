"""The state of a pool and how events change it."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

import msgspec

from catalogue.rules import AnyOf, RuleBroken
from events.codec import Event
from events.pools import (
    Allocation,
    PoolAllocated,
    PoolCancelled,
    PoolClosed,
    PoolExtended,
    PoolFrozen,
    PoolMemberEnrolled,
    PoolMemberWithdrew,
    PoolOpened,
    PoolSourcingFailed,
    PoolSourcingRequested,
)
from events.values import Line, Refusal
from services.pools.domain.allocation import Want, wanted

T = TypeVar("T")


class PoolStage(StrEnum):
    """Two stages are never stored: a draft is a form that is not sent yet, and allocating takes no time (the result is
    divided in the decision that records it)."""

    ENROLLING = "enrolling"
    FROZEN = "frozen"
    SOURCING = "sourcing"
    CONTRACTING = "contracting"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class BelowMinimum(StrEnum):
    """What the lead chose for an enrolment that ends below the minimum quantity."""

    CANCEL = "cancel"
    SMALLER = "smaller"
    EXTEND_ONCE = "extend-once"


class WrongStage(RuleBroken):
    """The pool is not in a stage that allows this act."""

    code = "wrong-stage"


class NotTheLead(RuleBroken):
    code = "not-the-lead"


MEMBERS_SHOWN = 50
DEMANDS_SHOWN = 1_000
MOST_REMEMBERED = 50
"""How many members that withdrew stay in the state of a pool. The log has all of them, so the state does not grow with
every withdrawal."""


class Past(msgspec.Struct, frozen=True):
    """What one organisation did in a pool, according to the log: how often it enrolled or changed its enrolment, and
    the reason of its last withdrawal, or None if it did not withdraw after its last enrolment."""

    told: int
    left: str | None


class Pool(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """``members`` are by id, without those that withdrew. ``withdrawn`` has MOST_REMEMBERED of those that withdrew,
    until they enrol again, and ``reasons`` their reasons (missing for those that a former release stored). ``told``
    counts how often each of them enrolled or changed its enrolment, also before a withdrawal. For the acting
    organisation these are right once the pool is :meth:`reminded`. ``refusal`` says why the last sourcing failed, or
    why the pool was cancelled. Derived values are computed once."""

    opened: PoolOpened
    stage: PoolStage
    enrolment_ends_at: datetime
    extended: bool = False
    members: dict[str, PoolMemberEnrolled] = {}
    withdrawn: frozenset[str] = frozenset()
    reasons: dict[str, str] = {}
    told: dict[str, int] = {}
    sourcing: PoolSourcingRequested | None = None
    attempts: int = 0
    allocated: PoolAllocated | None = None
    refusal: Refusal | None = None

    @cached_property
    def wants(self) -> dict[str, list[Want]]:
        """Return the wants by line, without lines that nobody wants."""
        found: dict[str, list[Want]] = {}
        for member in self.members.values():
            for demand in member.demands:
                want = Want(
                    member_id=member.member_id,
                    firm=demand.firm,
                    tolerance=demand.tolerance,
                    enrolled_at=member.enrolled_at,
                )
                found.setdefault(demand.line_id, []).append(want)
        return found

    @cached_property
    def firm_quantity(self) -> Decimal:
        """Return the quantity that is compared with the minimum: the firm units of all lines together."""
        return sum((want.firm for of_line in self.wants.values() for want in of_line), Decimal(0))

    @cached_property
    def demand(self) -> tuple[Line, ...]:
        """Return the lines to buy, without those that nobody wants. ``quantity`` counts packs if
        there are packs, because the unit price is for a pack, as in every line with an amount. Demands are in units."""
        lines, wants = [], self.wants
        for line in self.opened.lines:
            units = sum((wanted(want, line.pack_size) for want in wants.get(line.line_id, ())), Decimal(0))
            if units:
                lines.append(msgspec.structs.replace(line, quantity=units / line.pack_size))
        return tuple(lines)

    @cached_property
    def pages(self) -> tuple[tuple[PoolMemberEnrolled, ...], ...]:
        """Return the members in pages, in the order of enrolment. A page has at most MEMBERS_SHOWN members that want at
        most DEMANDS_SHOWN lines together, and at least one member."""
        pages: list[list[PoolMemberEnrolled]] = [[]]
        demands = 0
        for member in sorted(self.members.values(), key=lambda each: (each.enrolled_at, each.member_id)):
            demands += len(member.demands)
            if pages[-1] and (len(pages[-1]) == MEMBERS_SHOWN or demands > DEMANDS_SHOWN):
                pages.append([])
                demands = len(member.demands)
            pages[-1].append(member)
        return tuple(map(tuple, pages))

    @cached_property
    def shares(self) -> dict[str, Allocation]:
        """Return the allocations by member, once the result is divided."""
        return {each.member_id: each for each in self.allocated.allocations} if self.allocated else {}

    def reminded(self, member_id: str, past: Past) -> "Pool":
        """Return the pool with the past of one organisation, which its state may no longer have."""
        withdrawn, reasons = self.withdrawn - {member_id}, _without(self.reasons, member_id)
        if past.left is not None:
            withdrawn, reasons = withdrawn | {member_id}, reasons | {member_id: past.left}
        told = self.told | {member_id: past.told}
        return msgspec.structs.replace(self, withdrawn=withdrawn, reasons=reasons, told=told)

    def require_lead(self, by: str) -> None:
        if by != self.opened.lead_id:
            raise NotTheLead(
                f"Only the lead, {self.opened.lead_name}, may do this.",
                lead=self.opened.lead_id,
                by=by,
                name=self.opened.lead_name,
            )

    def require(self, *stages: PoolStage) -> None:
        if self.stage not in stages:
            possible = AnyOf(map(str, stages))
            raise WrongStage(
                f"The pool is {self.stage}; this is possible while it is {possible}.",
                stage=self.stage,
                possible=possible,
            )


def apply(pool: Pool | None, event: Event) -> Pool:
    """Return the pool after the event; applying the same event again changes nothing. Raise ValueError for an event
    that no pool has."""
    if isinstance(event, PoolOpened):
        return Pool(opened=event, stage=PoolStage.ENROLLING, enrolment_ends_at=event.enrolment_ends_at)
    if pool is None:
        raise ValueError(f"a pool begins with PoolOpened, not {type(event).__name__}")
    change = msgspec.structs.replace
    match event:
        case PoolMemberEnrolled(member_id=member_id):
            if pool.members.get(member_id) == event:
                return pool
            told = pool.told | {member_id: pool.told.get(member_id, 0) + 1}
            members = pool.members | {member_id: event}
            reasons, withdrawn = _without(pool.reasons, member_id), pool.withdrawn - {member_id}
            return _forgetting(change(pool, members=members, withdrawn=withdrawn, reasons=reasons, told=told))
        case PoolMemberWithdrew(member_id=member_id):
            rest, reasons = _without(pool.members, member_id), pool.reasons | {member_id: event.reason}
            return _forgetting(
                change(pool, members=rest, withdrawn=pool.withdrawn | {member_id}, reasons=reasons), member_id
            )
        case PoolExtended(enrolment_ends_at=ends_at):
            return change(pool, enrolment_ends_at=ends_at, extended=True)
        case PoolFrozen():
            return change(pool, stage=PoolStage.FROZEN, sourcing=None)
        case PoolSourcingRequested():
            return change(pool, stage=PoolStage.SOURCING, sourcing=event, attempts=event.attempt, refusal=None)
        case PoolSourcingFailed(refusal=refusal):
            return change(pool, stage=PoolStage.FROZEN, sourcing=None, refusal=refusal)
        case PoolAllocated():
            return change(pool, stage=PoolStage.CONTRACTING, allocated=event)
        case PoolClosed():
            return change(pool, stage=PoolStage.CLOSED)
        case PoolCancelled(refusal=refusal):
            return change(pool, stage=PoolStage.CANCELLED, refusal=refusal)
    raise ValueError(f"{type(event).__name__} does not happen to pools")


def _without(of_members: Mapping[str, T], member_id: str) -> dict[str, T]:
    return {key: each for key, each in of_members.items() if key != member_id}


def _forgetting(pool: Pool, last: str = "") -> Pool:
    """Return the pool with MOST_REMEMBERED of those that withdrew, including ``last``."""
    kept = pool.withdrawn
    if len(kept) > MOST_REMEMBERED:
        kept = frozenset(sorted(kept, key=lambda each: (each == last, each))[-MOST_REMEMBERED:])
    return msgspec.structs.replace(
        pool,
        withdrawn=kept,
        reasons={key: reason for key, reason in pool.reasons.items() if key in kept},
        told={key: times for key, times in pool.told.items() if key in kept or key in pool.members},
    )


def frozen(pool: Pool) -> PoolFrozen:
    """Return the event that announces the present demand, also after a default."""
    return PoolFrozen(pool_id=pool.opened.pool_id, members=len(pool.members), lines=pool.demand)


def cancelled(pool: Pool, reason: RuleBroken) -> PoolCancelled:
    return PoolCancelled(pool_id=pool.opened.pool_id, refusal=Refusal.of(reason))
