"""Sanctions: who evades contracts it won, or refuses them without ground, is suspended, longer each time (docs/rules.md section 4).

A breach is one contract that ended so, as contracts tells of it. Breaches are counted by the rules of the deal that ended, each for
one sanction only: what a sanction counted is used up. An appeal is filed once; where it is granted the suspension ends, and the next
one is not longer for it. Working days of an appeal are those of where the organisation sits, for it concerns no single buyer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from catalogue.actors import Actor
from catalogue.calendar import RegionCalendar
from catalogue.policy import Policy
from catalogue.rules import DecidedOtherwise, DecisionUnexplained, RuleBroken, require_repeat
from events import Event
from events.contracts import OrganisationSanctioned, SanctionAppealDecided, SanctionAppealed

Party = Literal["buyer", "supplier"]
Decision = Literal["upheld", "lifted"]


class NotTheSanctioned(RuleBroken):
    code = "not-the-sanctioned"


class AppealOverdue(RuleBroken):
    code = "appeal-overdue"


class AppealUnexplained(RuleBroken):
    code = "appeal-unexplained"


class AppealedAlready(RuleBroken):
    """There is one appeal against a sanction."""

    code = "appealed-already"


class NotAppealed(RuleBroken):
    code = "not-appealed"


@dataclass(frozen=True, slots=True)
class Accused:
    """An organisation on one side of its contracts: its breaches as a buyer and those as a supplier are counted apart."""

    organisation_id: str
    side: Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A contract that the organisation evaded or refused ``at`` a time, under the policy of its deal. ``known_at`` is later where
    that was decided in a dispute; a sanction never begins before."""

    contract_id: str
    at: datetime
    policy: Policy
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sanction:
    """``sanctioned`` is what was decided first; ``appealed`` and ``decided`` are None until there are any."""

    sanctioned: OrganisationSanctioned
    policy: Policy
    calendar: RegionCalendar
    appealed: SanctionAppealed | None = None
    decided: SanctionAppealDecided | None = None

    @property
    def contract_ids(self) -> tuple[str, ...]:
        return self.sanctioned.contract_ids

    @property
    def lifted(self) -> bool:
        return self.decided is not None and self.decided.decision == "lifted"

    def in_force(self, now: datetime) -> bool:
        return not self.lifted and self.sanctioned.since <= now < self.sanctioned.until

    def state(self, now: datetime) -> Literal["in-force", "past", "lifted"]:
        return "in-force" if self.in_force(now) else "lifted" if self.lifted else "past"

    def may_be_appealed(self, now: datetime) -> bool:
        return self.appealed is None and now < self.sanctioned.appeal_until

    def overdue(self, now: datetime) -> bool:
        """The moderator's time to decide is over."""
        return self.appealed is not None and self.decided is None and now >= self.appealed.due_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """As much of a sanction as the next one is judged by: of an organisation with many none is read whole."""

    contract_ids: tuple[str, ...]
    lifted: bool


def judge(
    accused: Accused,
    breaches: Iterable[Breach],
    earlier: Iterable[Sanction | Spoken],
    calendar: RegionCalendar,
    *,
    derive_id: Callable[..., str],
) -> tuple[Sanction, ...]:
    """The sanctions still to be spoken; ``breaches`` that an earlier one counted change nothing. Depends on which breaches there are,
    not on how often or in which order they were told.

    A sanction bears the id of the breach that brought it, so speaking it twice changes nothing.
    """
    before = tuple(earlier)
    counted = {contract_id for sanction in before for contract_id in sanction.contract_ids}
    level = sum(not sanction.lifted for sanction in before)
    organisation_id, side = accused.organisation_id, accused.side
    spoken: list[Sanction] = []
    uncounted: list[Breach] = []
    for breach in sorted(breaches, key=lambda each: (each.at, each.contract_id)):
        rules = breach.policy.sanctions
        rule = None if rules is None else rules.supplier if side == "supplier" else rules.buyer
        if rules is None or rule is None or breach.contract_id in counted:
            continue
        counted.add(breach.contract_id)
        within = timedelta(days=rule.within_days)
        uncounted = [*(each for each in uncounted if breach.at - each.at <= within), breach]
        if len(uncounted) < rule.after:
            continue
        level += 1
        since = max(each.known_at or each.at for each in uncounted)
        sanctioned = OrganisationSanctioned(
            sanction_id=derive_id("sanction", organisation_id, side, breach.contract_id),
            organisation_id=organisation_id,
            side=side,
            level=level,
            contract_ids=tuple(each.contract_id for each in uncounted),
            since=since,
            until=rules.until(since, rule.length(level)),
            appeal_until=breach.policy.due(since, rules.appeal_days, calendar),
        )
        spoken.append(Sanction(sanctioned=sanctioned, policy=breach.policy, calendar=calendar))
        uncounted = []
    return tuple(spoken)


