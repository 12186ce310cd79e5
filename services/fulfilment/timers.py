"""The deadlines of contracts that are carried out."""

from collections.abc import Sequence

from infra.database import Transaction
from infra.due import Due
from infra.reading import UnreadableKey
from infra.service import Timer
from services.fulfilment.domain import Tick
from services.fulfilment.handlers import carry_out
from services.fulfilment.store import executions
from services.fulfilment.store.decoded import StoredExecution

AT_ONCE = 100


async def _lock_due(tx: Transaction, but: Sequence[str]) -> list[StoredExecution | UnreadableKey[str]]:
    return await executions.lock_due(tx, AT_ONCE, but)


async def pass_deadlines(tx: Transaction, due: Sequence[StoredExecution]) -> None:
    for kept in due:
        await carry_out(tx, kept, Tick())


TIMERS = (
    Timer(
        "pass deadlines",
        1,
        Due("fulfilment pass deadlines", _lock_due, lambda kept: kept.execution.contract_id, pass_deadlines),
    ),
)
