"""Use cases and reactions: openings by buyers and pools, and the replicas. (For bids see ``lane.py``, for the close
``timers.py``.)"""

import asyncio
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Literal

import asyncpg
import msgspec
from msgspec.structs import replace

from catalogue.money import minor_step, round_money
from catalogue.policy import Policy, is_shipped, of_process
from catalogue.references import ReferencePrice
from catalogue.rules import NotTheBuyer, RuleBroken, require_repeat
from events.accounts import OrganisationRegistered
from events.auctions import AuctionOpened, AuctionOpeningRefused, Scoring
from events.bounds import Amount, Code, Instant, Lines, Minutes, Percent, Title
from events.contracts import ContractConcluded, ContractEnded
from events.pools import PoolSourcingRequested
from events.values import Category, Line, Place, Refusal
from infra.database import Transaction
from infra.denied import Missing
from infra.ids import derive_id, new_id
from infra.reactions import Reactions
from infra.texts import clean
from infra.tokens import Principal
from services.auctions import last_time
from services.auctions.domain import autobid as floors
from services.auctions.domain import complaints, remedies
from services.auctions.domain.auction import Fact, apply, begin
from services.auctions.domain.chain import GENESIS
from services.auctions.domain.complaints import Complaint
from services.auctions.domain.opening import OpenAuction, check_open, open_auction
from services.auctions.journal import chained, entries, write
from services.auctions.judging import WaitingBid
from services.auctions.lane import BidAnswer, Lane
from services.auctions.store import auctions, replicas
from services.auctions.store import complaints as filed
from services.auctions.store.auctions import StoredAuction
from services.auctions.store.complaints import StoredComplaint
from services.market.lines import Beside, WantedLine, beside_references, with_usual_vat
from services.market.lines import lines_of as lines_wanted
from services.market.places import delivered_to, place_named
from services.market.replicas import calendar_of

UNKNOWN_BUYER = "unknown"


class NewLine(WantedLine, frozen=True, kw_only=True):
    """``unit_price`` is the price of one unit or pack that ``quantity`` counts."""

    unit_price: Amount


class NewBid(msgspec.Struct, frozen=True, kw_only=True):
    """A bid as a supplier sends it. Without a ``request_key`` it is always a new bid."""

    auction_id: str
    amount: Decimal
    request_key: str
    choices: tuple[int, ...] = ()


class NewComplaint(msgspec.Struct, frozen=True, kw_only=True):
    """A complaint as a supplier sends it."""

    auction_id: str
    grounds: str
    evidence: str


class NewAuction(msgspec.Struct, frozen=True, kw_only=True):
    """What a buyer asks for. Prices include VAT at ``vat_rate`` percent (None: the policy's rate); if ``vat_included``
    is false they do not include it."""

    title: Title
    lines: Lines[NewLine]
    duration_minutes: Minutes
    step_percent: Percent
    kind: Code = "goods"
    place: Place = Place()
    vat_rate: Percent | None = None
    vat_included: bool = True
    opens_at: Instant | None = None
    scoring: Scoring = Scoring()
    equivalents: bool = False


async def lines_of(db: asyncpg.Connection, wanted: NewAuction) -> tuple[Line, ...]:
    """Return the lines as the domain knows them, with the data of their SKUs. Raise what
    :func:`services.market.lines.lines_of` raises."""
    lines = await lines_wanted(db, replicas.skus, wanted.lines)
    vat = {"vat_rate": wanted.vat_rate, "vat_included": wanted.vat_included}
    prices = (each.unit_price for each in wanted.lines)
    return tuple(replace(line, unit_price=price, **vat) for line, price in zip(lines, prices, strict=True))


async def priced(db: asyncpg.Connection, lines: tuple[Line, ...], place: Place, currency: str) -> list[Beside]:
    """Return each line with the reference price that applies to it at the place of delivery."""
    return await beside_references(db, replicas.references, lines, place, currency)


