"""Sanctions: an organisation that evades contracts it won, or refuses them without a ground, is suspended, longer each
time (docs/rules.md section 4).

A breach is one contract that ended in this way, as the service of contracts announces it. Breaches are counted by the rules of the
deal that ended. Each breach counts for one sanction only. An organisation may file one appeal against a sanction. If
the appeal is granted, the suspension ends, and the next one is not longer because of it. The working days of an appeal
are those of the organisation's seat, because a sanction concerns no single buyer.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from catalogue.actors import Actor, Party
from catalogue.calendar import RegionCalendar
from catalogue.policy import Policy
from catalogue.rules import DecidedOtherwise, DecisionUnexplained, RuleBroken, require_repeat
from events import Event
from events.contracts import OrganisationSanctioned, SanctionAppealDecided, SanctionAppealed

Decision = Literal["upheld", "lifted"]


class NotTheSanctioned(RuleBroken):
    code = "not-the-sanctioned"


class AppealOverdue(RuleBroken):
    code = "appeal-overdue"


class AppealUnexplained(RuleBroken):
    code = "appeal-unexplained"


class AppealedAlready(RuleBroken):
    """An organisation may file one appeal against a sanction."""

    code = "appealed-already"


class NotAppealed(RuleBroken):
    code = "not-appealed"


@dataclass(frozen=True, slots=True)
class Accused:
    """An organisation on one side of its contracts. Its breaches as a buyer and its breaches as a supplier are counted
    separately."""

    organisation_id: str
    party: Party


@dataclass(frozen=True, slots=True, kw_only=True)
class Breach:
    """A contract that the organisation evaded or refused ``at`` a time, under the policy of its deal. If a dispute
    decided this, ``known_at`` is the later time of that decision. A sanction never begins before ``known_at``."""

    contract_id: str
    at: datetime
    policy: Policy
    known_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sanction:
    """``sanctioned`` is the first decision. ``appealed`` and ``decided`` are None until there is an appeal and a
    decision about it."""

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
        """Return whether the moderator's time to decide is over."""
        return self.appealed is not None and self.decided is None and now >= self.appealed.due_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """The part of a sanction that the judgement of the next one needs. It avoids reading whole sanctions for an
    organisation that has many."""

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
    """Return the sanctions that are still to be imposed. ``breaches`` that an earlier sanction counted change nothing.
    The result depends on which breaches there are, not on how often or in which order they were announced.

    A sanction has the id of the breach that led to it, so imposing it twice changes nothing.
    """
    before = tuple(earlier)
    counted = {contract_id for sanction in before for contract_id in sanction.contract_ids}
    level = sum(not sanction.lifted for sanction in before)
    organisation_id, party = accused.organisation_id, accused.party
    spoken: list[Sanction] = []
    uncounted: list[Breach] = []
    for breach in sorted(breaches, key=lambda each: (each.at, each.contract_id)):
        rules = breach.policy.sanctions
        rule = None if rules is None else rules.supplier if party == "supplier" else rules.buyer
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
            sanction_id=derive_id("sanction", organisation_id, party, breach.contract_id),
            organisation_id=organisation_id,
            side=party,
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
    """Return the events of an appeal, none if it repeats the same appeal. Raise a RuleBroken of this module."""
    sanctioned, reasons = sanction.sanctioned, reasons.strip()
    if actor.organisation_id != sanctioned.organisation_id:
        raise NotTheSanctioned("Only the organisation that was suspended can appeal.", field="organisation_id")
    if sanction.appealed is not None:
        if sanction.appealed.reasons == reasons:
            return ()
        raise AppealedAlready("An appeal against this suspension was filed already, and only one is possible.")
    if now >= sanctioned.appeal_until:
        raise AppealOverdue(
            f"An appeal was possible until {sanctioned.appeal_until}; it is {now}.",
            appeal_until=sanctioned.appeal_until,
            now=now,
        )
    if not reasons:
        raise AppealUnexplained("Say why you appeal.", field="reasons")
    rules = sanction.policy.sanctions
    assert rules is not None, "a sanction is imposed under a policy that has sanctions"
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
    """Return the events of the decision, none if it repeats the same decision. A moderator may decide after the
    deadline too: an organisation does not lose its appeal because the market is late. Raise a RuleBroken of this
    module, DecidedOtherwise, or DoneOtherwise if the explanation is different."""
    if sanction.appealed is None:
        raise NotAppealed("Nobody appealed against this suspension.", field="sanction_id")
    if sanction.decided is not None:
        if sanction.decided.decision == decision:
            require_repeat(explanation.strip() == sanction.decided.explanation, sanction.decided.explanation)
            return ()
        suspension = "was lifted" if sanction.decided.decision == "lifted" else "was upheld"
        raise DecidedOtherwise(
            f"The appeal was decided already: the suspension {suspension}.",
            field="decision",
            decision=sanction.decided.decision,
            suspension=suspension,
        )
    if not explanation.strip():
        raise DecisionUnexplained("Say why you decide so.", field="explanation")
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
    """Return the sanction after the event. Raise TypeError for an event that no sanction has."""
    if isinstance(event, SanctionAppealed):
        return replace(sanction, appealed=event)
    if isinstance(event, SanctionAppealDecided):
        return replace(sanction, decided=event)
    raise TypeError(f"{type(event).__name__} does not happen to a sanction")
