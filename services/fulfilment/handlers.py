"""Use cases of carrying a contract out. A suspended organisation goes on with the contracts that it signed, so nothing
here checks for a suspension."""

from catalogue.policy import of_process
from catalogue.roles import BUYER_APPROVER, BUYER_OFFICER, SUPPLIER_AGENT
from catalogue.rules import role_missing
from events.contracts import ContractClosed, ContractConcluded, ContractTerminated, ExecutionDue
from events.fulfilment import ExecutionOver
from infra.database import Transaction
from infra.denied import Missing
from infra.reactions import Reactions
from infra.tokens import Principal
from services.fulfilment.domain import Command, Tick, apply, begin, decide
from services.fulfilment.domain.disputes import DecideDispute
from services.fulfilment.domain.state import Execution
from services.fulfilment.store import executions, replicas
from services.fulfilment.store.decoded import StoredExecution

PARTY_ROLES = {"buyer": (BUYER_OFFICER, BUYER_APPROVER), "supplier": (SUPPLIER_AGENT,)}
ACTS = (*PARTY_ROLES["buyer"], *PARTY_ROLES["supplier"])
"""The roles that act for either side."""


async def act(tx: Transaction, contract_id: str, command: Command, principal: Principal, request_key: str) -> None:
    """Carry out the command, once for each key of an organisation. Raise Missing, RoleMissing and what
    :mod:`services.fulfilment.domain` raises."""
    key = f"{type(command).__name__}/{request_key}"
    caller = principal.organisation_id
    async with tx.once(f"execution/{contract_id}", key, caller=caller, body=command, answer=str) as once:
        if once.first:
            kept = await _lock(tx, contract_id)
            _require_role(kept.execution, principal)
            await carry_out(tx, kept, command, principal.name)
            once.answer = ""


async def decide_dispute(tx: Transaction, contract_id: str, command: DecideDispute) -> None:
    """Carry out a moderator's decision. Raise Missing and what
    :func:`services.fulfilment.domain.disputes.decide_dispute` raises."""
    await carry_out(tx, await _lock(tx, contract_id), command)


async def carry_out(tx: Transaction, kept: StoredExecution, command: Command, member_name: str = "") -> None:
    """Decide about an execution that is locked, and store what happened. The events of passed deadlines come first and
    have no member."""
    execution, history = kept.execution, []
    for asked, name in ((Tick(), ""), (command, member_name)):
        for event in decide(execution, asked, tx.now):
            execution = apply(execution, event)
            tx.emit(event)
            history.append((event, name))
    await executions.save(tx, kept, execution, history)


async def _lock(tx: Transaction, contract_id: str) -> StoredExecution:
    kept = await executions.lock(tx, contract_id)
    if kept is None:
        raise Missing("concluded contract", contract_id)
    return kept


def _require_role(execution: Execution, principal: Principal) -> None:
    """Check the roles of a party's member. The domain refuses everybody else."""
    party = {execution.buyer_id: "buyer", execution.supplier_id: "supplier"}.get(principal.organisation_id)
    if party is not None and not principal.may(*PARTY_ROLES[party]):
        raise role_missing(*PARTY_ROLES[party])


# Reactions to contracts' events, and to events about executions of either release

reactions = Reactions()
reactions.many(ContractConcluded, replicas.put_contracts)


@reactions.on(ExecutionDue)
async def begin_execution(tx: Transaction, event: ExecutionDue) -> None:
    """Begin the execution and list its duties from now on. An execution that exists already stays as it is. If a former
    release begins it at this moment, the retry finds it."""
    if await executions.get(await tx.raw(), event.contract_id) is None:
        first = begin(event, of_process(event.policy_text, event.policy))
        await executions.save(tx, StoredExecution(execution=first), first)


@reactions.on(ContractClosed, ContractTerminated)
async def tell_that_it_is_over(tx: Transaction, event: ContractClosed | ContractTerminated) -> None:
    status = "closed" if isinstance(event, ContractClosed) else "terminated"
    tx.emit(ExecutionOver(process_id=event.process_id, contract_id=event.contract_id, status=status))
