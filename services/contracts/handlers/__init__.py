"""Use cases and reactions of contracts: deals that are awarded and signed, and the replicas."""

from datetime import date
from typing import ClassVar

import asyncpg
import msgspec
from msgspec import structs

from catalogue.calendar import RegionCalendar
from catalogue.policy import of_process
from catalogue.roles import BUYER_OFFICER, SEES_ALL, SUPPLIER_AGENT
from catalogue.rules import UnknownSku, role_missing
from events.accounts import OrganisationRegistered
from events.auctions import AuctionClosed, AuctionOpened, BidDisclosed
from events.bounds import Amount, ByLine, Clause, Code, Count, Few, Lines, Quantity
from events.catalogue import SkuPublished
from events.contracts import ContractDrafted, ContractEnded, Equivalent, Point, PointAnswer, Security, Term
from events.fulfilment import ExecutionOver
from events.pools import PoolAllocated, PoolOpened
from events.purchases import PurchaseAccepted, PurchaseWaits, PurchaseWaitsNoMore
from events.quotes import QuoteDisclosed, QuoteRequestClosed
from events.values import Place
from infra.answered import Answered
from infra.database import Transaction
from infra.denied import Missing
from infra.ids import derive_id
from infra.reactions import Reactions
from infra.tokens import Principal
from services.contracts.domain import awards, signing
from services.contracts.domain.deals import Deal, apply
from services.contracts.domain.deciding import Deciding
from services.contracts.domain.equivalents import EquivalentCard, EquivalentProposal
from services.contracts.domain.objections import AnswerObjection, FileObjection
from services.contracts.domain.refusals import Refuse, refusal_of
from services.contracts.domain.signing import ActivateNext, Command, Extend, OfferDeal, TakeStep
from services.contracts.store import contracts, deals, replicas
from services.contracts.store import refusals as disputable
from services.contracts.store.contracts import ContractRecord
from services.contracts.store.listing import ListedContract
from services.market.replicas import calendar_of

AT_ONCE = 100
"""How many deals of a process are written in one statement, since each has its lines and its policy."""


class NamedEquivalent(msgspec.Struct, frozen=True, kw_only=True):
    """An equivalent as a supplier names it: a SKU of the catalogue, or a description. If it is copied from an answer,
    the buyer's refusal is left out."""

    AS_ANSWERED: ClassVar = Answered(Equivalent)

    line_id: Code
    quantity: Quantity
    sku_id: Code = ""
    description: Clause = ""


class WrittenTerm(msgspec.Struct, frozen=True, kw_only=True):
    """A term as a buyer writes it. ``code`` is one of :data:`catalogue.policy.TERMS`; ``line_id`` is "" for the whole
    contract."""

    code: Code
    text: Clause
    line_id: Code = ""


class NamedSecurity(msgspec.Struct, frozen=True, kw_only=True):
    """A performance security; ``kind`` is bank-guarantee or deposit."""

    kind: Code
    reference: Clause
    amount: Amount
    valid_until: date


class Brought(msgspec.Struct, frozen=True, kw_only=True):
    """What a step brings besides a signature: the supplier's equivalents with its offer; the terms and the refused
    equivalents (the reason by line) with the buyer's draft; a performance security with the supplier's signature.
    ``version`` is the version of the draft that was read."""

    equivalents: Few[NamedEquivalent] = ()
    terms: Lines[WrittenTerm] = ()
    refused_equivalents: ByLine[Clause] = {}
    security: NamedSecurity | None = None
    version: Count | None = None


NOTHING = Brought()


def may_see(contract: ContractRecord | ListedContract, principal: Principal | None) -> bool:
    """Return whether this reader may see the contract. Everybody sees a concluded one. Until then only its two parties
    see it, and those who supervise the market."""
    if contract.state == "concluded":
        return True
    return principal is not None and (contract.concerns(principal.organisation_id) or principal.may(*SEES_ALL))


# Signing


async def take_step(
    tx: Transaction, contract_id: str, step: str, principal: Principal, brought: Brought = NOTHING
) -> None:
    """Take a step. Like all acts here, repeating it changes nothing. Raise Missing, RoleMissing and what
    :mod:`domain.signing` raises."""
    command = TakeStep(
        contract_id=contract_id,
        step=step,
        actor=principal.actor,
        equivalents=await _proposals(tx, brought.equivalents),
        terms=tuple(Term(**structs.asdict(each)) for each in brought.terms),
        refused=brought.refused_equivalents,
        security=Security(**structs.asdict(brought.security)) if brought.security else None,
        version=brought.version,
    )
    await _act(tx, contract_id, command, principal)


