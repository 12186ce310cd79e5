"""Makes OCDS releases with the ``implementation`` of a contract, from the events of its carrying out. Pure, like
:mod:`outgoing`.

An order is a delivery milestone, an invoice is a payment milestone, and a received payment is a transaction. Texts of
the two sides (notes, reasons, invoice numbers) are not published. In OCDS a closed contract is ``terminated``, as is
one that was ended early.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import get_args

from events.codec import Event
from events.contracts import (
    ContractClosed,
    DeliveryAssessed,
    ExecutionOverdue,
    ExecutionWithdrawn,
    InvoiceSettled,
    InvoiceSubmitted,
    OrderPlaced,
)
from services.transparency.ocds.outgoing import Known, known_contract, release_of
from services.transparency.ocds.parts import Json, Parties, date, filled, value

CarriedOut = (
    OrderPlaced
    | DeliveryAssessed
    | InvoiceSubmitted
    | InvoiceSettled
    | ExecutionOverdue
    | ExecutionWithdrawn
    | ContractClosed
)
CARRIED_OUT: tuple[type[Event], ...] = get_args(CarriedOut)
"""The events that lead to a release."""
ENDS = {"fulfilled": "everything was accepted and paid", "agreement": "closed by agreement of both sides"}


def sides_of(event: Event) -> set[str]:
    """The two sides whose data the release of this event shows."""
    return {event.buyer_id, event.supplier_id} if isinstance(event, InvoiceSettled) else set()


def carried_out(event: CarriedOut, at: datetime, known: Known, history: Sequence[Json]) -> Json | None:
    """The release; None if this market published no such contract, or if the event is not about a milestone or
    transaction."""
    contract = known_contract(event.contract_id, history)
    if contract is None:
        return None
    parties = Parties(known)
    same = {"id": contract["id"], "awardID": contract["awardID"]}
    if isinstance(event, ContractClosed):
        closed = {**same, "status": "terminated", "description": ENDS[event.how]}
        return release_of(event.process_id, event, at, ["contractTermination"], parties, {"contracts": [closed]})
    before = _implementations(event, history)
    milestone = _milestone(event, at)
    if milestone is None:
        return None
    if milestone["status"] != "met" and any(
        each["id"] == milestone["id"] and "dateMet" in each for one in before for each in one.get("milestones", ())
    ):
        milestone["dateMet"] = (
            None  # so a merged record drops what a dispute set aside, and the next release knows that it was met
        )
    sections: Json = {"milestones": [milestone]}
    if isinstance(event, InvoiceSettled):
        sections["transactions"] = [_transaction(event, parties)]
    tag = "implementationUpdate" if before else "implementation"
    changed = {"contracts": [{**same, "implementation": sections}]}
    return release_of(event.process_id, event, at, [tag], parties, changed)


def _implementations(event: CarriedOut, history: Sequence[Json]) -> list[Json]:
    return [
        contract["implementation"]
        for release in history
        for contract in release.get("contracts", ())
        if contract["id"] == event.contract_id and "implementation" in contract
    ]


def _milestone(event: CarriedOut, at: datetime) -> Json | None:
    """The milestone of the order or the invoice in its current state; it has the number that the contract's page
    shows."""
    modified = date(at)
    match event:
        case OrderPlaced():
            return {
                "id": milestone_of(event),
                "title": f"Delivery of order {event.order}",
                "type": "delivery",
                "dueDate": date(event.due_at),
                "dateModified": modified,
                "status": "scheduled",
            }
        case DeliveryAssessed():
            status = "met" if event.order_met else "partiallyMet" if event.lines else "notMet"
            met = date(event.assessed_at) if event.order_met else None
            milestone = {"id": milestone_of(event), "dateMet": met, "dateModified": modified, "status": status}
            return filled(milestone)
        case InvoiceSubmitted():
            return {
                "id": milestone_of(event),
                "title": f"Payment of invoice {event.invoice}",
                "type": "payment",
                "dueDate": date(event.due_at),
                "dateModified": modified,
                "status": "scheduled",
            }
        case InvoiceSettled():
            met = date(event.settled_at)
            return {"id": milestone_of(event), "dateMet": met, "dateModified": modified, "status": "met"}
        case ExecutionOverdue(about="order" | "invoice"):
            return {"id": milestone_of(event), "dateModified": modified, "status": "notMet"}
        case ExecutionWithdrawn(about="order" | "invoice"):
            why = "set aside by a dispute" if event.by == "dispute" else f"withdrawn by the {event.by}"
            return {
                "id": milestone_of(event),
                "description": why,
                "dateModified": modified,
                "status": "notMet",
            }
    return None


def milestone_of(event: CarriedOut) -> str:
    """The id of the milestone that the event is about, "" for none."""
    match event:
        case OrderPlaced() | DeliveryAssessed():
            return f"order-{event.order}"
        case InvoiceSubmitted() | InvoiceSettled():
            return f"invoice-{event.invoice}"
        case ExecutionOverdue(about="order" | "invoice") | ExecutionWithdrawn(about="order" | "invoice"):
            return f"{event.about}-{event.number}"
    return ""


def _transaction(event: InvoiceSettled, parties: Parties) -> Json:
    return {
        "id": f"invoice-{event.invoice}",
        "date": date(event.settled_at),
        "value": value(event.amount, event.currency),
        "payer": parties.refer(event.buyer_id, "", "buyer", "payer"),
        "payee": parties.refer(event.supplier_id, "", "payee", "supplier"),
    }
