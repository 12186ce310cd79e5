"""Deadlines of quick quotes: quoting ends, and a request lapses if its buyer does not choose in time."""

from collections.abc import Sequence

from infra.database import Transaction
from infra.due import Due
from infra.reading import UnreadableKey
from infra.service import Timer
from services.quotes import store
from services.quotes.domain.choosing import lapse
from services.quotes.domain.quoting import end
from services.quotes.domain.request import RequestStage
from services.quotes.handlers import record

AT_ONCE = 20


async def _lock_due(tx: Transaction, but: Sequence[str]) -> list[store.StoredRequest | UnreadableKey[str]]:
    return await store.lock_due(tx, AT_ONCE, but)


async def attend(tx: Transaction, due: Sequence[store.StoredRequest]) -> None:
    for kept in due:
        request = kept.request
        if request.stage is RequestStage.OPEN:
            await record(tx, kept, end(request, tx.now))
        else:
            compared = await store.comparison(tx, request.opened.request_id)
            await record(tx, kept, lapse(request, compared, tx.now))


TIMERS = (
    Timer("deadlines", 0.5, Due("quotes deadlines", _lock_due, lambda kept: kept.request.opened.request_id, attend)),
)
