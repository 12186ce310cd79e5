"""Signing: each side does its part in order and in time, or the deal ends or goes on to the next bidder (DOMAIN section 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from catalogue.rules import RuleBroken
from events import Event
from events.contracts import CascadeAwaitsBuyer, ContractEnded, ContractStepTaken
from events.values import Line
from services.contracts.domain.cascade import RankedBid, awaits_activation, next_bid, offer_to
from services.contracts.domain.deals import (
    FLOWS,
    PARTIES,
    Contract,
    Deal,
    DeriveId,
    Party,
    concluded,
    due,
    latest,
    offer,
)


class NotAParty(RuleBroken):
    code = "not-a-party"


class StepOfOtherParty(RuleBroken):
    code = "step-of-other-party"


class StepOutOfOrder(RuleBroken):
    code = "step-out-of-order"


class StepOverdue(RuleBroken):
    code = "step-overdue"


class ContractOver(RuleBroken):
    """It is concluded, has ended, or another supplier was asked since."""

    code = "contract-over"


class RefusalUnexplained(RuleBroken):
    code = "refusal-unexplained"


class NobodyToActivate(RuleBroken):
    """The buyer may bring in the next bidder only where the supplier left and the cascade waits for the buyer."""

    code = "nobody-to-activate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Award:
    """Offer the deal to the lowest bidder, at the deal's amount. ``lines`` are priced."""

    supplier_id: str
    supplier_name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeStep:
    contract_id: str
    step: str
    organisation_id: str
    member_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    contract_id: str
    organisation_id: str
    explanation: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """The timer's word that a step may be over."""

    contract_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivateNext:
    """The buyer asks the next bidder, after ``contract_id`` ended."""

    contract_id: str
    organisation_id: str


Command = Award | TakeStep | Refuse | Lapse | ActivateNext


def decide(
    deal: Deal, command: Command, now: datetime, *, derive_id: DeriveId, ranking: Sequence[RankedBid] = ()
) -> tuple[Event, ...]:
    """What happens; nothing where the command repeats what was done already. Raises a RuleBroken of this module.

    ``ranking`` holds every bid of the process and is needed where a contract may end or the next bidder be activated.
    """
    match command:
        case Award():
            return _award(deal, command, now, derive_id)
        case TakeStep():
            return _take_step(deal, command, now)
        case Refuse():
            return _refuse(deal, command, now, ranking, derive_id)
        case Lapse():
            return _lapse(deal, command, now, ranking, derive_id)
        case ActivateNext():
            return _activate(deal, command, now, ranking, derive_id)


def _award(deal: Deal, command: Award, now: datetime, derive_id: DeriveId) -> tuple[Event, ...]:
    if deal.contract is not None:
        return ()
    return offer(deal, command.supplier_id, command.supplier_name, 1, deal.amount, command.lines, now, derive_id)


def _take_step(deal: Deal, command: TakeStep, now: datetime) -> tuple[Event, ...]:
    flow = FLOWS[deal.origin]
    contract = _current(deal, command.contract_id)
    party = _party(deal, contract, command.organisation_id)
    if command.step not in flow:
        raise StepOutOfOrder(f"{command.step!r} is no step of this contract.", field="step", step=command.step)
    if PARTIES[command.step] != party:
        raise StepOfOtherParty(
            f"The step {command.step} is the {PARTIES[command.step]}'s, not the {party}'s.", party=party
        )
    if command.step in contract.taken:
        return ()
    _require_running(contract, now)
    if command.step != contract.step:
        raise StepOutOfOrder(
            f"The step {command.step} comes after {contract.step}.", field="step", step=command.step, due=contract.step
        )
    following = flow[len(contract.taken) + 1 :]
    taken = ContractStepTaken(
        process_id=deal.process_id,
        contract_id=contract.contract_id,
        step=command.step,
        party=party,
        member_id=command.member_id,
        next_step=following[0] if following else None,
        due_at=due(deal, following[0], now, deal.awarded_at or now) if following else None,
    )
    return (taken,) if following else (taken, concluded(deal, contract, now))


