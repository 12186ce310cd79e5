"""Refusals on a closed list of grounds, and the other side's dispute about one (docs/rules.md section 4).

A refusal on a justified ground with evidence is no breach. The other side may dispute that the ground holds, and a
moderator decides. If the ground is not upheld, the refusal counts as a breach. What the cascade did meanwhile stays as
it is.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from catalogue.actors import Actor, Party
from catalogue.calendar import RegionCalendar
from catalogue.policy import Policy, RefusalGround
from catalogue.rules import DecidedOtherwise, EvidenceMissing, RuleBroken, Several, require_repeat
from events import Event
from events.contracts import ContractEnded, RefusalDisputed, RefusalDisputeDecided
from services.contracts.domain.deals import Deal

Verdict = Literal["justified", "unjustified"]


class RefusalUnexplained(RuleBroken):
    code = "refusal-unexplained"


class GroundNotListed(RuleBroken):
    """The ground is not on the policy's list, or only the other side may use it."""

    code = "ground-not-listed"


class RefusalNotDisputable(RuleBroken):
    """A dispute would change nothing: the ground was not a justified one, or no penalty was due."""

    code = "refusal-not-disputable"


class NotTheOtherSide(RuleBroken):
    code = "not-the-other-side"


class DisputeOverdue(RuleBroken):
    code = "dispute-overdue"


class DisputeUnexplained(RuleBroken):
    code = "dispute-unexplained"


class DisputedAlready(RuleBroken):
    code = "disputed-already"


class NotDisputed(RuleBroken):
    code = "not-disputed"


class VerdictUnexplained(RuleBroken):
    code = "verdict-unexplained"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """``ground`` is a code of the policy's list, or "" for none of them. ``evidence`` says where the ground can be
    seen. For ``version`` see :func:`turns.require_version`."""

    contract_id: str
    organisation_id: str
    explanation: str
    ground: str = ""
    evidence: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundedRefusal:
    """A refusal on a justified ground, which may be disputed. ``calendar`` is the buyer's, as for every step of the deal."""

    ended: ContractEnded
    at: datetime
    policy: Policy
    calendar: RegionCalendar
    disputed: RefusalDisputed | None = None
    decided: RefusalDisputeDecided | None = None

    @property
    def other(self) -> tuple[Party, str]:
        """Return the side that may dispute it, and its organisation."""
        return ("buyer", self.ended.buyer_id) if self.ended.by == "supplier" else ("supplier", self.ended.supplier_id)

    def may_be_disputed(self, now: datetime) -> bool:
        return self.disputed is None and self.ended.dispute_until is not None and now < self.ended.dispute_until

    def overdue(self, now: datetime) -> bool:
        """Return whether the moderator's time to decide is over."""
        return self.disputed is not None and self.decided is None and now >= self.disputed.due_at


def ground_of(deal: Deal, party: Party, command: Refuse) -> RefusalGround | None:
    """Return the named ground on the list, or None if none is named. Raise GroundNotListed, RefusalUnexplained or
    EvidenceMissing."""
    code = command.ground
    listed = {ground.code: ground for ground in deal.policy.contract.grounds_of(party)}
    if code and code not in listed:
        grounds = Several(listed or ("no ground",))
        raise GroundNotListed(
            f"A {party} may refuse on {grounds}, or without a ground. There is no ground {code!r}.",
            field="ground",
            party=party,
            ground=code,
            grounds=grounds,
        )
    if not command.explanation.strip():
        raise RefusalUnexplained("Say why you refuse.", field="explanation")
    ground = listed.get(code)
    if ground is not None and ground.justified and not command.evidence.strip():
        raise EvidenceMissing(
            "Say where the ground can be seen: a document and its number, or an address.", field="evidence"
        )
    return ground


def refusal_of(deal: Deal, ended: ContractEnded, now: datetime) -> GroundedRefusal | None:
    """Return the refusal, or None if there is nothing to dispute."""
    if ended.dispute_until is None:
        return None
    return GroundedRefusal(ended=ended, at=now, policy=deal.policy, calendar=deal.calendar)


def dispute(refusal: GroundedRefusal, actor: Actor, reasons: str, now: datetime) -> tuple[RefusalDisputed, ...]:
    """Return the event of the dispute, none if it repeats the same dispute. Raise a RuleBroken of this module."""
    party, other = refusal.other
    ended, reasons = refusal.ended, reasons.strip()
    if actor.organisation_id != other:
        raise NotTheOtherSide(
            f"Only the {party} of the contract may dispute the refusal.", field="organisation_id", party=party
        )
    if refusal.disputed is not None:
        if refusal.disputed.reasons == reasons:
            return ()
        raise DisputedAlready("This refusal was disputed already, and only one dispute is possible.")
    if not refusal.may_be_disputed(now):
        raise DisputeOverdue(
            f"The ground could be disputed until {ended.dispute_until}; it is {now}.",
            dispute_until=ended.dispute_until,
            now=now,
        )
    if not reasons:
        raise DisputeUnexplained("Say why the ground does not hold.", field="reasons")
    return (
        RefusalDisputed(
            process_id=ended.process_id,
            contract_id=ended.contract_id,
            by=party,
            organisation_id=actor.organisation_id,
            member_id=actor.member_id,
            reasons=reasons,
            due_at=refusal.policy.due(now, refusal.policy.contract.dispute_decision_days, refusal.calendar),
        ),
    )


def decide(
    refusal: GroundedRefusal, verdict: Verdict, explanation: str, now: datetime
) -> tuple[RefusalDisputeDecided, ...]:
    """Return the event of the decision, none if it repeats the same decision. A moderator may decide after the deadline
    too: no side loses its case because the market is late. Raise a RuleBroken of this module, DecidedOtherwise, or
    DoneOtherwise if the explanation is different."""
    if refusal.disputed is None:
        raise NotDisputed("Nobody disputed this refusal.", field="contract_id")
    if refusal.decided is not None:
        if refusal.decided.decision == verdict:
            require_repeat(explanation.strip() == refusal.decided.explanation, refusal.decided.explanation)
            return ()
        raise DecidedOtherwise(
            f"The refusal was found {refusal.decided.decision} already.",
            field="decision",
            decision=refusal.decided.decision,
        )
    if not explanation.strip():
        raise VerdictUnexplained("Say why you decide so.", field="explanation")
    ended = refusal.ended
    return (
        RefusalDisputeDecided(
            process_id=ended.process_id,
            contract_id=ended.contract_id,
            supplier_id=ended.supplier_id,
            buyer_id=ended.buyer_id,
            refused_by=ended.by,
            refused_at=refusal.at,
            decision=verdict,
            explanation=explanation.strip(),
            decided_at=now,
        ),
    )


def apply(refusal: GroundedRefusal, event: Event) -> GroundedRefusal:
    """Return the refusal after the event. Raise TypeError for an event that no refusal has."""
    if isinstance(event, RefusalDisputed):
        return replace(refusal, disputed=event)
    if isinstance(event, RefusalDisputeDecided):
        return replace(refusal, decided=event)
    raise TypeError(f"{type(event).__name__} does not happen to a refusal")
