"""Use cases and reactions of pools."""

from datetime import datetime
from decimal import Decimal
from typing import ClassVar

import msgspec

from catalogue.places import written_areas
from catalogue.policy import Policy, of_process
from catalogue.references import ReferencePrice
from catalogue.rules import RuleBroken, UnknownSku
from events.accounts import OrganisationRegistered
from events.auctions import AuctionClosed, AuctionOpened, AuctionOpeningRefused
from events.bounds import Amount, ByLine, Code, Few, Id, Instant, Lines, Minutes, Name, Packs, Percent, Title
from events.catalogue import SkuPublished
from events.contracts import ContractConcluded, ContractDrafted, ContractEnded
from events.envelope import Envelope
from events.pools import Demand, PoolSourcingRequested
from events.values import Category, Line, Place
from infra.answered import Answered
from infra.database import Transaction
from infra.denied import Missing
from infra.ids import new_id
from infra.reactions import Reactions
from infra.tokens import Principal
from services.market.lines import beside, beside_references, with_usual_vat
from services.market.places import delivered_to
from services.market.replicas import calendar_of
from services.pools import store
from services.pools.domain import (
    CancelPool,
    Command,
    Enrol,
    Freeze,
    OpenPool,
    Pool,
    PoolStage,
    RecordResult,
    RecordSourcingRefused,
    RequestSourcing,
    WithdrawEnrolment,
    apply,
    decide,
)
from services.pools.domain import open_pool as decide_terms
from services.pools.domain.terms import check_open
from services.pools.store import PoolContract, StoredPool


class NotAnActiveBuyer(RuleBroken):
    code = "not-an-active-buyer"


class OpeningLine(msgspec.Struct, frozen=True, kw_only=True):
    """``unit_price`` is the initial price of one pack; None means the reference price for the lead's place. ``vat_rate``
    is in percent; None means the policy's rate. A client may send back a line as it is in an answer: it has no quantity
    yet."""

    AS_ANSWERED: ClassVar = Answered(Line)

    sku_id: Id
    unit_price: Amount | None = None
    vat_rate: Percent | None = None
    vat_included: bool = True


class PoolOpening(msgspec.Struct, frozen=True, kw_only=True):
    """``regions`` are ISO 3166-2 codes; if it is empty, goods are delivered anywhere. ``below_minimum`` is cancel,
    smaller or extend-once."""

    title: Title
    lines: Lines[OpeningLine]
    minimum_quantity: Packs
    enrolment_ends_at: Instant
    kind: Code = "goods"
    regions: Few[Code] = ()
    below_minimum: Code = "cancel"
    duration_minutes: Minutes = 1440
    currency: Code = ""


class WantedPacks(msgspec.Struct, frozen=True, kw_only=True):
    """Like :class:`Demand`, but with few decimals, so that the result can be divided exactly."""

    line_id: Id
    firm: Packs
    tolerance: Packs = Decimal(0)


class Enrolment(msgspec.Struct, frozen=True, kw_only=True):
    """Quantities are in units of each line. Without a place, the place is the member's seat."""

    demands: Lines[WantedPacks]
    region: Name = ""
    locality: Name = ""
    deliver_by: Instant | None = None


class Sourcing(msgspec.Struct, frozen=True, kw_only=True):
    """``unit_prices`` lowers the initial price of a pack, by line id."""

    step_percent: Percent
    duration_minutes: Minutes | None = None
    unit_prices: ByLine[Amount] = {}


async def open_pool(
    tx: Transaction, opening: PoolOpening, principal: Principal, policy: Policy, request_key: str = ""
) -> str:
    """Open a pool and return its id; repeating the request returns the same id. Raise what :mod:`domain.terms` raises,
    UnknownSku or NotAnActiveBuyer."""
    async with tx.once("open", request_key, caller=principal.member_id, body=opening, answer=str) as once:
        if once.first:
            once.answer = await _open(tx, opening, principal, policy)
    return once.answer


