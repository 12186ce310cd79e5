"""Disputes about the status of a delivery or invoice. They end by agreement, or a moderator decides after both sides
were heard.

One side states each status: the goods were delivered or examined, the invoice was sent or paid. A dispute has one of
two outcomes. ``stands``: the status is valid and cannot be disputed again; an unanswered delivery is then accepted in
full, and a payment counts as received. ``set-aside``: the status no longer counts; a delivery or invoice that waited
for an answer is removed, and an answered one waits for an answer again, with a new deadline.
"""

from dataclasses import dataclass
from datetime import datetime

from msgspec import UNSET, UnsetType

from catalogue.actors import OTHER_PARTY, Actor, Party
from catalogue.rules import RuleBroken, require_repeat
from events import Event
from events.contracts import DisputeAnswered, DisputeEnded, DisputeOpened
from services.fulfilment.domain import bounds
from services.fulfilment.domain.invoices import get_invoice, settled
from services.fulfilment.domain.orders import Assessment, assessed, get_delivery, withdrawn
from services.fulfilment.domain.requirements import (
    AnswerMissing,
    GrievanceMissing,
    party_of,
    require_reasons,
    require_undisputed,
    require_words,
)
from services.fulfilment.domain.state import About, Dispute, Execution, Matter, NothingOfThatNumber, Outcome

STATED_BY: dict[tuple[str, str], Party] = {
    ("delivery", "reported"): "supplier",
    ("delivery", "assessed"): "buyer",
    ("invoice", "submitted"): "supplier",
    ("invoice", "paid"): "buyer",
}
"""Each status that can be disputed, and the side that stated it."""


class NotDisputable(RuleBroken):
    """It was withdrawn, invoiced or settled, so nothing about it can be disputed any more."""

    code = "not-disputable"


class StatusChanged(RuleBroken):
    """The status changed since it was read, so the same request would ask for something else."""

    code = "status-changed"


class DisputedBefore(RuleBroken):
    """An earlier dispute decided that this status is valid."""

    code = "disputed-before"


class AnswerStillPossible(RuleBroken):
    """A side that waits for an answer may dispute its own statement only after the time for the answer is over."""

    code = "answer-still-possible"


class DisputeOver(RuleBroken):
    code = "dispute-over"


class OtherSideUnheard(RuleBroken):
    """A moderator may decide only after both sides made a statement, or one let its time pass."""

    code = "other-side-unheard"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenDispute(Actor):
    """``word`` is the status, as it was read, of the delivery or invoice. Pages of the former release do not send it."""

    about: About
    number: int
    asks: Outcome
    reasons: str
    word: str | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerDispute(Actor):
    dispute: int
    asks: Outcome
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DecideDispute:
    """A moderator decides the dispute."""

    dispute: int
    outcome: Outcome
    explanation: str


@dataclass(frozen=True, slots=True)
class Resolution:
    """How a dispute ends. ``how`` is agreed, or decided with the moderator's explanation."""

    outcome: Outcome
    how: str
    explanation: str = ""


def open_dispute(execution: Execution, command: OpenDispute, now: datetime) -> tuple[Event, ...]:
    """Open a dispute. It is possible after the termination of the contract too, because what was delivered before must
    be settled."""
    by = party_of(execution, command.organisation_id)
    matter = Matter(command.about, command.number)
    about, number = matter
    require_undisputed(execution, matter)
    word, due_at = _status(execution, matter)
    whose = STATED_BY.get((about, word))
    if whose is None or (word == "assessed" and number in execution.invoice_of):
        state = "invoiced" if whose else word
        raise NotDisputable(
            f"The {about} {number} is {state}: nothing about it can be disputed any more.",
            about=about,
            number=number,
            state=state,
        )
    if command.word not in (UNSET, word):
        raise StatusChanged(
            f"The {about} {number} changed since you read it: it is {word} now. Check what you ask for.",
            about=about,
            number=number,
            state=word,
        )
    earlier = (each for each in execution.disputes if (each.matter, each.word) == (matter, word))
    if any(each.outcome == "stands" for each in earlier):
        raise DisputedBefore(
            f"An earlier dispute decided that this statement about {about} {number} is valid.",
            about=about,
            number=number,
            state=word,
        )
    if whose == by and word != "assessed" and now < due_at:
        raise AnswerStillPossible(
            f"The {OTHER_PARTY[by]} may answer until {due_at:%Y-%m-%d %H:%M} UTC; before that you cannot open a dispute.",
            party=OTHER_PARTY[by],
            due_at=due_at,
            now=now,
        )
    bounds.require_dispute(execution, by)
    rules = execution.policy.execution
    return (
        DisputeOpened(
            process_id=execution.process_id,
            contract_id=execution.contract_id,
            dispute=len(execution.disputes) + 1,
            about=about,
            number=number,
            buyer_id=execution.buyer_id,
            supplier_id=execution.supplier_id,
            by=by,
            member_id=command.member_id,
            asks=command.asks,
            reasons=require_words(command.reasons, GrievanceMissing("Say what is wrong.", field="reasons")),
            opened_at=now,
            answer_by=execution.due(now, rules.answer_days),
            decide_by=execution.due(now, rules.decision_days),
        ),
    )


