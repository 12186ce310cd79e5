"""Lapse steps that nobody took in time."""

from collections.abc import Sequence

from infra.database import Transaction
from infra.due import Due
from infra.reading import UnreadableKey
from infra.service import Timer
from services.contracts.domain.signing import Lapse
from services.contracts.handlers import carry_out
from services.contracts.store import deals

AT_ONCE = 100


async def _lock_due(tx: Transaction, but: Sequence[str]) -> list[deals.StoredDeal | UnreadableKey[str]]:
    return await deals.lock_due(tx, AT_ONCE, but)


async def lapse_steps(tx: Transaction, due: Sequence[deals.StoredDeal]) -> None:
    """Lapse the due steps. A deal whose bids have not all arrived fails, stays due, and is tried again."""
    for kept in due:
        assert kept.deal.contract is not None, "only a contract has a step that is due"
        await carry_out(tx, kept, Lapse(contract_id=kept.deal.contract.contract_id))


TIMERS = (Timer("lapse steps", 1, Due("contracts lapse steps", _lock_due, deals.key_of, lapse_steps)),)