def suggested(reference: ReferencePrice, currency: str) -> Decimal:
    """Return a unit price to begin with: the reference price, rounded down to the minor unit so that it does not exceed
    the reference (not rounded if that would give 0)."""
    cut = reference.unit_price.quantize(minor_step(currency), rounding=ROUND_DOWN)
    return cut or reference.unit_price


FORMER_VAT = Decimal(20)
"""The rate, in percent, by which the former release knows a request without a rate, in every shipped preset. In a file of
the market's own it is that of the file. A later release needs no former forms of requests."""


async def open_for_buyer(tx: Transaction, wanted: NewAuction, principal: Principal, policy: Policy, key: str) -> str:
    """Open an auction for the principal's organisation and return its id; repeating the ``key`` returns the same id.
    Raise RuleBroken."""
    asked, wanted = wanted, _with_vat(wanted, policy)
    formerly = replace(asked, vat_rate=FORMER_VAT if asked.vat_rate is None else asked.vat_rate)
    forms = (formerly, wanted) if is_shipped(policy.name) else (wanted, formerly)
    async with tx.once(
        "open", key, caller=principal.organisation_id, body=asked, answer=str, former_bodies=forms
    ) as once:
        if once.first:
            db = await tx.raw()
            buyer = await buyer_of(db, principal)
            check_open(await auctions.count_open(tx, buyer.organisation_id), policy.auction)
            opened = await _open(tx, await _command(db, wanted, buyer, policy), policy, buyer)
            once.answer = opened.auction_id
    return once.answer


def _with_vat(wanted: NewAuction, policy: Policy) -> NewAuction:
    return replace(wanted, vat_rate=policy.vat_rate(wanted.vat_rate))


async def preview(
    db: asyncpg.Connection, wanted: NewAuction, principal: Principal, policy: Policy, now: datetime
) -> AuctionOpened:
    """Return what :func:`open_for_buyer` would open. Raise RuleBroken."""
    buyer = await buyer_of(db, principal)
    return await _opened(db, await _command(db, _with_vat(wanted, policy), buyer, policy), policy, buyer, now)


async def _delivered(place: Place, seat: Place) -> Place:
    """Return the place of delivery, with the given point or otherwise the centre of the named place. Without a country,
    the region or the buyer's seat determines it."""
    country, region, locality = place.country or "", place.region or "", place.locality or ""
    if country:
        found = await asyncio.to_thread(place_named, country, region, locality, "place")
    else:
        found = await asyncio.to_thread(delivered_to, region, locality, seat, "place")
    if place.latitude is None or place.longitude is None:
        return found
    return replace(found, latitude=place.latitude, longitude=place.longitude)


async def _command(
    db: asyncpg.Connection, wanted: NewAuction, buyer: OrganisationRegistered, policy: Policy
) -> OpenAuction:
    lines = await lines_of(db, wanted)
    return OpenAuction(
        auction_id=new_id(),
        buyer_id=buyer.organisation_id,
        buyer_name=buyer.name,
        title=wanted.title,
        kind=wanted.kind,
        category=next((line.category for line in lines if line.category), Category(code="")),
        place=await _delivered(wanted.place, buyer.place),
        currency=policy.currency,
        lines=lines,
        duration_minutes=wanted.duration_minutes,
        step_percent=wanted.step_percent,
        standing=buyer.state,
        opens_at=wanted.opens_at,
        scoring=wanted.scoring,
        equivalents=wanted.equivalents,
    )


async def buyer_of(db: asyncpg.Connection, principal: Principal) -> OrganisationRegistered:
    """Return the principal's organisation. If accounts has not announced it yet, its state allows no opening."""
    found = await replicas.organisations.get(db, principal.organisation_id)
    return found or OrganisationRegistered(
        organisation_id=principal.organisation_id,
        roles=(),
        name=principal.organisation_name,
        state=UNKNOWN_BUYER,
        place=Place(country=principal.country or None, region=principal.region or None),
    )


async def _opened(
    db: asyncpg.Connection, command: OpenAuction, policy: Policy, buyer: OrganisationRegistered, now: datetime
) -> AuctionOpened:
    beside = await priced(db, command.lines, command.place, command.currency)
    references = {each.line.line_id: each.reference for each in beside if each.reference}
    return open_auction(command, policy=policy, calendar=calendar_of(buyer), references=references, now=now)


