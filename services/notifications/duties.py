"""What waits for an organisation on its contracts is told by mail at once: a step that is not taken in time has consequences.

What a side does takes back the letters about it that did not go out yet; so does its deadline.
"""

from datetime import datetime
from typing import NamedTuple, get_args

from events import Event
from events.contracts import (
    CascadeAwaitsBuyer,
    ContractConcluded,
    ContractDrafted,
    ContractEnded,
    ContractStepTaken,
    DeliveryAssessed,
    DeliveryReported,
    DisputeAnswered,
    DisputeEnded,
    DisputeOpened,
    EndingAnswered,
    EndingProposed,
    ExecutionWithdrawn,
    InvoicePaid,
    InvoiceSettled,
    InvoiceSubmitted,
    ObjectionAnswered,
    ObjectionFiled,
    OrderPlaced,
    PurchaseAnswered,
    PurchaseRequested,
)
from infra.database import Transaction
from infra.ids import derive_id
from infra.reactions import Reactions
from infra.tokens import BUYER_OFFICER, SUPPLIER_AGENT
from services.notifications import store
from services.notifications.domain import Duty, spoken
from services.notifications.letters import DutyLetter
from services.notifications.store import queue

ROLES = {"supplier": SUPPLIER_AGENT, "buyer": BUYER_OFFICER}
OTHER = {"supplier": "buyer", "buyer": "supplier"}
STEPS = {
    "supplier-offer": "supplier",
    "buyer-draft": "buyer",
    "buyer-answer": "buyer",
    "supplier-signature": "supplier",
}
FORMS = {"order": "deliver", "delivery": "assess", "invoice": "pay"}
"""By what was said: the form by which the other side acts on it, on the contract's page."""


OnContract = (
    (ContractDrafted | ContractStepTaken | ObjectionFiled | ObjectionAnswered | CascadeAwaitsBuyer)
    | (ContractConcluded | ContractEnded)
    | (OrderPlaced | DeliveryReported | DeliveryAssessed | InvoiceSubmitted | InvoicePaid | InvoiceSettled)
    | (ExecutionWithdrawn | DisputeOpened | DisputeAnswered | DisputeEnded | EndingProposed | EndingAnswered)
)
ON_CONTRACTS: tuple[type[Event], ...] = get_args(OnContract)


class Asked(NamedTuple):
    """``form`` is where on the contract's page it is done, "" for its head."""

    party: str
    what: str
    due_at: datetime | None
    form: str = ""


def asked(event: Event) -> Asked | None:
    """What somebody has to do now."""
    match event:
        case ContractDrafted():
            return Asked(STEPS[event.step], event.step, event.due_at)
        case ContractStepTaken() if event.next_step is not None:
            return Asked(STEPS[event.next_step], event.next_step, event.due_at)
        case ObjectionFiled():
            return Asked("buyer", "buyer-answer", event.due_at)
        case ObjectionAnswered():
            return Asked("supplier", "supplier-signature", event.due_at)
        case CascadeAwaitsBuyer():
            return Asked("buyer", "next-bidder", None)
        case OrderPlaced():
            return Asked("supplier", "deliver", event.due_at, f"deliver-{event.order}")
        case DeliveryReported():
            return Asked("buyer", "assess", event.due_at, f"assess-{event.delivery}")
        case InvoiceSubmitted():
            return Asked("buyer", "pay", event.due_at, f"pay-{event.invoice}")
        case InvoicePaid():
            return Asked("supplier", "confirm", event.due_at, f"confirm-{event.invoice}")
        case DisputeOpened():
            return Asked(OTHER[event.by], "answer-dispute", event.answer_by, f"answer-{event.dispute}")
        case EndingProposed():
            return Asked(OTHER[event.by], "answer-ending", event.due_at, "end-answer")
    return None


def done(event: Event) -> tuple[str, ...]:
    """The forms that are not waited for any more."""
    match event:
        case ContractStepTaken() | ObjectionFiled() | ObjectionAnswered() | ContractConcluded() | ContractEnded():
            return ("",)
        case DeliveryAssessed():
            return (f"assess-{event.delivery}",)
        case InvoicePaid():
            return (f"pay-{event.invoice}",)
        case InvoiceSettled():
            return (f"pay-{event.invoice}", f"confirm-{event.invoice}")
        case DisputeAnswered() | DisputeEnded():
            return (f"answer-{event.dispute}",)
        case EndingAnswered():
            return ("end-answer",)
        case ExecutionWithdrawn():
            return (f"{FORMS[event.about]}-{event.number}",)
    return ()


def page_of(contract_id: str, form: str = "") -> str:
    return f"/contracts/{contract_id}" + (f"#{form}" if form else "")


async def tell(tx: Transaction, duty: Duty) -> None:
    """Claim a letter for every member who may do it and wants such letters; told again, nothing more is claimed."""
    organisation = await store.organisations.get(await tx.raw(), duty.organisation_id)
    if organisation is None or not duty.stands(tx.now):
        return
    slot = f"{duty.what}{duty.path}/{duty.due_at.isoformat() if duty.due_at else ''}"
    for member in await store.members_of(tx, duty.organisation_id, ROLES[duty.party]):
        if member.stopped is None and DutyLetter.topic in member.preferences.topics:
            letter = DutyLetter(
                letter_id=derive_id("duty", member.member_id, slot),
                member_id=member.member_id,
                organisation_id=member.organisation_id,
                name=member.name,
                organisation=organisation.name,
                email=member.email,
                language=spoken(member.language),
                zone=organisation.time_zone,
                claimed_at=tx.now.replace(microsecond=0),
                duty=duty,
            )
            await queue.add_letter(tx, letter, slot)


reactions = Reactions()


@reactions.on(*ON_CONTRACTS)
async def tell_of_contract(tx: Transaction, event: OnContract) -> None:
    """Of a contract that was not heard of nothing can be told."""
    if isinstance(event, ContractDrafted):
        await store.put_contract(tx, event)
    for form in done(event):
        await queue.no_more_about(tx, page_of(event.contract_id, form))
    wanted, contract = asked(event), await store.contract(tx, event.contract_id)
    if wanted is None or contract is None:
        return
    sides = {
        "buyer": (contract.buyer_id, contract.buyer_name),
        "supplier": (contract.supplier_id, contract.supplier_name),
    }
    await tell(
        tx,
        Duty(
            party=wanted.party,
            what=wanted.what,
            organisation_id=sides[wanted.party][0],
            partner=sides[OTHER[wanted.party]][1],
            cause=sides[OTHER[wanted.party]][0],
            title=contract.title,
            path=page_of(event.contract_id, wanted.form),
            due_at=wanted.due_at,
        ),
    )


@reactions.on(PurchaseRequested)
async def tell_of_request(tx: Transaction, event: PurchaseRequested) -> None:
    duty = Duty(
        party="supplier",
        what="purchase-request",
        organisation_id=event.supplier_id,
        partner=event.buyer_name,
        cause=event.buyer_id,
        title=event.title,
        path=f"/contracts/purchases/{event.process_id}",
        due_at=event.due_at,
    )
    await tell(tx, duty)


@reactions.on(PurchaseAnswered)
async def forget_request(tx: Transaction, event: PurchaseAnswered) -> None:
    await queue.no_more_about(tx, f"/contracts/purchases/{event.process_id}")
