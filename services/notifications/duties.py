"""Letters about the duties of an organisation on its contracts are sent at once, because a missed deadline has
consequences.

When a side has done its duty, or its deadline has passed, letters about it that were not sent yet are withdrawn.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import chain, islice
from typing import NamedTuple, get_args

from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from events import Event
from events.accounts import OrganisationRegistered
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
from services.notifications import store
from services.notifications.domain import LetterDuty, spoken
from services.notifications.letters import DutyLetter
from services.notifications.store import LetterReader, claiming, queue

ROLES = {"supplier": SUPPLIER_AGENT, "buyer": BUYER_OFFICER}
MOST_TOLD = 50
"""The most members of an organisation who get a letter about one duty: the first who may do it and want such letters,
always the same ones. The others see the duty on their pages."""
PORTION = 1000
"""The most letters in one statement."""
OTHER = {"supplier": "buyer", "buyer": "supplier"}
STEPS = {
    "supplier-offer": "supplier",
    "buyer-draft": "buyer",
    "buyer-answer": "buyer",
    "supplier-signature": "supplier",
}
FORMS = {"order": "deliver", "delivery": "assess", "invoice": "pay"}
"""The form with which the other side acts, by event."""


OnContract = (
    (ContractDrafted | ContractStepTaken | ObjectionFiled | ObjectionAnswered | CascadeAwaitsBuyer)
    | (ContractConcluded | ContractEnded)
    | (OrderPlaced | DeliveryReported | DeliveryAssessed | InvoiceSubmitted | InvoicePaid | InvoiceSettled)
    | (ExecutionWithdrawn | DisputeOpened | DisputeAnswered | DisputeEnded | EndingProposed | EndingAnswered)
)
ON_CONTRACTS: tuple[type[OnContract], ...] = get_args(OnContract)


class NewDuty(NamedTuple):
    """A duty that follows from an event. ``form`` is the form for it while a contract is carried out, "" before
    that."""

    party: str
    what: str
    due_at: datetime | None
    form: str = ""


def asked(event: Event) -> NewDuty | None:
    """The duties that follow from the event."""
    match event:
        case ContractDrafted():
            return NewDuty(STEPS[event.step], event.step, event.due_at)
        case ContractStepTaken() if event.next_step is not None:
            return NewDuty(STEPS[event.next_step], event.next_step, event.due_at)
        case ObjectionFiled():
            return NewDuty("buyer", "buyer-answer", event.due_at)
        case ObjectionAnswered():
            return NewDuty("supplier", "supplier-signature", event.due_at)
        case CascadeAwaitsBuyer():
            return NewDuty("buyer", "next-bidder", None)
        case OrderPlaced():
            return NewDuty("supplier", "deliver", event.due_at, f"deliver-{event.order}")
        case DeliveryReported():
            return NewDuty("buyer", "assess", event.due_at, f"assess-{event.delivery}")
        case InvoiceSubmitted():
            return NewDuty("buyer", "pay", event.due_at, f"pay-{event.invoice}")
        case InvoicePaid():
            return NewDuty("supplier", "confirm", event.due_at, f"confirm-{event.invoice}")
        case DisputeOpened():
            return NewDuty(OTHER[event.by], "answer-dispute", event.answer_by, f"answer-{event.dispute}")
        case EndingProposed():
            return NewDuty(OTHER[event.by], "answer-ending", event.due_at, "end-answer")
    return None


def done(event: Event) -> tuple[str, ...]:
    """The forms of duties that the event ends."""
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


async def tell(tx: Transaction, duties: Iterable[LetterDuty]) -> None:
    """Claim letters for members who may do it and want such letters, at most MOST_TOLD for each duty; a repeat claims
    nothing more. The number of statements depends on the portions of letters, not on the number of members or
    duties."""
    standing = [duty for duty in duties if duty.stands(tx.now)]
    sides = {(duty.organisation_id, ROLES[duty.party]) for duty in standing}
    organisations = await store.organisations.get_all(await tx.raw(), {organisation_id for organisation_id, _ in sides})
    readers = await store.readers_of(tx, sides, DutyLetter.topic, MOST_TOLD)
    made = (
        _letter(duty, reader, organisation, tx.now)
        for duty in standing
        if (organisation := organisations.get(duty.organisation_id)) is not None
        for reader in readers.get((duty.organisation_id, ROLES[duty.party]), ())
    )
    while portion := list(islice(made, PORTION)):
        await claiming.add_letters(tx, portion)


def _letter(
    duty: LetterDuty, reader: LetterReader, organisation: OrganisationRegistered, now: datetime
) -> claiming.Claim:
    slot = f"{duty.what}{duty.path}/{duty.due_at.isoformat() if duty.due_at else ''}"
    letter = DutyLetter(
        letter_id=derive_id("duty", reader.member_id, slot),
        member_id=reader.member_id,
        organisation_id=duty.organisation_id,
        name=reader.name,
        organisation=organisation.name,
        email=reader.email,
        language=spoken(reader.language),
        zone=organisation.time_zone,
        claimed_at=now.replace(microsecond=0),
        duty=duty,
    )
    return letter, slot


reactions = Reactions()


async def tell_of_contracts(tx: Transaction, events: Sequence[OnContract]) -> None:
    """Claim letters for the events of contracts. For an unknown contract there are no letters. A duty that a later one
    of these events ends gets no letter."""
    if drafted := [event for event in events if isinstance(event, ContractDrafted)]:
        await store.put_contracts(tx, drafted)
    known = await store.contracts(tx, {event.contract_id for event in events})
    over: set[str] = set()
    told: dict[str, list[LetterDuty]] = {}
    for event in events:
        for form in done(event):
            over.add(path := page_of(event.contract_id, form))
            told.pop(path, None)
        wanted, contract = asked(event), known.get(event.contract_id)
        if wanted is not None and contract is not None:
            duty = _duty(wanted, contract)
            told.setdefault(duty.path, []).append(duty)
    if over:
        await queue.cancel_about(tx, over)
    await tell(tx, chain.from_iterable(told.values()))


for kind in ON_CONTRACTS:
    reactions.many(kind, tell_of_contracts)


def _duty(wanted: NewDuty, contract: store.ContractRow) -> LetterDuty:
    sides = {
        "buyer": (contract.buyer_id, contract.buyer_name),
        "supplier": (contract.supplier_id, contract.supplier_name),
    }
    return LetterDuty(
        party=wanted.party,
        what=wanted.what,
        organisation_id=sides[wanted.party][0],
        partner=sides[OTHER[wanted.party]][1],
        cause=sides[OTHER[wanted.party]][0],
        title=contract.title,
        path=page_of(contract.contract_id, wanted.form),
        due_at=wanted.due_at,
    )


async def tell_of_requests(tx: Transaction, events: Sequence[PurchaseRequested]) -> None:
    duties = (
        LetterDuty(
            party="supplier",
            what="purchase-request",
            organisation_id=event.supplier_id,
            partner=event.buyer_name,
            cause=event.buyer_id,
            title=event.title,
            path=f"/contracts/purchases/{event.process_id}",
            due_at=event.due_at,
        )
        for event in events
    )
    await tell(tx, duties)


async def forget_requests(tx: Transaction, events: Sequence[PurchaseAnswered]) -> None:
    await queue.cancel_about(tx, [f"/contracts/purchases/{event.process_id}" for event in events])


reactions.many(PurchaseRequested, tell_of_requests)
reactions.many(PurchaseAnswered, forget_requests)
