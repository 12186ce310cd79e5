"""What waits for an organisation on its contracts is told by mail at once: a step that is not taken in time has consequences.

A duty that is done, or a contract that is over, takes back the letters that no sender has taken up yet; so does its deadline.
"""

from collections.abc import Mapping

from events import Event, Message
from events.contracts import (
    CascadeAwaitsBuyer,
    ContractConcluded,
    ContractDrafted,
    ContractEnded,
    ContractStepTaken,
    ObjectionAnswered,
    ObjectionFiled,
    PurchaseAnswered,
    PurchaseRequested,
)
from infra.database import Transaction
from infra.ids import derive_id
from infra.service import Handler
from infra.tokens import BUYER_OFFICER, SUPPLIER_AGENT
from services.notifications import store
from services.notifications.domain import NEXT_BIDDER, PARTIES, PURCHASE, Duty, spoken
from services.notifications.letters import DutyLetter

ROLES = {"supplier": SUPPLIER_AGENT, "buyer": BUYER_OFFICER}
Step = ContractStepTaken | ObjectionFiled | ObjectionAnswered | CascadeAwaitsBuyer


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
            await store.add_letter(tx, letter, slot)


def page_of(contract_id: str) -> str:
    return f"/contracts/{contract_id}"


async def on_drafted(tx: Transaction, message: Message) -> None:
    event = message.event
    assert isinstance(event, ContractDrafted)
    await store.put_contract(tx, event)
    await tell(
        tx,
        Duty(
            what=event.step,
            organisation_id=event.supplier_id,
            partner=event.buyer_name,
            title=event.title,
            path=page_of(event.contract_id),
            due_at=event.due_at,
        ),
    )


async def on_step(tx: Transaction, message: Message) -> None:
    """A side did its part, and the other, or nobody, is next. Of a contract not heard of nothing can be told."""
    event = message.event
    assert isinstance(event, Step)
    await store.no_more_about(tx, page_of(event.contract_id))
    contract = await store.contract(tx, event.contract_id)
    match event:
        case ContractStepTaken():
            what, due_at = event.next_step, event.due_at
        case ObjectionFiled():
            what, due_at = "buyer-answer", event.due_at
        case ObjectionAnswered():
            what, due_at = "supplier-signature", event.due_at
        case CascadeAwaitsBuyer():
            what, due_at = NEXT_BIDDER, None
    if contract is None or what is None:
        return
    buyer, supplier = (contract.buyer_id, contract.buyer_name), (contract.supplier_id, contract.supplier_name)
    (own_id, _), (_, partner) = (buyer, supplier) if PARTIES[what] == "buyer" else (supplier, buyer)
    await tell(
        tx,
        Duty(
            what=what,
            organisation_id=own_id,
            partner=partner,
            title=contract.title,
            path=page_of(event.contract_id),
            due_at=due_at,
        ),
    )


async def on_over(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, ContractConcluded | ContractEnded)
    await store.no_more_about(tx, page_of(message.event.contract_id))


async def on_requested(tx: Transaction, message: Message) -> None:
    event = message.event
    assert isinstance(event, PurchaseRequested)
    await tell(
        tx,
        Duty(
            what=PURCHASE,
            organisation_id=event.supplier_id,
            partner=event.buyer_name,
            title=event.title,
            path=f"/contracts/purchases/{event.process_id}",
            due_at=event.due_at,
        ),
    )


async def on_answered(tx: Transaction, message: Message) -> None:
    assert isinstance(message.event, PurchaseAnswered)
    await store.no_more_about(tx, f"/contracts/purchases/{message.event.process_id}")


HANDLERS: Mapping[type[Event], Handler] = {
    ContractDrafted: on_drafted,
    ContractStepTaken: on_step,
    ObjectionFiled: on_step,
    ObjectionAnswered: on_step,
    CascadeAwaitsBuyer: on_step,
    ContractConcluded: on_over,
    ContractEnded: on_over,
    PurchaseRequested: on_requested,
    PurchaseAnswered: on_answered,
}