async def _open(tx: Transaction, command: OpenAuction, policy: Policy, buyer: OrganisationRegistered) -> AuctionOpened:
    db = await tx.raw()
    opened = await _opened(db, command, policy, buyer, tx.now)
    state = begin(opened)
    if await auctions.insert(tx, state, policy):
        fresh = StoredAuction(state=state, policy=policy, lines=0, head=GENESIS, result=None, version=-1)
        await write(db, [chained(fresh, entries([opened]), state, tx.now, tx.limits)], tx.now)
    return opened


# While an auction runs


async def place_bid(lane: Lane, bid: NewBid, principal: Principal, arrived_at: datetime) -> BidAnswer:
    """Place the bid and return the lane's verdict and receipt. Raise Missing, LaneBlocked or KeyReused."""
    key = clean(bid.request_key) or new_id()
    return await lane.place(
        WaitingBid(clean(bid.auction_id), principal.organisation_id, key, bid.amount, arrived_at, bid.choices)
    )


async def set_autobid(
    tx: Transaction, auction_id: str, floor: Decimal, on: bool, principal: Principal
) -> floors.Autobid:
    """Set the supplier's floor, or switch it off. Raise Missing and what :mod:`domain.autobid` raises."""
    db = await tx.raw()
    stored = await lock(tx, auction_id)
    supplier_id = principal.organisation_id
    if on:
        floors.check(stored.state, supplier_id, floor, tx.now)
    autobid = floors.Autobid(floor, tx.now, on)
    before = stored.autobids.get(supplier_id)
    if before and (before.floor, before.on) == (floor, on):
        return before
    after = replace(stored, autobids={**stored.autobids, supplier_id: autobid}, version=stored.version + 1)
    await auctions.save(db, [after])
    return autobid


async def delete_last_bid(tx: Transaction, auction_id: str, principal: Principal) -> None:
    """Delete the caller's last bid, if the policy allows it. Raise Missing and what :func:`remedies.delete_last`
    raises."""
    stored = await lock(tx, auction_id)
    await _add(tx, stored, remedies.delete_last(stored.state, principal.organisation_id, tx.now))


async def withdraw(tx: Transaction, auction_id: str, reason: str, principal: Principal) -> None:
    """Withdraw the auction as its buyer; repeating it changes nothing. Raise Missing, NotTheBuyer, DoneOtherwise if it
    was withdrawn for another reason, and what :func:`remedies.withdraw` raises."""
    db = await tx.raw()
    stored = await lock(tx, auction_id)
    if stored.opened.buyer_id != principal.organisation_id:
        raise NotTheBuyer("Only the buyer can withdraw its mini-auction.")
    if stored.result is not None and stored.result.outcome == "withdrawn":
        require_repeat(reason.strip() == stored.result.reason, stored.result.reason)
        return
    calendar = calendar_of(await buyer_of(db, principal))
    rules = stored.policy.auction.withdrawal
    await _add(tx, stored, remedies.withdraw(stored.state, reason, tx.now, rules=rules, calendar=calendar))


async def complain(tx: Transaction, wanted: NewComplaint, principal: Principal, key: str) -> str:
    """File a complaint and return its id; repeating the ``key`` returns the same id. Raise Missing and what
    :func:`complaints.file` raises."""
    body = [wanted.auction_id, wanted.grounds, wanted.evidence]
    async with tx.once("complaint", key, caller=principal.organisation_id, body=body, answer=str) as once:
        if once.first:
            db = await tx.raw()
            stored = await lock(tx, wanted.auction_id)
            complaint = Complaint(
                complaint_id=new_id(),
                auction_id=stored.opened.auction_id,
                organisation_id=principal.organisation_id,
                grounds=wanted.grounds.strip(),
                evidence=wanted.evidence.strip(),
                filed_at=tx.now,
            )
            earlier, waiting = await filed.of_supplier(db, complaint.auction_id, complaint.organisation_id)
            rules = stored.policy.auction
            tx.emit(complaints.file(stored.state, complaint, rules=rules, earlier=earlier, waiting=waiting))
            await filed.save(tx, StoredComplaint(complaint=complaint))
            once.answer = complaint.complaint_id
    return once.answer