async def _open(tx: Transaction, opening: PoolOpening, principal: Principal, policy: Policy) -> str:
    lead = await active_buyer(tx, principal)
    check_open(await store.count_open(tx, lead.organisation_id), policy.pool)
    currency = opening.currency or policy.currency
    lines, first, references = await _lines(tx, opening.lines, lead.place, currency, policy)
    (opened,) = decide_terms(
        OpenPool(
            pool_id=new_id(),
            lead_id=lead.organisation_id,
            lead_name=lead.name,
            title=opening.title.strip() or (first.name if first else ""),
            kind=opening.kind,
            category=first.category if first else Category(code=""),
            currency=currency,
            regions=written_areas(opening.regions),
            lines=lines,
            minimum_quantity=opening.minimum_quantity,
            enrolment_ends_at=opening.enrolment_ends_at,
            below_minimum=opening.below_minimum,
            duration_minutes=opening.duration_minutes,
        ),
        policy=policy,
        calendar=calendar_of(lead),
        references=references,
        now=tx.now,
    )
    kept = StoredPool(pool=apply(None, opened), opened_at=tx.now)
    await store.save(tx, kept, opened.enrolment_ends_at, [opened])
    return opened.pool_id


async def enrol(tx: Transaction, pool_id: str, enrolment: Enrolment, principal: Principal) -> None:
    """Enrol, or change the enrolment before the freeze. Raise what :mod:`domain.enrolment` raises."""
    member = await active_buyer(tx, principal)
    await act(
        tx,
        pool_id,
        Enrol(
            member_id=member.organisation_id,
            member_name=member.name,
            demands=tuple(
                Demand(line_id=each.line_id, firm=each.firm, tolerance=each.tolerance) for each in enrolment.demands
            ),
            place=delivered_to(enrolment.region, enrolment.locality, member.place),
            deliver_by=enrolment.deliver_by,
        ),
    )


def policy_of(kept: StoredPool) -> Policy:
    """Return the policy under which the pool was opened."""
    opened = kept.pool.opened
    return of_process(opened.policy_text, opened.policy)


async def withdraw(tx: Transaction, pool_id: str, principal: Principal, reason: str = "") -> bool:
    """Withdraw the caller's organisation. Return whether this is a default; for a repeat, whether the withdrawal that it repeats was."""
    await act(tx, pool_id, WithdrawEnrolment(member_id=principal.organisation_id, reason=reason))
    return await store.left_by_default(tx, pool_id, principal.organisation_id)


async def freeze(tx: Transaction, pool_id: str, principal: Principal) -> None:
    await act(tx, pool_id, Freeze(by=principal.organisation_id))


async def cancel(tx: Transaction, pool_id: str, principal: Principal, reason: str) -> None:
    await act(tx, pool_id, CancelPool(by=principal.organisation_id, reason=reason))


async def request_sourcing(tx: Transaction, pool_id: str, sourcing: Sourcing, principal: Principal) -> None:
    """Ask for a mini-auction. The place of the whole demand is the lead's seat."""
    lead = await active_buyer(tx, principal)
    fields = msgspec.structs.asdict(sourcing)
    await act(tx, pool_id, RequestSourcing(by=lead.organisation_id, place=lead.place, **fields))


async def act(tx: Transaction, pool_id: str, command: Command) -> StoredPool:
    """Read the pool with a lock, decide and save. Raise Missing and the rule that is broken."""
    kept = await store.lock(tx, pool_id)
    if kept is None:
        raise Missing("pool", pool_id)
    if isinstance(command, Enrol | WithdrawEnrolment):
        past = await store.past_of(tx, pool_id, command.member_id)
        kept = msgspec.structs.replace(kept, pool=kept.pool.reminded(command.member_id, past))
    return await carry_out(tx, kept, command)


