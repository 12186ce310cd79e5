"""Use cases of conduct: count breaches, suspend organisations, decide their appeals, and keep every party's public
record.

Only published events count, whichever service or release emitted them.
"""

from collections.abc import Sequence
from typing import Any, cast

from msgspec.structs import replace

from catalogue.actors import Party
from catalogue.calendar import RegionCalendar
from catalogue.policy import of_process
from catalogue.roles import BUYER_OFFICER, SUPPLIER_AGENT
from events.codec import Event
from events.contracts import (
    ContractBreached,
    ContractClosed,
    ContractConcluded,
    ContractDrafted,
    ContractEnded,
    DeliveryAssessed,
    DeliveryReported,
    DisputeEnded,
    DisputeOpened,
    ExecutionOverdue,
    ExecutionWithdrawn,
    InvoicePaid,
    InvoiceSettled,
    OrderPlaced,
)
from events.envelope import Envelope
from infra.database import Transaction
from infra.denied import Missing
from infra.ids import derive_id
from infra.reactions import Reactions
from infra.tokens import Principal
from services.conduct.domain import sanctions
from services.conduct.domain.performance import Delivered, after, change_of, delivery_in, met
from services.conduct.domain.record import breached, concluded, ended
from services.conduct.domain.sanctions import Accused, Breach, Decision
from services.conduct.store import performed, record, replicas
from services.conduct.store import sanctions as store
from services.conduct.store.sanctions import StoredSanction
from services.market.replicas import calendar_of

APPEALS = (SUPPLIER_AGENT, BUYER_OFFICER)
"""The roles that may appeal for their organisation, whichever side was sanctioned."""


async def appeal(tx: Transaction, sanction_id: str, reasons: str, principal: Principal) -> None:
    """File an appeal. Raise Missing, also for the sanctions of other organisations, and what
    :func:`domain.sanctions.appeal` raises."""
    kept = await store.lock(tx, sanction_id)
    if kept is None or kept.sanction.sanctioned.organisation_id != principal.organisation_id:
        raise Missing("sanction", sanction_id)
    happened = sanctions.appeal(kept.sanction, principal.actor, reasons, tx.now)
    await _record(tx, kept, happened)


async def decide(tx: Transaction, sanction_id: str, decision: Decision, explanation: str) -> None:
    """Decide an appeal. Raise Missing and what :func:`domain.sanctions.decide_appeal` raises."""
    kept = await store.lock(tx, sanction_id)
    if kept is None:
        raise Missing("sanction", sanction_id)
    await _record(tx, kept, sanctions.decide_appeal(kept.sanction, decision, explanation, tx.now))


async def _record(tx: Transaction, kept: StoredSanction, events: tuple[Event, ...]) -> None:
    sanction = kept.sanction
    for event in events:
        sanction = sanctions.apply(sanction, event)
        tx.emit(event)
    if events:
        await store.save(tx, replace(kept, sanction=sanction))


# Reactions to what other services announced

reactions = Reactions(replicas.organisations.reactions)
reactions.many(ContractDrafted, replicas.put_drafted)
reactions.many(OrderPlaced, replicas.put_orders)
reactions.many(DeliveryReported, replicas.put_deliveries)


async def record_conclusions(tx: Transaction, events: Sequence[ContractConcluded]) -> None:
    """Record the conclusions in this market. Contracts of other markets are left out."""
    if ours := [event for event in events if event.source is None]:
        await replicas.conclude(tx, ours)
        await record.add(tx, [fact for event in ours for fact in concluded(event)])


reactions.many(ContractConcluded, record_conclusions)


@reactions.with_envelope(ContractEnded)
async def record_end(tx: Transaction, event: ContractEnded, envelope: Envelope) -> None:
    """Record the end of a contract. ContractBreached announces separately whether the end is a breach."""
    if event.reason != "cancelled":
        await replicas.end_unsigned(tx, event.contract_id, envelope.time)
    await record.add(tx, ended(event, envelope.time))


@reactions.on(ContractBreached)
async def judge(tx: Transaction, event: ContractBreached) -> None:
    """Count the breach, and impose the sanctions that follow from it."""
    db, accused = await tx.raw(), Accused(event.organisation_id, cast(Party, event.side))
    await record.add(tx, [breached(event)])
    await store.hold(tx, event.organisation_id)
    breach = Breach(
        contract_id=event.contract_id,
        at=event.at,
        policy=of_process(event.policy_text, event.policy),
        known_at=event.known_at,
    )
    await store.add_breach(tx, accused, breach)
    organisation = await replicas.organisations.get(db, event.organisation_id)
    earlier = await store.earlier(db, accused)
    spoken = sanctions.judge(
        accused,
        await store.breaches(db, accused, earlier),
        earlier,
        calendar_of(organisation) if organisation else RegionCalendar("UTC"),
        derive_id=derive_id,
    )
    for sanction in spoken:
        await store.save(tx, StoredSanction(sanction=sanction))
        tx.emit(sanction.sanctioned)


@reactions.on(
    DeliveryAssessed,
    ExecutionOverdue,
    ExecutionWithdrawn,
    InvoicePaid,
    InvoiceSettled,
    DisputeOpened,
    DisputeEnded,
    ContractClosed,
)
async def count_performance(
    tx: Transaction,
    event: DeliveryAssessed
    | ExecutionOverdue
    | ExecutionWithdrawn
    | InvoicePaid
    | InvoiceSettled
    | DisputeOpened
    | DisputeEnded
    | ContractClosed,
) -> None:
    db = await tx.raw()
    if isinstance(event, DisputeOpened) and event.about == "delivery":
        await replicas.put_dispute(tx, event)
    changed = await _change_delivery(tx, event)
    order = await replicas.order(db, event.contract_id, changed.order) if changed else None
    await performed.save(tx, event.contract_id, change_of(event, changed, order is not None and met(*order)))


async def _change_delivery(tx: Transaction, event: Any) -> Delivered | None:
    """Change the delivery that the event is about, and return it as it is now, or None."""
    number, db = delivery_in(event), await tx.raw()
    if number is None:
        return None
    if isinstance(event, DisputeEnded) and not await replicas.is_about_an_answer(db, event.contract_id, event.dispute):
        return None
    delivery = await replicas.delivery(db, event.contract_id, number)
    if delivery is None:
        return None
    changed = after(event, delivery)
    await replicas.change_delivery(tx, event.contract_id, changed)
    return changed
