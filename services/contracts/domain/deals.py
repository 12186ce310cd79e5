"""A deal: what one buyer is to get out of one process, offered to one supplier after another until one signs.

DOMAIN section 4. The winner signs the generated offer, the buyer sends the draft, the supplier signs; each step ends after
some working days. Where the supplier refuses or lets a step lapse, the cascade offers the same lines to the next-lowest bidder at
its own price, with a fresh clock; from a rank of the policy on only when the buyer asks for it, and then a refusal has no
penalty. A pool is one deal for each member (section 5), a direct purchase a deal without a cascade, whose supplier has already
said yes; after a quick quote, whose winner the buyer chose, every further supplier is asked only when the buyer wants it. A
buyer who does not sign ends the deal.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Literal

from msgspec import structs

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
)
from events.values import Category, Line, Place

Party = Literal["buyer", "supplier"]
DeriveId = Callable[..., str]
"""The same parts (texts) always give the same id, so an event that comes twice makes the same contract."""

SUPPLIER_OFFER, BUYER_DRAFT, SUPPLIER_SIGNATURE = "supplier-offer", "buyer-draft", "supplier-signature"
FLOWS = {
    "auction": (SUPPLIER_OFFER, BUYER_DRAFT, SUPPLIER_SIGNATURE),
    "pool": (SUPPLIER_OFFER, BUYER_DRAFT, SUPPLIER_SIGNATURE),
    "quote": (SUPPLIER_OFFER, BUYER_DRAFT, SUPPLIER_SIGNATURE),
    "purchase": (BUYER_DRAFT, SUPPLIER_SIGNATURE),
}
METHODS = {"auction": "open", "pool": "open", "quote": "open", "purchase": "direct"}
"""OCDS ``method`` codes by origin."""
PARTIES: dict[str, Party] = {SUPPLIER_OFFER: "supplier", BUYER_DRAFT: "buyer", SUPPLIER_SIGNATURE: "supplier"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """The deal as offered to one supplier. ``step`` and ``due_at`` are None when it is over; ``ended_by`` says who ended it."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Deal:
    """Identified by process and buyer. ``lines`` carry the amounts that give each its share of a total (initial prices of
    an auction, the allocation of a pool); ``amount`` is the price of rank 1. ``awarded_at`` and ``contract`` are the latest;
    ``next_rank`` is set while the cascade waits for the buyer."""

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


def apply(deal: Deal, event: Event) -> Deal:
    """The deal after the event; TypeError for an event that no deal has."""
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
            taken = (*latest(deal).taken, event.step)
            return replace(deal, contract=replace(latest(deal), taken=taken, step=event.next_step, due_at=event.due_at))
        case ContractConcluded():
            return replace(deal, contract=replace(latest(deal), state="concluded"))
        case ContractEnded():
            return replace(
                deal, contract=replace(latest(deal), state="ended", ended_by=event.by, step=None, due_at=None)
            )
    raise TypeError(f"{type(event).__name__} does not happen to a deal")


def offer(
    deal: Deal,
    supplier_id: str,
    supplier_name: str,
    rank: int,
    amount: Decimal,
    lines: tuple[Line, ...],
    now: datetime,
    derive_id: DeriveId,
) -> tuple[AwardMade, ContractDrafted]:
    """The deal goes to this supplier, on a fresh clock."""
    step = FLOWS[deal.origin][0]
    award = _award(
        deal,
        derive_id("award", deal.process_id, deal.buyer_id, str(rank)),
        supplier_id,
        supplier_name,
        amount,
        lines,
        now,
    )
    draft = ContractDrafted(
        process_id=deal.process_id,
        contract_id=derive_id("contract", deal.process_id, deal.buyer_id, str(rank)),
        award_id=award.award_id,
        origin=deal.origin,
        pool_id=deal.pool_id,
        buyer_id=deal.buyer_id,
        buyer_name=deal.buyer_name,
        supplier_id=supplier_id,
        supplier_name=supplier_name,
        rank=rank,
        title=deal.title,
        category=deal.category,
        place=deal.place,
        currency=deal.currency,
        amount=amount,
        lines=lines,
        step=step,
        due_at=due(deal, step, now, now),
    )
    return (award, draft)


def lost(deal: Deal) -> AwardMade:
    """The latest award, cancelled: its supplier left, and another is asked."""
    contract = latest(deal)
    assert deal.awarded_at is not None, "there is no contract without an award"
    award = _award(
        deal,
        contract.award_id,
        contract.supplier_id,
        contract.supplier_name,
        contract.amount,
        contract.lines,
        deal.awarded_at,
    )
    return structs.replace(award, cancelled=True)


def _award(
    deal: Deal,
    award_id: str,
    supplier_id: str,
    supplier_name: str,
    amount: Decimal,
    lines: tuple[Line, ...],
    awarded_at: datetime,
) -> AwardMade:
    return AwardMade(
        process_id=deal.process_id,
        award_id=award_id,
        origin=deal.origin,
        buyer_id=deal.buyer_id,
        buyer_name=deal.buyer_name,
        supplier_ids=(supplier_id,),
        supplier_names=(supplier_name,),
        title=deal.title,
        category=deal.category,
        method=METHODS[deal.origin],
        place=deal.place,
        currency=deal.currency,
        amount=amount,
        lines=lines,
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
    )


def due(deal: Deal, step: str, now: datetime, awarded_at: datetime) -> datetime:
    rules = deal.policy.contract
    days = {
        SUPPLIER_OFFER: rules.supplier_offer_days,
        BUYER_DRAFT: rules.buyer_draft_days,
        SUPPLIER_SIGNATURE: rules.supplier_signature_days,
    }[step]
    return min(deal.policy.due(now, days, deal.calendar), deal.policy.due(awarded_at, rules.total_days, deal.calendar))


def latest(deal: Deal) -> Contract:
    if deal.contract is None:
        raise ValueError(f"the deal of {deal.process_id} with {deal.buyer_id} was never awarded")
    return deal.contract