async def carry_out(tx: Transaction, kept: StoredPool, command: Command) -> StoredPool:
    """Decide about a pool that is already locked, and save it."""
    happened = decide(kept.pool, command, tx.now)
    pool = kept.pool
    for event in happened:
        pool = apply(pool, event)
    asked_anew = any(isinstance(event, PoolSourcingRequested) for event in happened)
    after = msgspec.structs.replace(kept, pool=pool, auction_id=None if asked_anew else kept.auction_id)
    if happened:
        due_at = pool.enrolment_ends_at if pool.stage is PoolStage.ENROLLING else None
        await store.save(tx, after, due_at, happened)
    return after


async def active_buyer(tx: Transaction, principal: Principal) -> OrganisationRegistered:
    """Return the principal's organisation. Raise NotAnActiveBuyer."""
    found = await store.organisations.get(await tx.raw(), principal.organisation_id)
    if found is None or "buyer" not in found.roles or found.state != "active":
        state = "not known as a buyer here (yet)" if found is None or "buyer" not in found.roles else found.state
        raise NotAnActiveBuyer(
            f"Only active buyers can take part in pools; {principal.organisation_name} is {state}.",
            state=state,
            organisation=principal.organisation_name,
        )
    return found


async def suggested_prices(
    tx: Transaction, lines: tuple[Line, ...], place: Place, currency: str, policy: Policy
) -> dict[str, Decimal]:
    """Return the reference price of a pack at the place, by line id, for lines that have one."""
    found = await _references(tx, lines, place, currency, policy)
    return {line_id: reference.unit_price for line_id, reference in found.items()}


async def _references(
    tx: Transaction, lines: tuple[Line, ...], place: Place, currency: str, policy: Policy
) -> dict[str, ReferencePrice]:
    priced = with_usual_vat(lines, policy)
    found = await beside_references(await tx.raw(), store.references, priced, place, currency)
    return {each.line.line_id: each.reference for each in found if each.reference}


async def _lines(
    tx: Transaction, wanted: tuple[OpeningLine, ...], place: Place, currency: str, policy: Policy
) -> tuple[tuple[Line, ...], SkuPublished | None, dict[str, ReferencePrice]]:
    """Return the lines as the SKUs describe them, with prices; the first SKU, which gives the pool its category; and
    the reference prices by line id."""
    skus = await store.skus.get(await tx.raw(), [each.sku_id for each in wanted])
    lines = []
    for each in wanted:
        sku = skus.get(each.sku_id)
        if sku is None:
            raise UnknownSku(f"There is no published SKU {each.sku_id!r}.", field="lines", sku=each.sku_id)
        lines.append(line_of(sku, each, policy))
    references = await _references(tx, tuple(lines), place, currency, policy)
    priced = []
    for line in lines:
        reference = references.get(line.line_id)
        if line.unit_price is None and reference is not None:
            line = msgspec.structs.replace(line, unit_price=reference.unit_price)
        priced.append(line)
    return tuple(priced), skus[wanted[0].sku_id] if wanted else None, references


def line_of(sku: SkuPublished, wanted: OpeningLine, policy: Policy) -> Line:
    """Return the line of a SKU. The line's id is the SKU's id."""
    return Line(
        line_id=sku.sku_id,
        description=sku.name,
        category=sku.category,
        sku_id=sku.sku_id,
        unit=sku.base_unit,
        pack_size=sku.pack_size,
        unit_price=wanted.unit_price,
        vat_rate=policy.vat_rate(wanted.vat_rate),
        vat_included=wanted.vat_included,
        attributes=sku.attributes,
    )


# Reactions to what other services announced

reactions = Reactions(store.organisations.reactions, store.skus.reactions, store.references.reactions)


@reactions.on(AuctionOpened)
async def remember_auction(tx: Transaction, event: AuctionOpened) -> None:
    if event.pool_id is not None:
        await store.set_auction(tx, event.pool_id, event.auction_id)