async def _proposals(tx: Transaction, named: tuple[NamedEquivalent, ...]) -> tuple[EquivalentProposal, ...]:
    """Return the proposals, with the catalogue's data if they name a SKU. Raise UnknownSku."""
    wanted = [each.sku_id for each in named if each.sku_id]
    found = await replicas.skus.get(await tx.raw(), wanted) if wanted else {}
    for each in named:
        if each.sku_id and each.sku_id not in found:
            raise UnknownSku(
                f"There is no published SKU {each.sku_id!r}.", field=f"equivalent-{each.line_id}", sku=each.sku_id
            )
    return tuple(
        EquivalentProposal(
            line_id=each.line_id,
            quantity=each.quantity,
            description=each.description,
            card=_card(found[each.sku_id]) if each.sku_id else None,
        )
        for each in named
    )


def _card(sku: SkuPublished) -> EquivalentCard:
    return EquivalentCard(
        sku_id=sku.sku_id, name=sku.name, category=sku.category, unit=sku.base_unit, pack_size=sku.pack_size
    )


async def extend(tx: Transaction, contract_id: str, step: str, principal: Principal) -> None:
    command = Extend(contract_id=contract_id, step=step, actor=principal.actor)
    await _act(tx, contract_id, command, principal)


async def file_objection(tx: Transaction, contract_id: str, points: tuple[Point, ...], principal: Principal) -> None:
    command = FileObjection(
        contract_id=contract_id,
        actor=principal.actor,
        points=points,
    )
    await _act(tx, contract_id, command, principal)


async def answer_objection(
    tx: Transaction, contract_id: str, number: int, answers: tuple[PointAnswer, ...], principal: Principal
) -> None:
    command = AnswerObjection(
        contract_id=contract_id,
        number=number,
        actor=principal.actor,
        answers=answers,
    )
    await _act(tx, contract_id, command, principal)


async def refuse(
    tx: Transaction,
    contract_id: str,
    explanation: str,
    principal: Principal,
    *,
    ground: str = "",
    evidence: str = "",
    version: int | None = None,
) -> None:
    command = Refuse(
        contract_id=contract_id,
        organisation_id=principal.organisation_id,
        explanation=explanation.strip(),
        ground=ground,
        evidence=evidence.strip(),
        version=version,
    )
    await _act(tx, contract_id, command, principal)


async def activate_next(tx: Transaction, contract_id: str, principal: Principal) -> None:
    command = ActivateNext(contract_id=contract_id, organisation_id=principal.organisation_id)
    await _act(tx, contract_id, command, principal)


async def _act(tx: Transaction, contract_id: str, command: Command, principal: Principal) -> None:
    db = await tx.raw()
    contract = await contracts.get(db, contract_id)
    if contract is None or not may_see(contract, principal):
        raise Missing("contract", contract_id)
    if contract.concerns(principal.organisation_id):
        buys = principal.organisation_id == contract.drafted.buyer_id
        require_role(principal, BUYER_OFFICER if buys else SUPPLIER_AGENT)
    kept = await deals.lock(tx, contract.drafted.process_id, contract.drafted.buyer_id)
    assert kept is not None, "every contract belongs to a deal, written with it"
    await carry_out(tx, kept, command, principal.name)


def require_role(principal: Principal, role: str) -> None:
    if not principal.may(role):
        raise role_missing(role)


async def carry_out(tx: Transaction, kept: deals.StoredDeal, command: Command, member_name: str = "") -> None:
    """Decide about a deal that is locked (or new), and store what happened."""
    db = await tx.raw()
    ranking = await replicas.ranking(db, kept.auction_id)
    happened = signing.decide(kept.deal, command, Deciding(now=tx.now, derive_id=derive_id, ranking=ranking))
    if not happened:
        return
    deal = kept.deal
    for event in happened:
        deal = apply(deal, event)
        tx.emit(event)
        if isinstance(event, ContractEnded) and (refusal := refusal_of(deal, event, tx.now)) is not None:
            await disputable.save(tx, disputable.StoredRefusal(refusal=refusal))
    await deals.save(tx, structs.replace(kept, deal=deal))
    await contracts.write(tx, happened, member_name)


async def award(tx: Transaction, auction_id: str | None, *awarded: tuple[Deal, OfferDeal]) -> None:
    """Write the deals of one process. Deals that exist already stay as they are, because the event arrived twice. A
    portion of deals needs as many statements as one deal."""
    db = await tx.raw()
    for start in range(0, len(awarded), AT_ONCE):
        portion = awarded[start : start + AT_ONCE]
        process_id = portion[0][0].process_id
        known = await deals.buyers_of(db, process_id, [deal.buyer_id for deal, _ in portion])
        new, drafted = [], []
        for deal, first in portion:
            if deal.buyer_id in known:
                continue
            for event in signing.decide(deal, first, Deciding(now=tx.now, derive_id=derive_id)):
                deal = apply(deal, event)
                tx.emit(event)
                if isinstance(event, ContractDrafted):
                    drafted.append(event)
            new.append(deals.StoredDeal(deal=deal, auction_id=auction_id))
        if new:
            await deals.save(tx, *new)
            await contracts.put_drafted(tx, drafted)
            await tx.flush()


