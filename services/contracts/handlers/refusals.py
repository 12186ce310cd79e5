"""Refusals whose ground the other side disputes, and the moderator's decision."""

from events.codec import Event
from infra.database import Transaction
from infra.denied import Missing
from infra.tokens import BUYER_OFFICER, SUPPLIER_AGENT, Principal
from services.contracts.domain import refusals
from services.contracts.domain.refusals import Refusal, Verdict
from services.contracts.handlers import require_role
from services.contracts.store import refusals as store


async def dispute(tx: Transaction, contract_id: str, reasons: str, principal: Principal) -> None:
    """Harmless when repeated. Raises Missing, also for others' contracts, RoleMissing and what :func:`domain.refusals.dispute`
    names."""
    refusal = await store.get(await tx.raw(), contract_id, lock=True)
    ended = refusal.ended if refusal else None
    if refusal is None or ended is None or principal.organisation_id not in (ended.buyer_id, ended.supplier_id):
        raise Missing("refusal that may be disputed", contract_id)
    if principal.organisation_id == refusal.other[1]:
        require_role(principal, BUYER_OFFICER if refusal.other[0] == "buyer" else SUPPLIER_AGENT)
    happened = refusals.dispute(refusal, principal.actor, reasons, tx.now)
    await _record(tx, refusal, happened)


async def decide(tx: Transaction, contract_id: str, verdict: Verdict, explanation: str) -> None:
    """Raises Missing and what :func:`domain.refusals.decide` names."""
    refusal = await store.get(await tx.raw(), contract_id, lock=True)
    if refusal is None:
        raise Missing("refusal that may be disputed", contract_id)
    await _record(tx, refusal, refusals.decide(refusal, verdict, explanation, tx.now))


async def _record(tx: Transaction, refusal: Refusal, events: tuple[Event, ...]) -> None:
    for event in events:
        refusal = refusals.apply(refusal, event)
        await store.put(await tx.raw(), refusal)
        tx.emit(event)