@reactions.on(AuctionOpeningRefused)
async def record_refusal(tx: Transaction, event: AuctionOpeningRefused) -> None:
    if (kept := await store.lock(tx, event.pool_id)) is not None:
        await carry_out(tx, kept, RecordSourcingRefused(refusal=event.refusal))


@reactions.on(AuctionClosed)
async def share_out(tx: Transaction, closed: AuctionClosed) -> None:
    """Divide the result. What a member would have paid alone is the reference price for its own place."""
    if closed.pool_id is None or (kept := await store.lock(tx, closed.pool_id)) is None:
        return
    if kept.auction_id not in (None, closed.auction_id):
        return  # the end of an earlier attempt arrived late
    await carry_out(tx, kept, RecordResult(closed=closed, alone=await _prices_alone(tx, kept.pool)))


async def _prices_alone(tx: Transaction, pool: Pool) -> dict[tuple[str, str], Decimal]:
    """Return the reference prices by (member id, line id), for the lines that a member wants and that have a reference
    price at its place. The references are read once for all members, and compared once for each place."""
    opened = pool.opened
    priced = with_usual_vat(opened.lines, of_process(opened.policy_text, opened.policy))
    lines = {line.line_id: line for line in priced}
    published = await store.references.get(await tx.raw(), [line.sku_id for line in lines.values() if line.sku_id])
    wanted: dict[Place, dict[str, list[str]]] = {}
    for member in pool.members.values():
        of_place = wanted.setdefault(member.place, {})
        for demand in member.demands:
            of_place.setdefault(demand.line_id, []).append(member.member_id)
    alone: dict[tuple[str, str], Decimal] = {}
    for place, members in wanted.items():
        for each in beside([lines[line_id] for line_id in members], published, place, opened.currency):
            if each.reference is not None:
                line_id, price = each.line.line_id, each.reference.unit_price
                alone |= {(member_id, line_id): price for member_id in members[line_id]}
    return alone


@reactions.with_envelope(ContractDrafted, ContractConcluded, ContractEnded)
async def record_contract(
    tx: Transaction, event: ContractDrafted | ContractConcluded | ContractEnded, envelope: Envelope
) -> None:
    """Record a member's contract. A member is done when its contract is signed, or has ended and no other supplier was
    asked.

    The cascade drafts the next contract together with the end of the former one. From a certain rank on it waits for
    the buyer, so an end counts only after the time that a buyer has for its draft.
    """
    if event.pool_id is None or (stage := await store.lock_stage(tx, event.pool_id)) is None:
        return
    states = {ContractDrafted: "drafted", ContractConcluded: "concluded", ContractEnded: "ended"}
    contract = PoolContract(
        member_id=event.buyer_id, contract_id=event.contract_id, state=states[type(event)], at=envelope.time
    )
    if await store.put_contract(tx, event.pool_id, contract) and stage is PoolStage.CONTRACTING:
        waits = await store.waits_for_signatures(tx, event.pool_id)
        await store.set_due(tx, event.pool_id, None if waits else await _contracting_over(tx, event.pool_id))


async def _contracting_over(tx: Transaction, pool_id: str) -> datetime | None:
    """Return the time after which nobody can get another contract, or None while a contract is missing. It is called
    when no contract of the pool waits for signatures."""
    kept = await store.get(await tx.raw(), pool_id)
    if kept is None or kept.pool.allocated is None:
        return None
    contracts = await store.contracts_of(tx, pool_id)
    if any(each.member_id not in contracts for each in kept.pool.allocated.allocations):
        return None
    ended = [each.at for each in contracts.values() if each.state == "ended"]
    if not ended:
        return tx.now
    policy = policy_of(kept)
    lead = await store.organisations.get(await tx.raw(), kept.pool.opened.lead_id)
    assert lead is not None, "the lead that opened a pool is in the replica, and nothing is removed from it"
    return policy.due(max(ended), policy.contract.buyer_draft_days, calendar_of(lead))