def may_dispute(execution: Execution, matter: Matter, by: Party, now: datetime) -> bool:
    """Return whether the side could open a dispute about the delivery or invoice now."""
    assert matter.about != "order", "an order cannot be disputed"
    command = OpenDispute(
        organisation_id=execution.buyer_id if by == "buyer" else execution.supplier_id,
        member_id="",
        about=matter.about,
        number=matter.number,
        asks="stands",
        reasons="asked",
    )
    try:
        return bool(open_dispute(execution, command, now))
    except RuleBroken:
        return False


def answer_dispute(execution: Execution, command: AnswerDispute, now: datetime) -> tuple[Event, ...]:
    """Add a statement of either side. If both sides now ask for the same outcome, the dispute ends with it."""
    by = party_of(execution, command.organisation_id)
    dispute = _the_open(execution, command.dispute)
    words = require_words(command.words, AnswerMissing("Say something to the other side.", field="words"))
    last = dispute.said[-1]
    if (last.by, last.asks, last.words) == (by, command.asks, words):
        return ()
    bounds.require_statement(execution, dispute, by, command.asks)
    answered = DisputeAnswered(
        process_id=execution.process_id,
        contract_id=execution.contract_id,
        dispute=dispute.number,
        by=by,
        member_id=command.member_id,
        asks=command.asks,
        words=words,
        at=now,
    )
    if dispute.asks(OTHER_PARTY[by]) != command.asks:
        return (answered,)
    return (answered, *_end(execution, dispute, Resolution(command.asks, "agreed"), now))


def decide_dispute(execution: Execution, command: DecideDispute, now: datetime) -> tuple[Event, ...]:
    """Decide the dispute. A moderator may decide after the deadline too, because no side loses its case when the market
    is late."""
    if 1 <= command.dispute <= len(execution.disputes):
        before = execution.disputes[command.dispute - 1]
        if (before.how, before.outcome) == ("decided", command.outcome):
            require_repeat(command.explanation.strip() == before.explanation, before.explanation)
            return ()
    dispute = _the_open(execution, command.dispute)
    if dispute.asks(OTHER_PARTY[dispute.by]) is None and now < dispute.answer_by:
        raise OtherSideUnheard(
            f"The {OTHER_PARTY[dispute.by]} may still answer, until {dispute.answer_by:%Y-%m-%d %H:%M} UTC.",
            party=OTHER_PARTY[dispute.by],
            answer_by=dispute.answer_by,
            now=now,
        )
    explanation = require_reasons(command.explanation, "Say why you decide so.", field="explanation")
    return _end(execution, dispute, Resolution(command.outcome, "decided", explanation), now)


def _end(execution: Execution, dispute: Dispute, resolution: Resolution, now: datetime) -> tuple[Event, ...]:
    rules = execution.policy.execution
    days = rules.acceptance_days if dispute.about == "delivery" else rules.payment_days
    ended = DisputeEnded(
        process_id=execution.process_id,
        contract_id=execution.contract_id,
        dispute=dispute.number,
        about=dispute.about,
        number=dispute.subject,
        buyer_id=execution.buyer_id,
        supplier_id=execution.supplier_id,
        opened_by=dispute.by,
        asked=dispute.asked,
        outcome=resolution.outcome,
        how=resolution.how,
        explanation=resolution.explanation,
        ended_at=now,
        resume_by=execution.due(now, days),
    )
    match (dispute.word, resolution.outcome):
        case ("reported" | "submitted", "set-aside"):
            return (ended, withdrawn(execution, dispute.matter, "dispute", now))
        case ("reported", "stands"):
            delivery = get_delivery(execution, dispute.subject)
            return (ended, assessed(execution, delivery, Assessment(by="dispute", accepted=delivery.lines), now))
        case ("paid", "stands"):
            return (ended, settled(execution, get_invoice(execution, dispute.subject), "dispute", now))
    return (ended,)


def _status(execution: Execution, matter: Matter) -> tuple[str, datetime]:
    """Return the status of the delivery or invoice, and the time until which the other side may answer it."""
    if matter.about == "delivery":
        delivery = get_delivery(execution, matter.number)
        return delivery.status, delivery.due_at
    invoice = get_invoice(execution, matter.number)
    return invoice.status, invoice.due_at


def _the_open(execution: Execution, number: int) -> Dispute:
    if not 1 <= number <= len(execution.disputes):
        raise NothingOfThatNumber(f"There is no dispute {number}.", field="dispute", number=number)
    dispute = execution.disputes[number - 1]
    if not dispute.open:
        raise DisputeOver(
            f"The dispute {number} has ended already.",
            number=number,
            how=dispute.how,
            outcome=dispute.outcome,
        )
    return dispute
