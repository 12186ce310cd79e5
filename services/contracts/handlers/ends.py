"""What follows from the conclusion or the end of a contract: fulfilment carries it out, or somebody broke it.

The service reads its own topic, so that the former release's events count too. Each event counts once, whichever
release handles it.
"""

from events.contracts import ContractConcluded, ContractEnded, RefusalDisputeDecided
from events.envelope import Envelope
from infra.database import Transaction
from infra.reactions import Reactions
from services.contracts.domain import breaches, execution
from services.contracts.store import deals

reactions = Reactions()


@reactions.on(ContractConcluded)
async def tell_execution(tx: Transaction, event: ContractConcluded) -> None:
    """Announce the execution of a concluded contract. Imports belong to no deal here and come in tens of thousands, so
    they are skipped first. A deal has one concluded contract, its latest."""
    if event.source is not None:
        return
    kept = await deals.get(await tx.raw(), event.process_id, event.buyer_id)
    if kept is not None and kept.deal.contract is not None and kept.deal.contract.contract_id == event.contract_id:
        tx.emit(execution.execution_due(event, kept.deal.policy, kept.deal.calendar))


@reactions.with_envelope(ContractEnded, RefusalDisputeDecided)
async def tell_breach(tx: Transaction, event: ContractEnded | RefusalDisputeDecided, envelope: Envelope) -> None:
    """Announce the breach, if there is one. A contract without a deal of this market was imported, and nobody is
    suspended for it."""
    if (breached := breaches.breach_of(event)) is None:
        return
    kept = await deals.get(await tx.raw(), event.process_id, event.buyer_id)
    if kept is not None:
        tx.emit(breaches.contract_breached(event, breached, kept.deal.policy, envelope.time))
