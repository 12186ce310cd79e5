"""Deadlines of quick quotes: quoting ends, and a buyer that does not choose in time lets the request lapse."""

from infra.database import Transaction
from infra.service import Timer
from services.quotes import store
from services.quotes.domain.choosing import lapse
from services.quotes.domain.quoting import end
from services.quotes.domain.request import Stage
from services.quotes.handlers import happened


async def attend(tx: Transaction) -> int:
    """One request whose time has come."""
    kept = await store.claim_due(tx)
    if kept is None:
        return 0
    over = end if kept.request.stage is Stage.OPEN else lapse
    await happened(tx, kept, over(kept.request, tx.now))
    return 1


TIMERS = (Timer("deadlines", 0.5, attend),)
