"""Deadlines of pools: enrolment ends, and a pool closes when nobody can get another contract."""

from collections.abc import Sequence

from infra.database import Transaction
from infra.due import Due
from infra.reading import UnreadableKey
from infra.service import Timer
from services.pools import store
from services.pools.domain import CloseContracting, EndEnrolment, PoolStage
from services.pools.handlers import carry_out

AT_ONCE = 20


async def _lock_due(tx: Transaction, but: Sequence[str]) -> list[store.StoredPool | UnreadableKey[str]]:
    return await store.lock_due(tx, AT_ONCE, but)


async def attend(tx: Transaction, due: Sequence[store.StoredPool]) -> None:
    for kept in due:
        pool = kept.pool
        if pool.stage is PoolStage.ENROLLING:
            first_length = pool.opened.enrolment_ends_at - kept.opened_at
            await carry_out(tx, kept, EndEnrolment(extend_to=pool.enrolment_ends_at + first_length))
            continue
        contracts = await store.contracts_of(tx, pool.opened.pool_id)
        over = {
            member_id: each.state == "concluded" for member_id, each in contracts.items() if each.state != "drafted"
        }
        await carry_out(tx, kept, CloseContracting(concluded=over))
        await store.set_due(tx, pool.opened.pool_id, None)


TIMERS = (Timer("deadlines", 1, Due("pools deadlines", _lock_due, lambda kept: kept.pool.opened.pool_id, attend)),)
