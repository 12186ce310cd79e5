"""The state of a pool and how events change it."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from functools import cached_property
from typing import TypeVar

import msgspec

from catalogue.rules import RuleBroken, WrongStage
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


class Stage(StrEnum):
    """A draft is a form not yet sent, and allocating takes no time (the result is shared out in the decision that records it),
    so neither is ever stored."""

    ENROLLING = "enrolling"
    FROZEN = "frozen"
    SOURCING = "sourcing"
    CONTRACTING = "contracting"
    CLOSED = "closed"
    CANCELLED = "cancelled"


class BelowMinimum(StrEnum):
    """What the lead chose for an enrolment that ends below the minimum viable quantity."""

    CANCEL = "cancel"
    SMALLER = "smaller"
    EXTEND_ONCE = "extend-once"


class NotTheLead(RuleBroken):
    code = "not-the-lead"


MEMBERS_SHOWN = 50
DEMANDS_SHOWN = 1_000
MOST_REMEMBERED = 50
"""Members that withdrew and stay in the state of a pool. However many come and go, the state does not grow with them: the log has all."""


class Past(msgspec.Struct, frozen=True):
    """What one organisation did in a pool, by the log: how often it said what it wants, and with which reason it withdrew last, None
    if it did not withdraw since."""

    told: int
    left: str | None


class Pool(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """``members`` are by id, without those that withdrew; ``withdrawn`` remembers MOST_REMEMBERED of them until they enrol again,
    ``reasons`` what they said then (of those whom a former release kept it has none).
    ``told`` counts how often each of all these said what it wants, also before it withdrew. Of who acts they are right once the pool is
    :meth:`reminded`. ``refusal`` says why the last sourcing failed, or why the pool was cancelled. What is worked out of them is
    worked out once."""

    opened: PoolOpened
    stage: Stage
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
        """By line, without those that nobody wants."""
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
        """What the minimum is measured on: the firm units of all lines together."""
        return sum((want.firm for of_line in self.wants.values() for want in of_line), Decimal(0))

    @cached_property
    def demand(self) -> tuple[Line, ...]:
        """The lines to buy, those nobody wants left out. ``quantity`` counts what the unit price buys: packs where there are
        packs, as everywhere a line has an amount; the demands behind it are in units."""
        lines, wants = [], self.wants
        for line in self.opened.lines:
            units = sum((wanted(want, line.pack_size) for want in wants.get(line.line_id, ())), Decimal(0))
            if units:
                lines.append(msgspec.structs.replace(line, quantity=units / line.pack_size))
        return tuple(lines)

    @cached_property
    def pages(self) -> tuple[tuple[PoolMemberEnrolled, ...], ...]:
        """The members as they enrolled, so many at once as people are shown: at most MEMBERS_SHOWN that want no more than DEMANDS_SHOWN
        lines together, and at least one."""
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
        """By member, once the result is shared out."""
        return {each.member_id: each for each in self.allocated.allocations} if self.allocated else {}

    def reminded(self, member_id: str, past: Past) -> "Pool":
        """With the past of one organisation, who may have been forgotten."""
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

    def require(self, *stages: Stage) -> None:
        if self.stage not in stages:
            possible = " or ".join(stages)
            raise WrongStage(
                f"The pool is {self.stage}; this is possible while it is {possible}.",
                stage=self.stage,
                possible=possible,
            )


def apply(pool: Pool | None, event: Event) -> Pool:
    """The pool after the event; the same event again changes nothing more. Raises ValueError for an event of no pool."""
    if isinstance(event, PoolOpened):
        return Pool(opened=event, stage=Stage.ENROLLING, enrolment_ends_at=event.enrolment_ends_at)
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
            return change(pool, stage=Stage.FROZEN, sourcing=None)
        case PoolSourcingRequested():
            return change(pool, stage=Stage.SOURCING, sourcing=event, attempts=event.attempt, refusal=None)
        case PoolSourcingFailed(refusal=refusal):
            return change(pool, stage=Stage.FROZEN, sourcing=None, refusal=refusal)
        case PoolAllocated():
            return change(pool, stage=Stage.CONTRACTING, allocated=event)
        case PoolClosed():
            return change(pool, stage=Stage.CLOSED)
        case PoolCancelled(refusal=refusal):
            return change(pool, stage=Stage.CANCELLED, refusal=refusal)
    raise ValueError(f"{type(event).__name__} does not happen to pools")


def _without(of_members: Mapping[str, T], member_id: str) -> dict[str, T]:
    return {key: each for key, each in of_members.items() if key != member_id}


def _forgetting(pool: Pool, last: str = "") -> Pool:
    """With as many of those that withdrew as a pool remembers, ``last`` among them."""
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
    """The demand as it stands, announced; again after a default."""
    return PoolFrozen(pool_id=pool.opened.pool_id, members=len(pool.members), lines=pool.demand)


def cancelled(pool: Pool, reason: RuleBroken) -> PoolCancelled:
    return PoolCancelled(pool_id=pool.opened.pool_id, refusal=Refusal.of(reason))
