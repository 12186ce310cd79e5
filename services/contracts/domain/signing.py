"""Signing of a contract: each side takes its steps in order and in time. If a side does not, the contract ends, and the
deal ends with it or continues with the next bidder (docs/rules.md section 4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from catalogue.actors import Actor, Party
from catalogue.rules import NotTheBuyer, RuleBroken, require_repeat
from events import Event
from events.contracts import ContractEnded, ContractStepTaken, Security, StepExtended, Term
from events.values import Line
from services.contracts.domain import equivalents, objections, security, terms
from services.contracts.domain.cascade import awaits_activation, cascade, offer_to
from services.contracts.domain.deals import (
    BUYER_DRAFT,
    FLOWS,
    PARTIES,
    SUPPLIER_OFFER,
    Contract,
    Deal,
    apply,
    concluded,
    due,
    latest,
    offer,
)
from services.contracts.domain.deciding import Deciding, RankedBid
from services.contracts.domain.equivalents import EquivalentProposal
from services.contracts.domain.objections import AnswerObjection, FileObjection
from services.contracts.domain.refusals import Refuse, ground_of
from services.contracts.domain.turns import (
    UnknownStep,
    current,
    extended_until,
    party_of,
    require_running,
    require_side,
    require_step,
    require_version,
)


class NobodyToActivate(RuleBroken):
    """The buyer may ask the next bidder only if the supplier ended the contract and the cascade waits for the buyer."""

    code = "nobody-to-activate"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferDeal:
    """Offer the deal to the lowest bidder, at the deal's amount. ``lines`` have its prices."""

    supplier_id: str
    supplier_name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeStep:
    """A side takes a step, and gives what belongs to the step: ``equivalents`` with the supplier's offer; ``terms``, and
    in ``refused`` the reason for each refused equivalent by line, with the buyer's draft; ``security`` with the
    supplier's signature. For ``version`` see :func:`turns.require_version`."""

    contract_id: str
    step: str
    actor: Actor
    equivalents: tuple[EquivalentProposal, ...] = ()
    terms: tuple[Term, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    security: Security | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """A side takes more time for its own running step."""

    contract_id: str
    step: str
    actor: Actor


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """A timer's command: end the contract if the time of its step is over."""

    contract_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateNext:
    """The buyer asks the next bidder, after ``contract_id`` ended."""

    contract_id: str
    organisation_id: str


Command = OfferDeal | TakeStep | FileObjection | AnswerObjection | Extend | Refuse | Lapse | ActivateNext


def decide(deal: Deal, command: Command, deciding: Deciding) -> tuple[Event, ...]:
    """Return the events; none if the command repeats what was done before. Raise DoneOtherwise if the step or refusal
    was done before with other content. Raise a RuleBroken of this module or of the module that handles the command."""
    match command:
        case OfferDeal():
            return _award(deal, command, deciding)
        case TakeStep():
            return _take_step(deal, command, deciding.now)
        case FileObjection():
            return objections.file(deal, command, deciding.now)
        case AnswerObjection():
            return objections.answer(deal, command, deciding.now)
        case Extend():
            return _extend(deal, command, deciding.now)
        case Refuse():
            return _refuse(deal, command, deciding)
        case Lapse():
            return _lapse(deal, command, deciding)
        case ActivateNext():
            return _activate(deal, command, deciding)


def _award(deal: Deal, command: OfferDeal, deciding: Deciding) -> tuple[Event, ...]:
    if deal.contract is not None:
        return ()
    first = RankedBid(
        rank=1,
        supplier_id=command.supplier_id,
        supplier_name=command.supplier_name,
        amount=deal.amount,
        lines=command.lines,
    )
    return offer(deal, first, deciding)


def _take_step(deal: Deal, command: TakeStep, now: datetime) -> tuple[Event, ...]:
    flow = FLOWS[deal.origin]
    contract = current(deal, command.contract_id)
    party = party_of(deal, contract, command.actor.organisation_id)
    if command.step not in flow:
        raise UnknownStep(f"{command.step!r} is not a step of this contract.", field="step", step=command.step)
    require_side(command.step, party)
    if command.step in contract.taken:
        _require_repeat(deal, contract, command, now)
        return ()
    require_running(contract, now)
    require_step(contract, command.step)
    require_version(contract, command.version)
    following = flow[len(contract.taken) + 1 :]
    taken = ContractStepTaken(
        process_id=deal.process_id,
        contract_id=contract.contract_id,
        step=command.step,
        party=party,
        member_id=command.actor.member_id,
        next_step=following[0] if following else None,
        due_at=due(deal, following[0], now, deal.awarded_at or now) if following else None,
        **_content(deal, contract, command, now),
    )
    if following:
        return (taken,)
    after = apply(deal, taken)
    return (taken, concluded(after, latest(after), now))


def _require_repeat(deal: Deal, contract: Contract, command: TakeStep, now: datetime) -> None:
    if command.step == SUPPLIER_OFFER:
        same = equivalents.repeats(contract, command.equivalents)
        require_repeat(same, equivalents.described(contract) or "no equivalents")
    elif command.step == BUYER_DRAFT:
        same = terms.repeats(deal, contract, command.terms, now) and equivalents.refused_alike(
            contract, command.refused
        )
        require_repeat(same, "; ".join(filter(None, (terms.described(contract), equivalents.described(contract)))))
    else:
        require_version(contract, command.version)  # the one that was signed
        require_repeat(contract.security == command.security, security.described(contract))


def _content(deal: Deal, contract: Contract, command: TakeStep, now: datetime) -> dict[str, Any]:
    """Return the fields of ContractStepTaken that only this step has."""
    if command.step == SUPPLIER_OFFER:
        return {"equivalents": equivalents.named(deal, contract, command.equivalents)}
    if command.step == BUYER_DRAFT:
        return {
            "equivalents": equivalents.answered(contract, command.refused),
            "terms": terms.drafted(deal, contract, command.terms, now),
            "left_out": terms.left_out(deal, command.terms, now),
        }
    return {"security": security.checked(deal, contract, command.security)}


def _extend(deal: Deal, command: Extend, now: datetime) -> tuple[StepExtended, ...]:
    contract = current(deal, command.contract_id)
    party = party_of(deal, contract, command.actor.organisation_id)
    require_side(command.step, party)
    require_running(contract, now)
    require_step(contract, command.step)
    if contract.step_extended:
        return ()
    assert contract.due_at is not None, "a running step has a deadline"
    return (
        StepExtended(
            process_id=deal.process_id,
            contract_id=contract.contract_id,
            step=command.step,
            party=party,
            member_id=command.actor.member_id,
            was_due_at=contract.due_at,
            due_at=extended_until(deal, contract, party),
        ),
    )


def _refuse(deal: Deal, command: Refuse, deciding: Deciding) -> tuple[Event, ...]:
    contract = current(deal, command.contract_id)
    party = party_of(deal, contract, command.organisation_id)
    ended = contract.ended
    if contract.ended_by == party and ended is None:  # a former release stored the end without its event
        return ()
    if contract.ended_by == party and ended is not None and ended.reason == "refused":
        require_version(contract, command.version)  # the one that was refused
        repeated = (command.ground, command.explanation.strip(), command.evidence.strip())
        first = (ended.ground, ended.explanation, ended.evidence)
        require_repeat(
            repeated == first, "; ".join(filter(None, (ended.ground_title, ended.explanation, ended.evidence)))
        )
        return ()
    require_running(contract, deciding.now)
    require_version(contract, command.version)
    return _end(deal, party, deciding, command)


def _lapse(deal: Deal, command: Lapse, deciding: Deciding) -> tuple[Event, ...]:
    contract = deal.contract
    if contract is None or contract.contract_id != command.contract_id:
        return ()
    if contract.step is None or contract.due_at is None or deciding.now < contract.due_at:
        return ()
    return _end(deal, PARTIES[contract.step], deciding)


def _activate(deal: Deal, command: ActivateNext, deciding: Deciding) -> tuple[Event, ...]:
    if command.organisation_id != deal.buyer_id:
        raise NotTheBuyer("Only the buyer may ask the next bidder.", field="organisation_id")
    if command.contract_id != latest(deal).contract_id:
        return ()
    bid = awaits_activation(deal, deciding.ranking)
    if bid is None:
        raise NobodyToActivate(
            "There is no bidder to ask: either the supplier has not ended the contract, or no bidder is left.",
            rank=latest(deal).rank,
            bids=len(deciding.ranking),
        )
    return offer_to(deal, bid, deciding)


def _end(deal: Deal, party: Party, deciding: Deciding, refusal: Refuse | None = None) -> tuple[Event, ...]:
    """Return the events with which the latest contract ends and the cascade continues: by the party's ``refusal``, or
    because the party did not take its step in time. Raise what :func:`refusals.ground_of` raises."""
    contract, rules = latest(deal), deal.policy.contract
    ground = ground_of(deal, party, refusal) if refusal else None
    punishable = party == "buyer" or contract.rank < rules.no_penalty_from_rank
    justified = ground is not None and ground.justified
    disputable = justified and punishable
    ended = ContractEnded(
        process_id=deal.process_id,
        contract_id=contract.contract_id,
        supplier_id=contract.supplier_id,
        buyer_id=deal.buyer_id,
        pool_id=deal.pool_id,
        reason="refused" if refusal else "lapsed",
        by=party,
        evasion=party == "supplier" and punishable and not justified,
        explanation=refusal.explanation.strip() if refusal else "",
        ground=ground.code if ground else "",
        ground_title=ground.title if ground else "",
        evidence=refusal.evidence.strip() if refusal else "",
        justified=justified,
        dispute_until=deal.policy.due(deciding.now, rules.dispute_days, deal.calendar) if disputable else None,
    )
    return (ended, *cascade(deal, party, deciding))
