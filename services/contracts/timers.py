"""Steps that nobody took in time, and deadlines of contracts that are carried out."""

from collections.abc import Sequence

from infra.database import Transaction
from infra.due import Due
from infra.reading import Unreadable
from infra.service import Timer
from services.contracts.domain.execution import Tick
from services.contracts.domain.signing import Lapse
from services.contracts.handlers import carry_out, execution
from services.contracts.store import deals, executions
from services.contracts.store.decoded import StoredExecution

AT_ONCE = 100


async def _due_deals(tx: Transaction, but: Sequence[str]) -> list[deals.StoredDeal | Unreadable[str]]:
    return await deals.lock_due(await tx.raw(), tx.now, AT_ONCE, but)


async def _due_executions(tx: Transaction, but: Sequence[str]) -> list[StoredExecution | Unreadable[str]]:
    return await executions.lock_due(await tx.raw(), tx.now, AT_ONCE, but)


async def lapse_steps(tx: Transaction, due: Sequence[deals.StoredDeal]) -> None:
    """A deal whose bids have not all arrived fails, stays due, and is tried again."""
    for kept in due:
        assert kept.deal.contract is not None, "only a contract has a step that is due"
        await carry_out(tx, kept, Lapse(contract_id=kept.deal.contract.contract_id))


async def pass_deadlines(tx: Transaction, due: Sequence[StoredExecution]) -> None:
    for kept in due:
        await execution.carry_out(tx, kept, Tick())


TIMERS = (
    Timer("lapse steps", 1, Due("contracts lapse steps", _due_deals, deals.key_of, lapse_steps)),
    Timer(
        "pass deadlines",
        1,
        Due("contracts pass deadlines", _due_executions, lambda kept: kept.execution.contract_id, pass_deadlines),
    ),
)