def _refuse(
    deal: Deal, command: Refuse, now: datetime, ranking: Sequence[RankedBid], derive_id: DeriveId
) -> tuple[Event, ...]:
    contract = _current(deal, command.contract_id)
    party = _party(deal, contract, command.organisation_id)
    if contract.ended_by == party:
        return ()
    _require_running(contract, now)
    if not command.explanation.strip():
        raise RefusalUnexplained("A refusal says why.", field="explanation")
    return _end(deal, contract, "refused", party, command.explanation, now, ranking, derive_id)


def _lapse(
    deal: Deal, command: Lapse, now: datetime, ranking: Sequence[RankedBid], derive_id: DeriveId
) -> tuple[Event, ...]:
    contract = deal.contract
    if contract is None or contract.contract_id != command.contract_id:
        return ()
    if contract.step is None or contract.due_at is None or now < contract.due_at:
        return ()
    return _end(deal, contract, "lapsed", PARTIES[contract.step], "", now, ranking, derive_id)


def _activate(
    deal: Deal, command: ActivateNext, now: datetime, ranking: Sequence[RankedBid], derive_id: DeriveId
) -> tuple[Event, ...]:
    if command.organisation_id != deal.buyer_id:
        raise NotAParty("Only the buyer brings in the next bidder.", field="organisation_id")
    if command.contract_id != latest(deal).contract_id:
        return ()
    bid = awaits_activation(deal, ranking)
    if bid is None:
        raise NobodyToActivate(
            "There is no bidder to bring in: either the contract has not ended by its supplier, or no one is left.",
            rank=latest(deal).rank,
            bids=len(ranking),
        )
    return offer_to(deal, bid, ranking, now, derive_id)


def _end(
    deal: Deal,
    contract: Contract,
    reason: str,
    party: Party,
    explanation: str,
    now: datetime,
    ranking: Sequence[RankedBid],
    derive_id: DeriveId,
) -> tuple[Event, ...]:
    rules = deal.policy.contract
    ended = ContractEnded(
        process_id=deal.process_id,
        contract_id=contract.contract_id,
        supplier_id=contract.supplier_id,
        buyer_id=deal.buyer_id,
        pool_id=deal.pool_id,
        reason=reason,
        by=party,
        evasion=party == "supplier" and contract.rank < rules.no_penalty_from_rank,
        explanation=explanation,
    )
    bid = next_bid(deal, ranking) if party == "supplier" else None
    if bid is None:
        return (ended,)
    if deal.origin == "quote" or bid.rank >= rules.buyer_activates_from_rank:
        awaits = CascadeAwaitsBuyer(
            process_id=deal.process_id,
            contract_id=contract.contract_id,
            pool_id=deal.pool_id,
            buyer_id=deal.buyer_id,
            next_rank=bid.rank,
        )
        return (ended, awaits)
    return (ended, *offer_to(deal, bid, ranking, now, derive_id))


def _current(deal: Deal, contract_id: str) -> Contract:
    contract = latest(deal)
    if contract.contract_id != contract_id:
        raise ContractOver("This contract has ended and the next bidder was asked.", state="ended", rank=contract.rank)
    return contract


def _party(deal: Deal, contract: Contract, organisation_id: str) -> Party:
    if organisation_id == deal.buyer_id:
        return "buyer"
    if organisation_id == contract.supplier_id:
        return "supplier"
    raise NotAParty(
        "Your organisation is neither the buyer nor the supplier of this contract.", field="organisation_id"
    )


def _require_running(contract: Contract, now: datetime) -> None:
    if contract.due_at is None:
        raise ContractOver(f"This contract is {contract.state} already.", state=contract.state)
    if now >= contract.due_at:
        raise StepOverdue(
            f"The step {contract.step} was due by {contract.due_at}; it is {now}.", due_at=contract.due_at, now=now
        )
