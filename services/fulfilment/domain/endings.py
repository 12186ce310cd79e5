"""How a contract ends: automatically when everything is accepted and paid, by agreement of both sides, or by one side
because of a breach that the other does not correct."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from msgspec import UNSET, UnsetType

from catalogue.actors import OTHER_PARTY, Actor, Party
from catalogue.rules import RuleBroken, Several
from events import Event
from events.contracts import (
    ContractClosed,
    ContractEnded,
    ContractTerminated,
    EndingAnswered,
    EndingProposed,
)
from services.fulfilment.domain import bounds
from services.fulfilment.domain.requirements import (
    ActOfOtherParty,
    party_of,
    require_reasons,
    require_running,
)
from services.fulfilment.domain.state import Execution, ProposedEnding, balances, invoiceable, outstanding

EndingKind = Literal["closure", "termination"]
EndingGround = Literal["agreement", "delivery-overdue", "acceptance-overdue", "payment-overdue"]
GROUNDS: dict[Party, tuple[EndingGround, ...]] = {
    "buyer": ("agreement", "delivery-overdue"),
    "supplier": ("agreement", "acceptance-overdue", "payment-overdue"),
}
"""The grounds by the side that proposes: agreement of the other side, or a breach of the other side that a deadline
showed."""


class GroundNotGiven(RuleBroken):
    """The other side is not in such a breach, or the ground is not for this side."""

    code = "ground-not-given"


class EndingProposedAlready(RuleBroken):
    """There may be one proposal at a time."""

    code = "ending-proposed-already"


class NothingProposed(RuleBroken):
    code = "nothing-proposed"


class AnotherProposed(RuleBroken):
    """The proposal that was read is not the one that is open. Agreement to the first would be agreement to the second."""

    code = "another-proposed"


class WorkUnfinished(RuleBroken):
    """A contract closes only after everything that was delivered is answered, invoiced, paid and undisputed."""

    code = "work-unfinished"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProposeEnding(Actor):
    kind: EndingKind
    ground: EndingGround
    reasons: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OfProposal:
    """An act about a proposal. ``proposed_at`` says which proposal was read. Pages of the former release do not send it: then
    it is the open one, and the digest of a request that is sent again to this release does not change."""

    organisation_id: str
    proposed_at: datetime | UnsetType = UNSET


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerEnding(OfProposal):
    agrees: bool
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawEnding(OfProposal):
    """The side that made the proposal withdraws it."""


def given(execution: Execution, ground: str) -> bool:
    """Return whether the ground exists now. While something is disputed it is no breach."""
    match ground:
        case "delivery-overdue":
            return any(order.overdue_at and outstanding(execution, order) for order in execution.standing_orders)
        case "acceptance-overdue":
            return any(delivery.overdue and delivery.status == "reported" for delivery in execution.deliveries)
        case "payment-overdue":
            return any(invoice.overdue and invoice.status == "submitted" for invoice in execution.invoices)
    return True


def grounds(execution: Execution, party: Party) -> tuple[EndingGround, ...]:
    """Return the grounds on which the side may propose a termination now."""
    return tuple(ground for ground in GROUNDS[party] if given(execution, ground))


def unfinished(execution: Execution) -> tuple[str, ...]:
    """Return in words what still prevents the closure of the contract."""
    waiting = {
        "a delivery waits for the buyer's answer": any(each.status == "reported" for each in execution.deliveries),
        "accepted goods are not invoiced": bool(invoiceable(execution)),
        "an invoice is not settled": any(each.status in ("submitted", "paid") for each in execution.invoices),
        "a dispute is open": any(each.open for each in execution.disputes),
    }
    return tuple(words for words, so in waiting.items() if so)


def propose(execution: Execution, command: ProposeEnding, now: datetime) -> tuple[Event, ...]:
    by = party_of(execution, command.organisation_id)
    require_running(execution)
    reasons = require_reasons(command.reasons, "Say why.")
    standing = execution.ending
    if standing is not None:
        if (standing.by, standing.kind, standing.ground, standing.reasons) == (
            by,
            command.kind,
            command.ground,
            reasons,
        ):
            return ()
        raise EndingProposedAlready(
            f"The {standing.by} proposed a {standing.kind} already.", party=standing.by, kind=standing.kind
        )
    possible = grounds(execution, by) if command.kind == "termination" else ("agreement",)
    if command.ground not in possible:
        raise GroundNotGiven(
            f"The {OTHER_PARTY[by]} is not in this breach now, so {command.ground} is not a ground.",
            field="ground",
            party=OTHER_PARTY[by],
            ground=command.ground,
        )
    rules = execution.policy.execution
    days = rules.answer_days if command.ground == "agreement" else rules.notice_days
    return (
        EndingProposed(
            process_id=execution.process_id,
            contract_id=execution.contract_id,
            buyer_id=execution.buyer_id,
            supplier_id=execution.supplier_id,
            kind=command.kind,
            ground=command.ground,
            by=by,
            member_id=command.member_id,
            reasons=reasons,
            proposed_at=now,
            due_at=execution.due(now, days),
        ),
    )


def answer(execution: Execution, command: AnswerEnding, now: datetime) -> tuple[Event, ...]:
    """Answer the proposal. Agreement ends the contract. A refusal ends a proposal by agreement; against a ground of
    breach it is only recorded, and the contract ends unless the breach is corrected."""
    by = party_of(execution, command.organisation_id)
    ending = _standing(execution, command)
    if ending.by == by:
        raise ActOfOtherParty(
            f"You made this proposal: only the {OTHER_PARTY[by]} can answer it.", party=OTHER_PARTY[by]
        )
    if not command.agrees:
        words = require_reasons(command.words, "Say why not.", field="words")
        if words == ending.objection:
            return ()
        bounds.require_refusal(execution, ending, by)
        return (_answered(execution, by, "objected", words, now),)
    agreed = _answered(execution, by, "agreed", command.words.strip(), now)
    if ending.kind == "termination":
        return (agreed, *_terminated(execution, ending, now))
    if waiting := Several(unfinished(execution)):
        raise WorkUnfinished(
            f"The contract cannot be closed yet: {waiting}.",
            waiting=len(waiting),
            unfinished=waiting,
        )
    return (agreed, closed(execution, "agreement", ending.reasons, now))


def withdraw(execution: Execution, command: WithdrawEnding, now: datetime) -> tuple[Event, ...]:
    by = party_of(execution, command.organisation_id)
    ending = _standing(execution, command)
    if ending.by != by:
        raise ActOfOtherParty(
            f"The {ending.by} made this proposal, and only the {ending.by} can withdraw it.", party=ending.by
        )
    bounds.require_withdrawal_allowed(execution, by)
    return (_answered(execution, by, "withdrawn", "", now),)


def lapsed(execution: Execution, now: datetime) -> tuple[Event, ...]:
    """Return the events at the end of the proposal's time. A proposal by agreement lapses, and so does one whose breach
    was corrected; a breach that was not corrected ends the contract."""
    ending = execution.ending
    if ending is None or now < ending.due_at:
        return ()
    if ending.ground != "agreement" and given(execution, ending.ground):
        return _terminated(execution, ending, now)
    return (_answered(execution, OTHER_PARTY[ending.by], "lapsed", "", now),)


def fulfilled(execution: Execution) -> bool:
    """Return whether everything in the contract is accepted and paid."""
    return (
        execution.status == "running"
        and all(balance.invoiced == balance.contracted for balance in balances(execution))
        and not unfinished(execution)
    )


def closed(execution: Execution, how: str, reasons: str, now: datetime) -> ContractClosed:
    return ContractClosed(
        process_id=execution.process_id,
        contract_id=execution.contract_id,
        pool_id=execution.pool_id,
        buyer_id=execution.buyer_id,
        supplier_id=execution.supplier_id,
        how=how,
        reasons=reasons,
        currency=execution.currency,
        amount=execution.amount,
        paid=execution.settled,
        closed_at=now,
    )


def _terminated(execution: Execution, ending: ProposedEnding, now: datetime) -> tuple[Event, ...]:
    """Return the events of the termination. ContractEnded is for readers that only ask whether the contract still
    counts."""
    return (
        ContractTerminated(
            process_id=execution.process_id,
            contract_id=execution.contract_id,
            pool_id=execution.pool_id,
            buyer_id=execution.buyer_id,
            supplier_id=execution.supplier_id,
            by=ending.by,
            ground=ending.ground,
            reasons=ending.reasons,
            currency=execution.currency,
            amount=execution.amount,
            paid=execution.settled,
            terminated_at=now,
        ),
        ContractEnded(
            process_id=execution.process_id,
            contract_id=execution.contract_id,
            supplier_id=execution.supplier_id,
            buyer_id=execution.buyer_id,
            pool_id=execution.pool_id,
            reason="cancelled",
            by=ending.by,
            evasion=False,
            explanation=ending.reasons,
        ),
    )


def _answered(execution: Execution, by: Party, said: str, words: str, now: datetime) -> EndingAnswered:
    return EndingAnswered(
        process_id=execution.process_id,
        contract_id=execution.contract_id,
        by=by,
        answer=said,
        words=words,
        at=now,
    )


def _standing(execution: Execution, command: OfProposal) -> ProposedEnding:
    """Return the open proposal. Raise NothingProposed or AnotherProposed."""
    ending = execution.ending
    if ending is None:
        raise NothingProposed("There is no proposal to end this contract.")
    if command.proposed_at not in (UNSET, ending.proposed_at):
        raise AnotherProposed("The proposal that you read is no longer open. Another one is open now: read it.")
    return ending
