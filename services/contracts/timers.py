"""Steps that nobody took in time, purchase requests that nobody answered, and deadlines of contracts that are carried out."""

import logging

from infra.database import Transaction
from infra.service import Timer
from services.contracts.domain.cascade import RankingIncomplete
from services.contracts.domain.execution import Tick
from services.contracts.domain.purchases import LapseAnswer
from services.contracts.domain.signing import Lapse
from services.contracts.handlers import answered, decided, execution
from services.contracts.store import deals, executions, purchases

log = logging.getLogger(__name__)
AT_ONCE = 100


async def lapse_steps(tx: Transaction) -> int:
    """A deal whose bids have not all arrived stays due, and is tried again."""
    done = 0
    for kept in await deals.lock_due(await tx.raw(), tx.now, AT_ONCE):
        assert kept.deal.contract is not None, "only a contract has a step that is due"
        try:
            await decided(tx, kept, Lapse(contract_id=kept.deal.contract.contract_id))
            done += 1
        except RankingIncomplete as broken:
            log.warning("process %s cannot go on yet: %s", kept.deal.process_id, broken)
    return done


async def lapse_purchases(tx: Transaction) -> int:
    due = await purchases.lock_due(await tx.raw(), tx.now, AT_ONCE)
    for kept in due:
        await answered(tx, kept, LapseAnswer())
    return len(due)


async def pass_deadlines(tx: Transaction) -> int:
    due = await executions.lock_due(await tx.raw(), tx.now, AT_ONCE)
    for kept in due:
        await execution.decided(tx, kept, Tick())
    return len(due)


TIMERS = (
    Timer("lapse steps", 1, lapse_steps),
    Timer("lapse purchases", 1, lapse_purchases),
    Timer("pass deadlines", 1, pass_deadlines),
)
