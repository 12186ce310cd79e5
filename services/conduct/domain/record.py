"""The public record of an organisation: what became of its contracts, as facts that each count once (docs/rules.md
section 4).

The record contains only what happened after a process closed, and only about organisations that were asked to sign. A
bidder that lost is not named. Contracts of other markets, known from imports, are not counted.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal, cast

from catalogue.actors import Party
from events.contracts import ContractBreached, ContractConcluded, ContractEnded

RecordedKind = Literal["concluded", "terminated", "evaded", "refused"]
KINDS: dict[Party, tuple[RecordedKind, ...]] = {
    "supplier": ("concluded", "terminated", "evaded"),
    "buyer": ("concluded", "terminated", "refused"),
}
"""The kinds of facts that are counted on each side, in the order in which they are shown."""
BREACHES: dict[Party, RecordedKind] = {"supplier": "evaded", "buyer": "refused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ConductFact:
    """Something that happened to a contract, as it counts for one of its parties."""

    organisation_id: str
    party: Party
    kind: RecordedKind
    contract_id: str
    at: datetime


def concluded(event: ContractConcluded) -> tuple[ConductFact, ...]:
    """Return the facts of a conclusion. An imported contract has none."""
    return () if event.source is not None else _both(event, "concluded", event.signed_at)


def ended(event: ContractEnded, at: datetime) -> tuple[ConductFact, ...]:
    """Return the facts of an end after the conclusion. A contract that ended unsigned counts only when it is announced
    as a breach."""
    return _both(event, "terminated", at) if event.reason == "cancelled" else ()


def breached(event: ContractBreached) -> ConductFact:
    party = cast(Party, event.side)
    return ConductFact(
        organisation_id=event.organisation_id,
        party=party,
        kind=BREACHES[party],
        contract_id=event.contract_id,
        at=event.at,
    )


def _both(event: ContractConcluded | ContractEnded, kind: RecordedKind, at: datetime) -> tuple[ConductFact, ...]:
    return (
        ConductFact(
            organisation_id=event.supplier_id, party="supplier", kind=kind, contract_id=event.contract_id, at=at
        ),
        ConductFact(organisation_id=event.buyer_id, party="buyer", kind=kind, contract_id=event.contract_id, at=at),
    )
