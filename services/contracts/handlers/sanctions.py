"""Breaches are counted, organisations are suspended and may appeal, and every party's record is kept.

The service reads its own topic: what counts against or for somebody is what was published, in one place, whoever decided it.
"""

from datetime import datetime

from catalogue.calendar import RegionCalendar
from events.codec import Event
from events.contracts import ContractConcluded, ContractEnded, RefusalDisputeDecided
from events.envelope import Envelope
from infra.database import Transaction
from infra.denied import Missing
from infra.ids import derive_id
from infra.reactions import Reactions
from infra.tokens import BUYER_OFFICER, SUPPLIER_AGENT, Principal
from services.contracts.domain import sanctions
from services.contracts.domain.record import facts_of
from services.contracts.domain.sanctions import Breach, Decision, Sanction
from services.contracts.handlers import execution
from services.contracts.store import deals, record, replicas
from services.contracts.store import sanctions as store
from services.market.replicas import calendar_of

APPEALS = (SUPPLIER_AGENT, BUYER_OFFICER)
"""Who may appeal for its organisation, whichever side was sanctioned."""


async def appeal(tx: Transaction, sanction_id: str, reasons: str, principal: Principal) -> None:
    """Raises Missing, also for others' sanctions, and what :func:`domain.sanctions.appeal` names."""
    sanction = await store.get(await tx.raw(), sanction_id, lock=True)
    if sanction is None or sanction.sanctioned.organisation_id != principal.organisation_id:
        raise Missing("sanction", sanction_id)
    happened = sanctions.appeal(sanction, principal.organisation_id, principal.member_id, reasons, tx.now)
    await _record(tx, sanction, happened)


async def decide(tx: Transaction, sanction_id: str, decision: Decision, explanation: str) -> None:
    """Raises Missing and what :func:`domain.sanctions.decide_appeal` names."""
    sanction = await store.get(await tx.raw(), sanction_id, lock=True)
    if sanction is None:
        raise Missing("sanction", sanction_id)
    await _record(tx, sanction, sanctions.decide_appeal(sanction, decision, explanation, tx.now))


async def _record(tx: Transaction, sanction: Sanction, events: tuple[Event, ...]) -> None:
    for event in events:
        sanction = sanctions.apply(sanction, event)
        await store.put(await tx.raw(), sanction)
        tx.emit(event)


reactions = Reactions()


@reactions.with_envelope(ContractConcluded)
async def begin_record(tx: Transaction, event: ContractConcluded, envelope: Envelope) -> None:
    if event.source is None:  # imports come by the ten thousand
        await record.add(await tx.raw(), facts_of(event, envelope.time))
        await execution.start(tx, event.contract_id)


@reactions.with_envelope(ContractEnded)
async def judge_end(tx: Transaction, ended: ContractEnded, envelope: Envelope) -> None:
    """A contract of no deal of this market was imported: it suspends nobody."""
    at = envelope.time
    await record.add(await tx.raw(), facts_of(ended, at))
    await _judge(tx, ended, at, None)


@reactions.on(RefusalDisputeDecided)
async def judge_dispute(tx: Transaction, decided: RefusalDisputeDecided) -> None:
    """A refusal whose ground did not hold counts from when it was refused; its sanction begins no earlier than the decision."""
    await record.add(await tx.raw(), facts_of(decided, decided.refused_at))
    await _judge(tx, decided, decided.refused_at, decided.decided_at)


async def _judge(
    tx: Transaction, event: ContractEnded | RefusalDisputeDecided, at: datetime, known_at: datetime | None
) -> None:
    """Count the breach, if it is one, and speak the sanctions that follow."""
    db = await tx.raw()
    breached = sanctions.breach_of(event)
    kept = await deals.get(db, event.process_id, event.buyer_id) if breached else None
    if breached is None or kept is None:
        return
    side, organisation_id = breached
    await store.hold(db, organisation_id)
    breach = Breach(contract_id=event.contract_id, at=at, policy=kept.deal.policy, known_at=known_at)
    await store.add_breach(db, organisation_id, side, breach)
    organisation = await replicas.organisations.get(db, organisation_id)
    earlier = await store.earlier(db, organisation_id, side)
    spoken = sanctions.judge(
        organisation_id,
        side,
        await store.breaches(db, organisation_id, side, earlier),
        earlier,
        calendar_of(organisation) if organisation else RegionCalendar("UTC"),
        derive_id=derive_id,
    )
    for sanction in spoken:
        await store.put(db, sanction)
        tx.emit(sanction.sanctioned)
