"""Use cases of carrying a contract out. Who is suspended goes on with what it signed: nothing here asks for that."""

import asyncpg

from infra.database import Transaction
from infra.denied import Missing
from infra.tokens import BUYER_APPROVER, BUYER_OFFICER, SUPPLIER_AGENT, Principal
from services.contracts.domain.deals import concluded, latest
from services.contracts.domain.execution import Command, Tick, apply, begin, decide
from services.contracts.domain.execution.disputes import DecideDispute
from services.contracts.domain.execution.state import Execution
from services.contracts.handlers import RoleMissing
from services.contracts.store import contracts, deals, executions
from services.contracts.store.decoded import StoredExecution

PARTY_ROLES = {"buyer": (BUYER_OFFICER, BUYER_APPROVER), "supplier": (SUPPLIER_AGENT,)}
ACTS = (*PARTY_ROLES["buyer"], *PARTY_ROLES["supplier"])
"""Who acts for either side."""


async def start(tx: Transaction, contract_id: str) -> None:
    """What is due after the signature is listed from now on. Nothing where that is so already."""
    kept = await find(tx, contract_id, lock=True)
    if kept is not None and kept.version == 0:
        await executions.save(await tx.raw(), kept, kept.execution, (), tx.now)


async def find(where: Transaction | asyncpg.Pool, contract_id: str, *, lock: bool = False) -> StoredExecution | None:
    """None where there is no such contract, or it is not concluded. Until :func:`start` heard of it, it begins as its deal says."""
    db = await where.raw() if isinstance(where, Transaction) else where
    kept = await executions.get(db, contract_id, lock=lock)
    if kept is not None:
        return kept
    contract = await contracts.get(db, contract_id)
    if contract is None or contract.state != "concluded" or contract.over_at is None:
        return None
    key = contract.drafted.process_id, contract.drafted.buyer_id
    held = await deals.lock(db, *key) if lock else await deals.get(db, *key)
    assert held is not None, "every contract belongs to a deal, written with it"
    if lock and (kept := await executions.get(db, contract_id, lock=True)) is not None:
        return kept
    event = concluded(held.deal, latest(held.deal), contract.over_at)
    return StoredExecution(execution=begin(event, policy=held.deal.policy, calendar=held.deal.calendar))


async def act(tx: Transaction, contract_id: str, command: Command, principal: Principal, request_key: str) -> None:
    """Once for each key of an organisation. Raises Missing, RoleMissing and what :mod:`domain.execution` names."""
    key = f"{type(command).__name__}/{request_key}"
    caller = principal.organisation_id
    async with tx.once(f"execution/{contract_id}", key, caller=caller, body=command, answer=str) as once:
        if once.first:
            kept = await _locked(tx, contract_id)
            _require_role(kept.execution, principal)
            await carry_out(tx, kept, command, principal.name)
            once.answer = ""


async def decide_dispute(tx: Transaction, contract_id: str, command: DecideDispute) -> None:
    """A moderator's. Raises Missing and what :func:`domain.execution.disputes.decide_dispute` names."""
    await carry_out(tx, await _locked(tx, contract_id), command)


async def carry_out(tx: Transaction, kept: StoredExecution, command: Command, member_name: str = "") -> None:
    """Decide about an execution that is locked, and keep what happened: first what the clock brought about, which nobody did."""
    execution, history = kept.execution, []
    for asked, name in ((Tick(), ""), (command, member_name)):
        for event in decide(execution, asked, tx.now):
            execution = apply(execution, event)
            tx.emit(event)
            history.append((event, name))
    await executions.save(await tx.raw(), kept, execution, history, tx.now)


async def _locked(tx: Transaction, contract_id: str) -> StoredExecution:
    kept = await find(tx, contract_id, lock=True)
    if kept is None:
        raise Missing("concluded contract", contract_id)
    return kept


def _require_role(execution: Execution, principal: Principal) -> None:
    """Only of who is a party: the domain refuses everybody else."""
    side = {execution.buyer_id: "buyer", execution.supplier_id: "supplier"}.get(principal.organisation_id)
    if side is not None and not principal.may(*PARTY_ROLES[side]):
        words = " or ".join(role.replace("_", " ") for role in PARTY_ROLES[side])
        raise RoleMissing(f"This needs the role {words}.", role=PARTY_ROLES[side][0])
