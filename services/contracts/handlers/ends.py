"""What follows from the conclusion or the end of a contract: it is carried out, or somebody broke it.

The service reads its own topic: an end that the former release told of is judged as well, once, by whichever of both hears it.
"""

from events.contracts import ContractConcluded, ContractEnded, RefusalDisputeDecided
from events.envelope import Envelope
from infra.database import Transaction
from infra.reactions import Reactions
from services.contracts.domain import breaches
from services.contracts.handlers import execution
from services.contracts.store import deals

reactions = Reactions()


@reactions.on(ContractConcluded)
async def begin_execution(tx: Transaction, event: ContractConcluded) -> None:
    if event.source is None:  # imports come by the ten thousand
        await execution.start(tx, event.contract_id)


@reactions.with_envelope(ContractEnded, RefusalDisputeDecided)
async def tell_breach(tx: Transaction, event: ContractEnded | RefusalDisputeDecided, envelope: Envelope) -> None:
    """A contract of no deal of this market was imported: nobody is suspended for it."""
    if (breached := breaches.breach_of(event)) is None:
        return
    kept = await deals.get(await tx.raw(), event.process_id, event.buyer_id)
    if kept is not None:
        tx.emit(breaches.told(event, breached, kept.deal.policy, envelope.time))
