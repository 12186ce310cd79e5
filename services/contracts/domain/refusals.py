"""Refusals on a closed list of grounds, and what the other side may say against one (docs/rules.md section 4).

A justified ground with its evidence makes a refusal no breach. The other side may dispute that it holds; a moderator decides, and
where the ground is not upheld the refusal counts as the breach that it was. What the cascade did meanwhile stands.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from catalogue.actors import Actor
from catalogue.calendar import RegionCalendar
from catalogue.policy import Policy, RefusalGround
from catalogue.rules import DecidedOtherwise, EvidenceMissing, RuleBroken, require_repeat
from events import Event
from events.contracts import ContractEnded, RefusalDisputed, RefusalDisputeDecided
from services.contracts.domain.deals import Deal, Party

Verdict = Literal["justified", "unjustified"]


class RefusalUnexplained(RuleBroken):
    code = "refusal-unexplained"


class GroundNotListed(RuleBroken):
    """Not on the policy's list, or the other side's."""

    code = "ground-not-listed"


class RefusalNotDisputable(RuleBroken):
    """Nothing hangs on its ground: it was not justified to begin with, or no penalty was due."""

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
    """``ground`` is a code of the policy's list, "" for none of them; ``evidence`` says where it can be seen. ``version`` is as in a
    signature."""

    contract_id: str
    organisation_id: str
    explanation: str
    ground: str = ""
    evidence: str = ""
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A refusal on a justified ground, which may be disputed. ``calendar`` is the buyer's, as for every step of the deal."""

    ended: ContractEnded
    at: datetime
    policy: Policy
    calendar: RegionCalendar
    disputed: RefusalDisputed | None = None
    decided: RefusalDisputeDecided | None = None

    @property
    def other(self) -> tuple[Party, str]:
        """Who may dispute it: the side, and its organisation."""
        return ("buyer", self.ended.buyer_id) if self.ended.by == "supplier" else ("supplier", self.ended.supplier_id)

    def may_be_disputed(self, now: datetime) -> bool:
        return self.disputed is None and self.ended.dispute_until is not None and now < self.ended.dispute_until

    def overdue(self, now: datetime) -> bool:
        """The moderator's time to decide is over."""
        return self.disputed is not None and self.decided is None and now >= self.disputed.due_at


def ground_of(deal: Deal, party: Party, command: Refuse) -> RefusalGround | None:
    """The ground on the list; None where none is named. Raises GroundNotListed, RefusalUnexplained, EvidenceMissing."""
    code = command.ground
    listed = {ground.code: ground for ground in deal.policy.contract.grounds_of(party)}
    if code and code not in listed:
        raise GroundNotListed(
            f"A {party} refuses on {', '.join(listed) or 'no ground'}, or on none; there is no {code!r}.",
            field="ground",
            party=party,
            ground=code,
            grounds=", ".join(listed) or "no ground",
        )
    if not command.explanation.strip():
        raise RefusalUnexplained("A refusal says why.", field="explanation")
    ground = listed.get(code)
    if ground is not None and ground.justified and not command.evidence.strip():
        raise EvidenceMissing(
            "Say where the ground can be seen: a document and its number, or an address.", field="evidence"
        )
    return ground


def refusal_of(deal: Deal, ended: ContractEnded, now: datetime) -> Refusal | None:
    """None where there is nothing to dispute."""
    if ended.dispute_until is None:
        return None
    return Refusal(ended=ended, at=now, policy=deal.policy, calendar=deal.calendar)


def dispute(refusal: Refusal, actor: Actor, reasons: str, now: datetime) -> tuple[RefusalDisputed, ...]:
    """Nothing where it repeats the dispute. Raises a RuleBroken of this module."""
    side, other = refusal.other
    ended, reasons = refusal.ended, reasons.strip()
    if actor.organisation_id != other:
        raise NotTheOtherSide(
            f"Only the {side} of the contract disputes its refusal.", field="organisation_id", party=side
        )
    if refusal.disputed is not None:
        if refusal.disputed.reasons == reasons:
            return ()
        raise DisputedAlready("This refusal was disputed already; once is all.")
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
            by=side,
            organisation_id=actor.organisation_id,
            member_id=actor.member_id,
            reasons=reasons,
            due_at=refusal.policy.due(now, refusal.policy.contract.dispute_decision_days, refusal.calendar),
        ),
    )


def decide(refusal: Refusal, verdict: Verdict, explanation: str, now: datetime) -> tuple[RefusalDisputeDecided, ...]:
    """Also after the deadline: no side loses its case by the market's delay. Nothing where it repeats the decision.
    Raises a RuleBroken of this module, DecidedOtherwise, DoneOtherwise where the explanation was another one."""
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
        raise VerdictUnexplained("A decision says why.", field="explanation")
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


def apply(refusal: Refusal, event: Event) -> Refusal:
    """The refusal after the event; TypeError for an event that no refusal has."""
    if isinstance(event, RefusalDisputed):
        return replace(refusal, disputed=event)
    if isinstance(event, RefusalDisputeDecided):
        return replace(refusal, decided=event)
    raise TypeError(f"{type(event).__name__} does not happen to a refusal")
