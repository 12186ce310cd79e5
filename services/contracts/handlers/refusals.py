"""Refusals whose ground the other side disputes, and the moderator's decision."""

from msgspec.structs import replace

from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from events.codec import Event
from infra.database import Transaction
from infra.denied import Missing
from infra.tokens import Principal
from services.contracts.domain import refusals
from services.contracts.domain.refusals import Verdict
from services.contracts.handlers import require_role
from services.contracts.store import refusals as store
from services.contracts.store.refusals import StoredRefusal


async def dispute(tx: Transaction, contract_id: str, reasons: str, principal: Principal) -> None:
    """Dispute a refusal; repeating it changes nothing. Raise Missing, also for other parties' contracts, RoleMissing
    and what :func:`domain.refusals.dispute` raises."""
    kept = await _lock(tx, contract_id)
    refusal = kept.refusal
    if principal.organisation_id not in (refusal.ended.buyer_id, refusal.ended.supplier_id):
        raise _missing(contract_id)
    if principal.organisation_id == refusal.other[1]:
        require_role(principal, BUYER_OFFICER if refusal.other[0] == "buyer" else SUPPLIER_AGENT)
    happened = refusals.dispute(refusal, principal.actor, reasons, tx.now)
    await _record(tx, kept, happened)


async def decide(tx: Transaction, contract_id: str, verdict: Verdict, explanation: str) -> None:
    """Decide the dispute. Raise Missing and what :func:`domain.refusals.decide` raises."""
    kept = await _lock(tx, contract_id)
    await _record(tx, kept, refusals.decide(kept.refusal, verdict, explanation, tx.now))


async def _lock(tx: Transaction, contract_id: str) -> StoredRefusal:
    kept = await store.lock(tx, contract_id)
    if kept is None:
        raise _missing(contract_id)
    return kept


def _missing(contract_id: str) -> Missing:
    return Missing("refusal that may be disputed", contract_id)


async def _record(tx: Transaction, kept: StoredRefusal, events: tuple[Event, ...]) -> None:
    refusal = kept.refusal
    for event in events:
        refusal = refusals.apply(refusal, event)
        tx.emit(event)
    if events:
        await store.save(tx, replace(kept, refusal=refusal))
