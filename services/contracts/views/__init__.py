"""Who sees what of a contract: concluded ones are public, and only its two parties see an unsigned one."""

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from catalogue.actors import Party
from catalogue.roles import BUYER_APPROVER, BUYER_OFFICER, SEES_ALL, SUPPLIER_AGENT
from events.contracts import Equivalent, Security, Term
from events.values import Category, Line, Place
from infra.denied import Missing
from infra.service import Resources
from infra.texts import clean
from infra.tokens import Principal
from services.contracts.domain.choices import Choices, choices
from services.contracts.domain.deals import PARTIES
from services.contracts.domain.refusals import GroundedRefusal
from services.contracts.handlers import may_see
from services.contracts.store import contracts, deals
from services.contracts.store import refusals as disputable
from services.contracts.store.contracts import ContractRecord
from services.contracts.store.listing import ContractFilter, ListedContract
from services.contracts.store.papers import Draft, Extension, Objection, Paper, as_published

QUEUE = 20
"""How many refusals are on one page, since each has long texts."""
PARTY_ROLES = (SUPPLIER_AGENT, BUYER_OFFICER, BUYER_APPROVER)


class ContractSummary(msgspec.Struct, kw_only=True):
    """``waits_for`` is the organisation whose turn it is. It must take ``step`` by ``due_at``."""

    contract_id: str
    process_id: str
    origin: str
    pool_id: str | None
    title: str
    buyer_id: str
    buyer_name: str
    supplier_id: str
    supplier_name: str
    rank: int
    category: Category | None
    currency: str
    amount: Decimal
    state: str
    step: str | None
    due_at: datetime | None
    waits_for: str | None
    drafted_at: datetime
    concluded_at: datetime | None


class ContractStep(msgspec.Struct, kw_only=True):
    """``taken_at`` is None while the step is still to come. Only the parties see the ``member``."""

    step: str
    party: str
    taken_at: datetime | None
    member: str | None


class DisputeView(msgspec.Struct, kw_only=True):
    """A dispute about the ground of a refusal. ``may_dispute`` says whether the reader's organisation may open it now,
    until ``dispute_until``. ``decide_by`` is set once it is open. ``decision`` is justified or unjustified once a
    moderator decided."""

    may_dispute: bool
    dispute_until: datetime | None
    reasons: str | None
    decide_by: datetime | None
    overdue: bool
    decision: str | None
    explanation: str | None
    decided_at: datetime | None


class ContractEnding(msgspec.Struct, kw_only=True):
    """``reason`` is lapsed or refused; ``by`` is buyer or supplier. ``next_rank`` is the bidder that the buyer could
    ask next. ``ground`` is the code of a ground on the policy's list, or "" for none. ``dispute`` is None if there is
    nothing to dispute."""

    reason: str
    by: str
    evasion: bool
    explanation: str
    ended_at: datetime | None
    next_rank: int | None
    ground: str
    ground_title: str
    evidence: str
    justified: bool
    dispute: DisputeView | None


class ContractView(ContractSummary, kw_only=True):
    """``drafts``, ``objections`` and ``extensions`` are in their order. The two sides, and those who supervise the
    market, read all of them. Of a concluded contract everybody else reads the last draft without requisites.
    ``choices`` are those of the reader's side, or None if the reader has no side."""

    kind: str
    place: Place
    lines: tuple[Line, ...]
    steps: list[ContractStep]
    version: int
    terms: tuple[Term, ...]
    drafts: tuple[Draft, ...]
    objections: tuple[Objection, ...]
    extensions: tuple[Extension, ...]
    equivalents: tuple[Equivalent, ...]
    security_due: Decimal
    security: Security | None
    choices: Choices | None
    ending: ContractEnding | None


def is_party(principal: Principal | None) -> bool:
    """Return whether this is a member of an organisation that signs contracts."""
    return principal is not None and principal.may(*PARTY_ROLES)


def wanted_by(
    principal: Principal | None, *, mine: bool | None = None, state: str = "", process: str = "", q: str = ""
) -> ContractFilter:
    """Return what a visitor, a party or an observer may list. ``mine`` holds for a party unless it says otherwise."""
    return ContractFilter(
        viewer_id=principal.organisation_id if principal else "",
        all=principal is not None and principal.may(*SEES_ALL),
        mine=is_party(principal) if mine is None else mine and principal is not None,
        state=clean(state),
        process_id=clean(process),
        q=clean(q),
    )


async def visible(resources: Resources, contract_id: str, principal: Principal | None) -> ContractRecord:
    """Return the contract. Raise Missing, also if this reader may not see it."""
    found = await contracts.get(resources.database.pool, clean(contract_id))
    if found is None or not may_see(found, principal):
        raise Missing("contract", contract_id)
    return found


