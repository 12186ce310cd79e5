"""The public record of an organisation: what became of its contracts, as facts that are each counted once (docs/rules.md section 4).

Only what happened after a process closed is in it, and only about who was asked to sign: whoever bid and lost stays unnamed.
Contracts of other markets, known from imports, are not counted.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from events import Event
from events.contracts import ContractConcluded, ContractEnded, RefusalDisputeDecided
from services.contracts.domain.deals import Party
from services.contracts.domain.sanctions import breach_of

Kind = Literal["concluded", "terminated", "evaded", "refused"]
KINDS: dict[Party, tuple[Kind, ...]] = {
    "supplier": ("concluded", "terminated", "evaded"),
    "buyer": ("concluded", "terminated", "refused"),
}
"""What is counted on each side, in the order shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that happened to a contract, as it counts for one of its parties."""

    organisation_id: str
    side: Party
    kind: Kind
    contract_id: str
    at: datetime


def facts_of(event: Event, at: datetime) -> tuple[Fact, ...]:
    """What an event of ``at`` adds to the records of the parties."""
    match event:
        case ContractConcluded() if event.source is None:
            return _both(event.buyer_id, event.supplier_id, "concluded", event.contract_id, event.signed_at)
        case ContractEnded(reason="cancelled"):
            return _both(event.buyer_id, event.supplier_id, "terminated", event.contract_id, at)
        case ContractEnded() | RefusalDisputeDecided():
            breach = breach_of(event)
            if breach is None:
                return ()
            side, organisation_id = breach
            kind: Kind = "evaded" if side == "supplier" else "refused"
            return (Fact(organisation_id=organisation_id, side=side, kind=kind, contract_id=event.contract_id, at=at),)
    return ()


def _both(buyer_id: str, supplier_id: str, kind: Kind, contract_id: str, at: datetime) -> tuple[Fact, ...]:
    return (
        Fact(organisation_id=supplier_id, side="supplier", kind=kind, contract_id=contract_id, at=at),
        Fact(organisation_id=buyer_id, side="buyer", kind=kind, contract_id=contract_id, at=at),
    )