# Reactions to what other services announced

reactions = Reactions(replicas.organisations.reactions, replicas.skus.reactions)
reactions.on(AuctionOpened)(replicas.put_auction)
reactions.on(PoolOpened)(replicas.put_pool)
reactions.on(QuoteDisclosed)(replicas.put_quote)
reactions.on(PurchaseWaits)(replicas.put_request)
reactions.on(PurchaseWaitsNoMore)(replicas.drop_request)
reactions.on(ExecutionOver)(replicas.put_over)


@reactions.on(BidDisclosed)
async def put_bid(tx: Transaction, bid: BidDisclosed) -> None:
    """Store the bid. Bids of imported tenders lead to no contract here."""
    if bid.source is None and bid.rank is not None and bid.amount is not None:
        await replicas.put_bid(tx, bid)


@reactions.on(AuctionClosed)
async def award_auction(tx: Transaction, closed: AuctionClosed) -> None:
    """Offer the contract to the winner. After a pool's auction, PoolAllocated says what each member gets."""
    db = await tx.raw()
    await replicas.close_auction(tx, closed.auction_id)
    if closed.winner_id is None or closed.pool_id is not None:
        return
    opened = await replicas.auction(db, closed.auction_id)
    if opened is None:
        raise LookupError(f"auction {closed.auction_id} closed and was never opened")
    deal = awards.of_auction(
        opened,
        closed,
        winner_name=await _name(db, closed.winner_id),
        policy=of_process(opened.policy_text, opened.policy),
        calendar=await _calendar(db, closed.buyer_id, closed.place),
    )
    if deal is not None:
        await award(tx, closed.auction_id, deal)


@reactions.on(QuoteRequestClosed)
async def award_quote(tx: Transaction, closed: QuoteRequestClosed) -> None:
    """Offer the contract to the supplier that the buyer chose."""
    if closed.winner_id is None:
        return
    db = await tx.raw()
    deal = awards.of_quote(
        closed,
        winner_name=await _name(db, closed.winner_id),
        policy=of_process(closed.policy_text, closed.policy),
        calendar=await _calendar(db, closed.buyer_id, closed.place),
    )
    if deal is not None:
        await award(tx, closed.request_id, deal)


@reactions.on(PoolAllocated)
async def award_pool(tx: Transaction, allocated: PoolAllocated) -> None:
    """Award one contract to each member."""
    db = await tx.raw()
    policy = await replicas.pool_policy(db, allocated.pool_id)
    if policy is None:
        raise LookupError(f"pool {allocated.pool_id} was allocated and never opened")
    known = await replicas.organisations.get_all(db, [part.member_id for part in allocated.allocations])
    awarded = awards.of_pool(
        allocated,
        winner_name=await _name(db, allocated.supplier_id),
        policy=of_process(allocated.policy_text, policy),
        calendars={
            part.member_id: _calendar_of(known.get(part.member_id), part.place) for part in allocated.allocations
        },
    )
    await award(tx, allocated.auction_id, *awarded)


@reactions.on(PurchaseAccepted)
async def award_purchase(tx: Transaction, accepted: PurchaseAccepted) -> None:
    """Let the buyer draft the contract at once, because the supplier has already accepted."""
    deal = awards.of_purchase(
        accepted,
        policy=of_process(accepted.policy_text, accepted.policy),
        calendar=await _calendar(await tx.raw(), accepted.buyer_id, accepted.place),
    )
    await award(tx, None, deal)


async def _name(db: asyncpg.Connection, organisation_id: str) -> str:
    """Return the name, or the id if accounts has not announced the organisation yet."""
    found = await replicas.organisations.get(db, organisation_id)
    return found.name if found else organisation_id


async def _calendar(db: asyncpg.Connection, buyer_id: str, place: Place) -> RegionCalendar:
    return _calendar_of(await replicas.organisations.get(db, buyer_id), place)


def _calendar_of(buyer: OrganisationRegistered | None, place: Place) -> RegionCalendar:
    """Return the buyer's calendar, or that of the place of delivery if the buyer is not known yet."""
    return calendar_of(buyer) if buyer else RegionCalendar.of_place("UTC", place.region or place.country)