def summary(contract: ContractRecord) -> dict[str, Any]:
    drafted = contract.drafted
    same = "contract_id process_id origin pool_id title buyer_id buyer_name supplier_id supplier_name rank category currency amount"
    return {name: getattr(drafted, name) for name in same.split()} | {
        "state": contract.state,
        "step": contract.step,
        "due_at": contract.due_at,
        "waits_for": contract.waits_for or None,
        "drafted_at": contract.drafted_at,
        "concluded_at": contract.over_at if contract.state == "concluded" else None,
    }


def as_listed(found: ListedContract) -> ContractSummary:
    same = {name: getattr(found, name) for name in ContractSummary.__struct_fields__ if name != "concluded_at"}
    concluded_at = found.over_at if found.state == "concluded" else None
    return ContractSummary(**same | {"waits_for": found.waits_for or None, "concluded_at": concluded_at})


def is_insider(contract: ContractRecord, principal: Principal | None) -> bool:
    return principal is not None and (contract.concerns(principal.organisation_id) or principal.may(*SEES_ALL))


def paper_for(contract: ContractRecord, principal: Principal | None) -> Paper:
    """Return the part of the paper that this reader may read."""
    return contract.paper if is_insider(contract, principal) else as_published(contract.paper)


def party_of(contract: ContractRecord, principal: Principal | None) -> Party | None:
    """Return the side for which the reader may act here, or None."""
    if principal is None:
        return None
    if principal.organisation_id == contract.drafted.buyer_id and principal.may(BUYER_OFFICER):
        return "buyer"
    if principal.organisation_id == contract.drafted.supplier_id and principal.may(SUPPLIER_AGENT):
        return "supplier"
    return None


def steps_of(contract: ContractRecord, principal: Principal | None) -> list[ContractStep]:
    """Return the steps that were taken and those to come."""
    insider = is_insider(contract, principal)
    taken = {each.step: each for each in contract.steps}
    return [
        ContractStep(
            step=step,
            party=PARTIES[step],
            taken_at=taken[step].at if step in taken else None,
            member=taken[step].member_name if step in taken and insider else None,
        )
        for step in contract.flow
    ]


async def choices_of(resources: Resources, contract: ContractRecord, principal: Principal | None) -> Choices | None:
    party = party_of(contract, principal)
    if party is None or contract.step is None:
        return None
    kept = await deals.get(resources.database.pool, contract.drafted.process_id, contract.drafted.buyer_id)
    latest = kept.deal.contract if kept else None
    if kept is None or latest is None or latest.contract_id != contract.drafted.contract_id:
        return None
    return choices(kept.deal, party, resources.clock())


def dispute_view(refusal: GroundedRefusal, principal: Principal | None, now: datetime) -> DisputeView:
    party, organisation_id = refusal.other
    role = BUYER_OFFICER if party == "buyer" else SUPPLIER_AGENT
    concerned = principal is not None and principal.organisation_id == organisation_id and principal.may(role)
    disputed, decided = refusal.disputed, refusal.decided
    return DisputeView(
        may_dispute=concerned and refusal.may_be_disputed(now),
        dispute_until=refusal.ended.dispute_until,
        reasons=disputed.reasons if disputed else None,
        decide_by=disputed.due_at if disputed else None,
        overdue=refusal.overdue(now),
        decision=decided.decision if decided else None,
        explanation=decided.explanation if decided else None,
        decided_at=decided.decided_at if decided else None,
    )


async def ending_of(
    resources: Resources, contract: ContractRecord, principal: Principal | None
) -> ContractEnding | None:
    ended = contract.ended
    if ended is None:
        return None
    kept = await disputable.get(resources.database.pool, ended.contract_id) if ended.dispute_until else None
    return ContractEnding(
        reason=ended.reason,
        by=ended.by,
        evasion=ended.evasion,
        explanation=ended.explanation,
        ended_at=contract.over_at,
        next_rank=contract.next_rank,
        ground=ended.ground,
        ground_title=ended.ground_title,
        evidence=ended.evidence,
        justified=ended.justified,
        dispute=dispute_view(kept.refusal, principal, resources.clock()) if kept else None,
    )


async def view(resources: Resources, contract: ContractRecord, principal: Principal | None) -> ContractView:
    paper = paper_for(contract, principal)
    return ContractView(
        **summary(contract),
        kind=contract.drafted.kind,
        place=contract.drafted.place,
        lines=contract.drafted.lines,
        steps=steps_of(contract, principal),
        version=paper.version,
        terms=paper.terms,
        drafts=paper.drafts,
        objections=paper.objections,
        extensions=paper.extensions,
        equivalents=paper.equivalents,
        security_due=contract.drafted.security_due,
        security=paper.security,
        choices=await choices_of(resources, contract, principal),
        ending=await ending_of(resources, contract, principal),
    )


async def shown(resources: Resources, contract_id: str, principal: Principal | None) -> ContractView:
    """Return the contract as this reader sees it. Raise Missing."""
    return await view(resources, await visible(resources, contract_id, principal), principal)
