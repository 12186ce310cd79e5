"""A deal: the purchase of one buyer in one process, offered to one supplier after another until one signs.

See docs/rules.md section 4. The winner signs the generated offer, the buyer sends the draft, the supplier signs, or
objects to the draft's terms and signs once the buyer has answered. Each step ends after some working days, and each
side may take more time once. If the supplier refuses or lets a step lapse, the cascade offers the same lines to the
next-lowest bidder at its own price, with new deadlines. From a rank of the policy on it does so only if the buyer asks
for it, and then a refusal has no penalty. A pool has one deal for each member (section 5). A direct purchase is a deal
without a cascade, whose supplier has already agreed. After a quick quote, whose winner the buyer chose, every further
supplier is asked only if the buyer wants it. A buyer that does not sign ends the deal.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import structs

from catalogue.actors import Party
from catalogue.calendar import RegionCalendar
from catalogue.policy import Policy
from events import Event
from events.contracts import (
    AwardMade,
    CascadeAwaitsBuyer,
    ContractConcluded,
    ContractDrafted,
    ContractEnded,
    ContractStepTaken,
    Equivalent,
    ObjectionAnswered,
    ObjectionFiled,
    Point,
    PointAnswer,
    Security,
    StepExtended,
    Term,
)
from events.values import Category, Line, Place
from services.contracts.domain.deciding import Deciding, RankedBid

SecurityKind = Literal["bank-guarantee", "deposit"]

SUPPLIER_OFFER, BUYER_DRAFT, SUPPLIER_SIGNATURE = "supplier-offer", "buyer-draft", "supplier-signature"
BUYER_ANSWER = "buyer-answer"
"""The buyer's answer to a protocol of disagreement. It is in none of FLOWS, because it happens only if the supplier objects."""
FLOWS = {
    "auction": (SUPPLIER_OFFER, BUYER_DRAFT, SUPPLIER_SIGNATURE),
    "pool": (SUPPLIER_OFFER, BUYER_DRAFT, SUPPLIER_SIGNATURE),
    "quote": (SUPPLIER_OFFER, BUYER_DRAFT, SUPPLIER_SIGNATURE),
    "purchase": (BUYER_DRAFT, SUPPLIER_SIGNATURE),
}
METHODS = {"auction": "open", "pool": "open", "quote": "open", "purchase": "direct"}
"""OCDS ``method`` codes by origin."""
PARTIES: dict[str, Party] = {
    SUPPLIER_OFFER: "supplier",
    BUYER_DRAFT: "buyer",
    SUPPLIER_SIGNATURE: "supplier",
    BUYER_ANSWER: "buyer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The deal as offered to one supplier. ``step`` and ``due_at`` are None when it is over. ``ended_by`` is the party that ended it,
    ``ended`` the event that did (also None if a former release stored only the party).

    ``version`` is the draft's, 0 before there is one; ``drafted`` are the terms of its first version, and ``left_out`` the codes of the
    terms that the buyer did not write (None if a former release stored it). ``objections`` counts the protocols of disagreement;
    ``points`` are those of the last one, ``answers`` the buyer's, empty until they come. ``extensions`` lists the side of every
    extension; ``step_extended`` says whether the running step was extended."""

    contract_id: str
    award_id: str
    supplier_id: str
    supplier_name: str
    rank: int
    amount: Decimal
    lines: tuple[Line, ...]
    step: str | None
    due_at: datetime | None
    taken: tuple[str, ...] = ()
    state: Literal["running", "concluded", "ended"] = "running"
    ended_by: str = ""
    ended: ContractEnded | None = None
    version: int = 0
    terms: tuple[Term, ...] = ()
    drafted: tuple[Term, ...] = ()
    left_out: tuple[str, ...] | None = None
    equivalents: tuple[Equivalent, ...] = ()
    security: Security | None = None
    objections: int = 0
    points: tuple[Point, ...] = ()
    answers: tuple[PointAnswer, ...] = ()
    extensions: tuple[Party, ...] = ()
    step_extended: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """A process and a buyer identify the deal. ``lines`` hold the amounts by which a new total is divided among the
    lines (initial prices of an auction, the allocation of a pool); ``amount`` is the price of rank 1. ``awarded_at``
    and ``contract`` are the latest. ``next_rank`` is set while the cascade waits for the buyer. ``kind`` is goods,
    works or services, or "" if it is not known."""

    process_id: str
    origin: str
    pool_id: str | None = None
    buyer_id: str
    buyer_name: str
    title: str
    category: Category | None
    place: Place
    currency: str
    amount: Decimal
    lines: tuple[Line, ...]
    policy: Policy
    calendar: RegionCalendar
    awarded_at: datetime | None = None
    contract: Contract | None = None
    next_rank: int | None = None
    kind: str = ""
    equivalents_allowed: bool = False


def apply(deal: Deal, event: Event) -> Deal:
    """Return the deal after the event. Raise TypeError for an event that no deal has."""
    match event:
        case AwardMade():
            return deal if event.cancelled else replace(deal, awarded_at=event.awarded_at)
        case CascadeAwaitsBuyer():
            return replace(deal, next_rank=event.next_rank)
        case ContractDrafted():
            return replace(
                deal,
                next_rank=None,
                contract=Contract(
                    contract_id=event.contract_id,
                    award_id=event.award_id,
                    supplier_id=event.supplier_id,
                    supplier_name=event.supplier_name,
                    rank=event.rank,
                    amount=event.amount,
                    lines=event.lines,
                    step=event.step,
                    due_at=event.due_at,
                ),
            )
        case ContractStepTaken():
            return replace(deal, contract=_stepped(latest(deal), event))
        case StepExtended():
            contract = latest(deal)
            extensions = (*contract.extensions, PARTIES[event.step])
            return replace(
                deal, contract=replace(contract, due_at=event.due_at, extensions=extensions, step_extended=True)
            )
        case ObjectionFiled():
            objecting = replace(latest(deal), objections=event.number, points=event.points, answers=())
            return replace(deal, contract=_at(objecting, BUYER_ANSWER, event.due_at))
        case ObjectionAnswered():
            answered = replace(latest(deal), answers=event.answers, version=event.version, terms=event.terms)
            return replace(deal, contract=_at(answered, SUPPLIER_SIGNATURE, event.due_at))
        case ContractConcluded():
            return replace(deal, contract=replace(latest(deal), state="concluded"))
        case ContractEnded():
            return replace(
                deal,
                contract=replace(latest(deal), state="ended", ended_by=event.by, ended=event, step=None, due_at=None),
            )
    raise TypeError(f"{type(event).__name__} does not happen to a deal")


def _at(contract: Contract, step: str | None, due_at: datetime | None) -> Contract:
    return replace(contract, step=step, due_at=due_at, step_extended=False)


def _stepped(contract: Contract, event: ContractStepTaken) -> Contract:
    after = _at(replace(contract, taken=(*contract.taken, event.step)), event.next_step, event.due_at)
    if event.step == SUPPLIER_OFFER:
        return replace(after, equivalents=event.equivalents)
    if event.step == BUYER_DRAFT:
        return replace(
            after,
            version=1,
            terms=event.terms,
            drafted=event.terms,
            left_out=event.left_out,
            equivalents=event.equivalents,
        )
    return replace(after, security=event.security)


def offer(deal: Deal, bid: RankedBid, deciding: Deciding) -> tuple[AwardMade, ContractDrafted]:
    """Return the events that offer the deal to this bidder, for the amount and the lines of its bid, with new
    deadlines."""
    step, rank, now = FLOWS[deal.origin][0], str(bid.rank), deciding.now
    draft = ContractDrafted(
        process_id=deal.process_id,
        contract_id=deciding.derive_id("contract", deal.process_id, deal.buyer_id, rank),
        award_id=deciding.derive_id("award", deal.process_id, deal.buyer_id, rank),
        origin=deal.origin,
        pool_id=deal.pool_id,
        buyer_id=deal.buyer_id,
        buyer_name=deal.buyer_name,
        supplier_id=bid.supplier_id,
        supplier_name=bid.supplier_name,
        rank=bid.rank,
        title=deal.title,
        category=deal.category,
        place=deal.place,
        currency=deal.currency,
        amount=bid.amount,
        lines=bid.lines,
        step=step,
        due_at=due(deal, step, now, now),
        kind=deal.kind,
        security_due=security_due(deal, bid.amount),
        equivalents_allowed=deal.equivalents_allowed,
    )
    return (_award(deal, draft, now), draft)


def lost(deal: Deal) -> AwardMade:
    """Return the event that cancels the latest award, because its supplier left and another is asked."""
    assert deal.awarded_at is not None, "there is no contract without an award"
    return structs.replace(_award(deal, latest(deal), deal.awarded_at), cancelled=True)


def _award(deal: Deal, contract: Contract | ContractDrafted, awarded_at: datetime) -> AwardMade:
    return AwardMade(
        process_id=deal.process_id,
        award_id=contract.award_id,
        origin=deal.origin,
        buyer_id=deal.buyer_id,
        buyer_name=deal.buyer_name,
        supplier_ids=(contract.supplier_id,),
        supplier_names=(contract.supplier_name,),
        title=deal.title,
        category=deal.category,
        method=METHODS[deal.origin],
        place=deal.place,
        currency=deal.currency,
        amount=contract.amount,
        lines=contract.lines,
        awarded_at=awarded_at,
    )


def concluded(deal: Deal, contract: Contract, now: datetime) -> ContractConcluded:
    return ContractConcluded(
        process_id=deal.process_id,
        contract_id=contract.contract_id,
        award_id=contract.award_id,
        origin=deal.origin,
        pool_id=deal.pool_id,
        buyer_id=deal.buyer_id,
        buyer_name=deal.buyer_name,
        supplier_id=contract.supplier_id,
        supplier_name=contract.supplier_name,
        title=deal.title,
        category=deal.category,
        method=METHODS[deal.origin],
        place=deal.place,
        currency=deal.currency,
        amount=contract.amount,
        lines=contract.lines,
        signed_at=now,
        kind=deal.kind,
        terms=contract.terms,
        equivalents=tuple(each for each in contract.equivalents if not each.refused),
        security=contract.security,
    )


def security_due(deal: Deal, amount: Decimal) -> Decimal:
    """Return the least performance security for a contract of this amount, or 0 for none."""
    rules = deal.policy.contract.security
    return rules.due(deal.kind, amount) if rules is not None else Decimal(0)


def due(deal: Deal, step: str, now: datetime, awarded_at: datetime) -> datetime:
    whole = deal.policy.due(awarded_at, deal.policy.contract.total_days, deal.calendar)
    return min(deal.policy.due(now, step_days(deal, step), deal.calendar), whole)


def step_days(deal: Deal, step: str) -> int:
    """Return the working days that the policy gives a step."""
    rules = deal.policy.contract
    return {
        SUPPLIER_OFFER: rules.supplier_offer_days,
        BUYER_DRAFT: rules.buyer_draft_days,
        SUPPLIER_SIGNATURE: rules.supplier_signature_days,
        BUYER_ANSWER: rules.buyer_answer_days,
    }[step]


def total_end(deal: Deal) -> datetime:
    """Return the time at which every step of the latest award is over."""
    assert deal.awarded_at is not None, "there is no contract without an award"
    return deal.policy.due(deal.awarded_at, deal.policy.contract.total_days, deal.calendar)


def latest(deal: Deal) -> Contract:
    if deal.contract is None:
        raise ValueError(f"the deal of {deal.process_id} with {deal.buyer_id} was never awarded")
    return deal.contract
