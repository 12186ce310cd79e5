"""Deadlines of pools: enrolment ends, and contracts that nobody will sign are given up."""

from infra.database import Transaction
from infra.service import Timer
from services.pools import store
from services.pools.domain import CloseContracting, EndEnrolment, Stage
from services.pools.handlers import decided


async def attend(tx: Transaction) -> int:
    """One pool whose time has come."""
    kept = await store.claim_due(tx)
    if kept is None:
        return 0
    pool = kept.pool
    if pool.stage is Stage.ENROLLING:
        first_length = pool.opened.enrolment_ends_at - kept.opened_at
        await decided(tx, kept, EndEnrolment(extend_to=pool.enrolment_ends_at + first_length))
        return 1
    await store.set_due(tx, pool.opened.pool_id, None)
    contracts = await store.contracts_of(tx, pool.opened.pool_id)
    over = {member_id: each.state == "concluded" for member_id, each in contracts.items() if each.state != "drafted"}
    await decided(tx, kept, CloseContracting(concluded=over))
    return 1


TIMERS = (Timer("deadlines", 1, attend),)