async def decide_complaint(
    tx: Transaction, complaint_id: str, decision: Literal["upheld", "rejected"], reason: str
) -> Complaint:
    """Decide a complaint as a moderator; repeating it changes nothing. If it is upheld, the auction is cancelled. Raise
    Missing, DoneOtherwise if the same was decided for another reason, and what :func:`complaints.decide` raises."""
    db = await tx.raw()
    complaint_id = clean(complaint_id)
    found = await filed.get(db, complaint_id)
    if found is None:
        raise Missing("complaint", complaint_id)
    stored = await lock(tx, found.complaint.auction_id)
    kept = await filed.lock(tx, complaint_id)
    assert kept is not None, "no complaint is deleted"
    complaint = kept.complaint
    if complaint.decision == decision:
        require_repeat(reason.strip() == complaint.reason, complaint.reason)
        return complaint
    rules = stored.policy.auction
    decided, cancelled = complaints.decide(stored.state, complaint, decision, reason, tx.now, rules=rules)
    tx.emit(decided)
    after = replace(complaint, decision=decision, reason=decided.reason, decided_at=tx.now)
    await filed.save(tx, replace(kept, complaint=after))
    if cancelled is not None:
        await _add(tx, stored, cancelled)
    return after


async def lock(tx: Transaction, auction_id: str) -> StoredAuction:
    stored = await auctions.lock(tx, clean(auction_id))
    if stored is None:
        raise Missing("auction", auction_id)
    return stored


async def _add(tx: Transaction, stored: StoredAuction, fact: Fact) -> None:
    """Add a fact to the log. Its event may be as large as a consequence, because it repeats texts that possibly a
    former release accepted."""
    written = chained(stored, entries([fact]), apply(stored.state, fact), tx.now)
    await write(await tx.raw(), [written], tx.now)


# Reactions to what other services announced


reactions = Reactions(replicas.organisations.reactions, replicas.skus.reactions, replicas.references.reactions)
reactions.on(ContractConcluded)(last_time.keep)
reactions.on(ContractEnded)(last_time.forget)


@reactions.on(PoolSourcingRequested)
async def open_for_pool(tx: Transaction, event: PoolSourcingRequested) -> None:
    """Open the auction of a pool. Its id follows from the pool's, so asking twice opens one auction."""
    db = await tx.raw()
    auction_id = derive_id("auction", event.pool_id, str(event.attempt))
    if await auctions.get(db, auction_id):
        return
    lead = await replicas.organisations.get(db, event.lead_id)
    buyer = lead or OrganisationRegistered(
        organisation_id=event.lead_id, roles=(), name=event.lead_name, state=UNKNOWN_BUYER, place=event.place
    )
    try:
        policy = of_process(event.policy_text, event.policy)
        check_open(await auctions.count_open(tx, event.lead_id), policy.auction)
        command = OpenAuction(
            auction_id=auction_id,
            buyer_id=event.lead_id,
            buyer_name=event.lead_name,
            title=event.title,
            kind=event.kind,
            category=event.category,
            place=event.place,
            currency=event.currency,
            lines=with_usual_vat(event.lines, policy),
            duration_minutes=event.duration_minutes,
            step_percent=event.step_percent,
            standing=buyer.state,
            pool_id=event.pool_id,
        )
        await _open(tx, command, policy, buyer)
    except RuleBroken as broken:
        tx.emit(AuctionOpeningRefused(pool_id=event.pool_id, buyer_id=event.lead_id, refusal=Refusal.of(broken)))


def total(lines: tuple[Line, ...], currency: str) -> Decimal:
    """Return what the initial price would be: the sum of line amounts, each rounded once."""
    amounts = ((line.quantity or 0) * (line.unit_price or Decimal(0)) for line in lines)
    return sum((round_money(Decimal(amount), currency) for amount in amounts), start=Decimal(0))