def appeal(sanction: Sanction, actor: Actor, reasons: str, now: datetime) -> tuple[SanctionAppealed, ...]:
    """Nothing where it repeats the appeal. Raises a RuleBroken of this module."""
    sanctioned, reasons = sanction.sanctioned, reasons.strip()
    if actor.organisation_id != sanctioned.organisation_id:
        raise NotTheSanctioned("Only the organisation that was suspended appeals.", field="organisation_id")
    if sanction.appealed is not None:
        if sanction.appealed.reasons == reasons:
            return ()
        raise AppealedAlready("An appeal against this suspension was filed already; there is one.")
    if now >= sanctioned.appeal_until:
        raise AppealOverdue(
            f"An appeal was possible until {sanctioned.appeal_until}; it is {now}.",
            appeal_until=sanctioned.appeal_until,
            now=now,
        )
    if not reasons:
        raise AppealUnexplained("An appeal says why.", field="reasons")
    rules = sanction.policy.sanctions
    assert rules is not None, "a sanction is spoken by a policy that has them"
    return (
        SanctionAppealed(
            sanction_id=sanctioned.sanction_id,
            organisation_id=actor.organisation_id,
            member_id=actor.member_id,
            reasons=reasons,
            due_at=sanction.policy.due(now, rules.decision_days, sanction.calendar),
        ),
    )


def decide_appeal(
    sanction: Sanction, decision: Decision, explanation: str, now: datetime
) -> tuple[SanctionAppealDecided, ...]:
    """Also after the deadline: an organisation does not lose its appeal by the market's delay. Nothing where it repeats the
    decision. Raises a RuleBroken of this module, DecidedOtherwise, DoneOtherwise where the explanation was another one."""
    if sanction.appealed is None:
        raise NotAppealed("Nobody appealed against this suspension.", field="sanction_id")
    if sanction.decided is not None:
        if sanction.decided.decision == decision:
            require_repeat(explanation.strip() == sanction.decided.explanation, sanction.decided.explanation)
            return ()
        suspension = "was lifted" if sanction.decided.decision == "lifted" else "stands"
        raise DecidedOtherwise(
            f"The appeal was decided already: the suspension {suspension}.",
            field="decision",
            decision=sanction.decided.decision,
            suspension=suspension,
        )
    if not explanation.strip():
        raise DecisionUnexplained("A decision says why.", field="explanation")
    return (
        SanctionAppealDecided(
            sanction_id=sanction.sanctioned.sanction_id,
            organisation_id=sanction.sanctioned.organisation_id,
            decision=decision,
            explanation=explanation.strip(),
            decided_at=now,
        ),
    )


def apply(sanction: Sanction, event: Event) -> Sanction:
    """The sanction after the event; TypeError for an event that no sanction has."""
    if isinstance(event, SanctionAppealed):
        return replace(sanction, appealed=event)
    if isinstance(event, SanctionAppealDecided):
        return replace(sanction, decided=event)
    raise TypeError(f"{type(event).__name__} does not happen to a sanction")
