"""Use cases and reactions of quick quotes."""

import asyncio
from datetime import datetime, timedelta

import msgspec

from catalogue.policy import Policy
from catalogue.rules import NotASupplier
from events.accounts import OrganisationRegistered
from events.bounds import Amount, ByLine, Code, Days, Instant, Lines, Name, Percent, Phrase, Reason
from events.codec import Event
from events.contracts import ContractConcluded, ContractDrafted, ContractEnded
from events.quotes import QuotingEnded
from events.values import Place
from infra.database import Transaction
from infra.denied import Missing
from infra.ids import new_id
from infra.reactions import Reactions
from infra.texts import clean
from infra.tokens import Principal
from services.market.lines import WantedLine, lines_of
from services.market.places import delivered_to
from services.market.replicas import calendar_of
from services.quotes import store
from services.quotes.domain import choosing, quoting
from services.quotes.domain.choosing import Choose, RejectAll, WithdrawRequest
from services.quotes.domain.opening import OpenRequest, check_open, open_request
from services.quotes.domain.quoting import Submit
from services.quotes.domain.request import (
    Comparison,
    Fact,
    Quote,
    QuotesDisclosed,
    QuoteSealed,
    QuoteWithdrawn,
    Request,
    RequestStage,
    apply,
    numbered,
)
from services.quotes.store import QuoteContract, StoredRequest

ORIGIN = "quote"


class NewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``closes_at`` has a time zone. ``region`` (ISO 3166-2 code or name) and ``locality`` are the place of delivery;
    if both are empty, it is the buyer's seat."""

    title: Name
    lines: Lines[WantedLine]
    closes_at: Instant
    kind: Code = "goods"
    requirements: Reason = ""
    region: Name = ""
    locality: Name = ""


class NewQuote(msgspec.Struct, frozen=True, kw_only=True):
    """``prices`` are prices of one unit (or pack) as the buyer pays them, by the line's id. They include VAT at
    ``vat_rate`` percent; None means the rate of the policy under which the request was opened."""

    prices: ByLine[Amount]
    delivery_days: Days
    vat_rate: Percent | None = None
    comment: Phrase = ""


def channel(request_id: str) -> str:
    """Return the channel of live pages. Its messages have only the version and the number of quotes."""
    return f"quotes:{request_id}"


# The buyer's request


async def open_for_buyer(tx: Transaction, wanted: NewRequest, principal: Principal, policy: Policy, key: str) -> str:
    """Open a request for the principal's organisation and return its id; repeating the ``key`` returns the same id.
    Raise RuleBroken."""
    async with tx.once("open", key, caller=principal.organisation_id, body=wanted, answer=str) as once:
        if once.first:
            once.answer = await _open(tx, wanted, principal, policy)
    return once.answer


async def _open(tx: Transaction, wanted: NewRequest, principal: Principal, policy: Policy) -> str:
    buyer = await buyer_of(tx, principal)
    check_open(await store.count_open(tx, buyer.organisation_id), policy)
    lines = await lines_of(await tx.raw(), store.skus, wanted.lines)
    request, opened = open_request(
        OpenRequest(
            request_id=new_id(),
            buyer_id=buyer.organisation_id,
            buyer_name=buyer.name,
            title=clean(wanted.title),
            kind=wanted.kind,
            place=delivered_to(wanted.region, wanted.locality, buyer.place),
            lines=lines,
            requirements=clean(wanted.requirements),
            closes_at=wanted.closes_at,
            standing=buyer.state,
        ),
        policy=policy,
        calendar=calendar_of(buyer),
        now=tx.now,
    )
    tx.emit(opened)
    await store.save(tx, StoredRequest(request=request), _due(request))
    return opened.request_id


async def buyer_of(tx: Transaction, principal: Principal) -> OrganisationRegistered:
    """Return the principal's organisation. If accounts has not announced it yet, its state allows no opening."""
    found = await store.organisations.get(await tx.raw(), principal.organisation_id)
    return found or OrganisationRegistered(
        organisation_id=principal.organisation_id,
        roles=(),
        name=principal.organisation_name,
        state="not known here (yet)",
        place=Place(country=principal.country or None, region=principal.region or None),
    )


# Suppliers' quotes


async def submit(
    tx: Transaction, request_id: str, quote: NewQuote, principal: Principal, arrived_at: datetime, key: str
) -> None:
    """Send a first quote, or a new version of it. Repeating the ``key`` changes nothing. Raise Missing, NotASupplier
    and what :func:`domain.quoting.submit` raises."""
    if quote.vat_rate is None:
        quote = msgspec.structs.replace(quote, vat_rate=(await _policy(tx, request_id)).vat_rate(None))
    act = f"submit/{clean(request_id)}"
    async with tx.once(act, key, caller=principal.organisation_id, body=quote, answer=str) as once:
        if once.first:
            await _submit(tx, request_id, quote, principal, arrived_at)
            once.answer = "taken"


async def _policy(tx: Transaction, request_id: str) -> Policy:
    kept = await store.get(await tx.raw(), clean(request_id))
    if kept is None:
        raise Missing("quote request", request_id)
    return kept.policy


async def _submit(
    tx: Transaction, request_id: str, quote: NewQuote, principal: Principal, arrived_at: datetime
) -> None:
    kept = await lock(tx, request_id)
    supplier = await store.organisations.get(await tx.raw(), principal.organisation_id, lock=True)
    if supplier is None or "supplier" not in supplier.roles:
        raise NotASupplier(
            f"{principal.organisation_name} is not known as a supplier here, or not yet.",
            organisation=principal.organisation_name,
        )
    command = Submit(
        supplier_id=supplier.organisation_id,
        supplier_name=supplier.name,
        standing=supplier.state,
        quote_id=new_id(),
        prices=quote.prices,
        vat_rate=kept.policy.vat_rate(quote.vat_rate),
        delivery_days=quote.delivery_days,
        comment=clean(quote.comment),
    )
    before = await store.quote_of(tx, kept.request.opened.request_id, supplier.organisation_id)
    await record(tx, kept, quoting.submit(kept.request, before, command, arrived_at))


async def withdraw(tx: Transaction, request_id: str, principal: Principal, arrived_at: datetime) -> None:
    """Withdraw the quote; repeating it changes nothing. Raise Missing and what :func:`domain.quoting.withdraw` raises."""
    kept = await lock(tx, request_id)
    quote = await store.quote_of(tx, kept.request.opened.request_id, principal.organisation_id)
    await record(tx, kept, quoting.withdraw(kept.request, quote, arrived_at))


# The buyer's choice


async def choose(tx: Transaction, request_id: str, participant: int, justification: str, principal: Principal) -> None:
    """Choose a participant; repeating it changes nothing. Raise Missing and what :func:`domain.choosing.choose` raises."""
    kept = await lock(tx, request_id)
    compared = await _compared(tx, kept, principal)
    chosen = compared.participant(participant)
    quote = await store.quote_of(tx, kept.request.opened.request_id, chosen.supplier_id) if chosen else None
    command = Choose(
        by=principal.organisation_id,
        participant=participant,
        lines=quote.lines if quote else (),
        justification=clean(justification),
        barred=await barred(tx, compared),
    )
    await record(tx, kept, choosing.choose(kept.request, compared, command, tx.now))


async def reject_all(tx: Transaction, request_id: str, reason: str, principal: Principal) -> None:
    """Choose nobody; repeating it changes nothing. Raise Missing and what :func:`domain.choosing.reject_all` raises."""
    kept = await lock(tx, request_id)
    command = RejectAll(by=principal.organisation_id, reason=clean(reason))
    compared = await _compared(tx, kept, principal)
    await record(tx, kept, choosing.reject_all(kept.request, compared, command, tx.now))


async def withdraw_request(tx: Transaction, request_id: str, reason: str, principal: Principal) -> None:
    """Withdraw the request; repeating it changes nothing. Raise Missing and what :func:`domain.choosing.withdraw`
    raises."""
    kept = await lock(tx, request_id)
    command = WithdrawRequest(by=principal.organisation_id, reason=clean(reason))
    await record(tx, kept, choosing.withdraw(kept.request, command, tx.now))


async def _compared(tx: Transaction, kept: StoredRequest, principal: Principal) -> Comparison:
    """Return the comparison of the quotes, for the buyer only. Raise NotTheBuyer for everybody else."""
    kept.request.require_buyer(principal.organisation_id)
    return await store.comparison(tx, kept.request.opened.request_id)


async def barred(tx: Transaction, compared: Comparison) -> frozenset[str]:
    """Return the suppliers among these quotes that are not active now."""
    suppliers = [quote.supplier_id for quote in compared.standing]
    states = await store.organisations.states(await tx.raw(), suppliers)
    return frozenset(supplier_id for supplier_id, state in states.items() if state != "active")


# For all of them


async def lock(tx: Transaction, request_id: str) -> StoredRequest:
    kept = await store.lock(tx, clean(request_id))
    if kept is None:
        raise Missing("quote request", request_id)
    return kept


async def record(tx: Transaction, kept: StoredRequest, facts: tuple[Fact, ...]) -> None:
    """Store and publish the facts of a locked request. Sealed facts stay in the service's own tables, and their cost
    depends only on that one quote."""
    if not facts:
        return
    kept = await store.keep_apart(tx, kept)
    for fact in facts:
        kept = msgspec.structs.replace(kept, request=apply(kept.request, fact))
        match fact:
            case QuoteSealed(quote=quote) | QuoteWithdrawn(quote=quote):
                await store.seal(tx, kept, quote)
            case QuotesDisclosed():
                await _disclose(tx, kept.request, fact)
            case QuotingEnded():
                tx.emit(fact)
                await _number(tx, fact.request_id)
            case Event():
                tx.emit(fact)
    request = kept.request
    if not isinstance(facts[-1], QuoteSealed | QuoteWithdrawn):
        await store.save(tx, kept, _due(request))
    await tx.announce(channel(request.opened.request_id), {"version": kept.version + 1, "quotes": request.quoted})


async def _number(tx: Transaction, request_id: str) -> None:
    compared = await store.comparison(tx, request_id)
    await store.number_participants(tx, request_id, numbered(compared.standing))


async def _disclose(tx: Transaction, request: Request, fact: QuotesDisclosed) -> None:
    """Publish every quote, a portion at a time. They are encoded in a thread, so that bids do not wait for the event
    loop."""
    request_id, told = request.opened.request_id, 0

    def tell(portion: list[Quote], before: int) -> None:
        for rank, quote in enumerate(portion, start=before + 1):
            who = quote.supplier_id
            chosen = who == fact.chosen
            tx.emit(choosing.disclosed(request, quote, participant=fact.numbers[who], rank=rank, chosen=chosen))

    async for portion in store.whole(tx, request_id, fact.suppliers):
        await asyncio.to_thread(tell, portion, told)
        await tx.flush()
        told += len(portion)


def _due(request: Request) -> datetime | None:
    match request.stage:
        case RequestStage.OPEN:
            return request.opened.closes_at + timedelta(seconds=request.rules.settle_seconds)
        case RequestStage.CHOOSING:
            return request.opened.choose_by
    return None


# Reactions to what other services announced


reactions = Reactions(store.organisations.reactions, store.skus.reactions, store.references.reactions)


@reactions.on(ContractDrafted, ContractConcluded, ContractEnded)
async def record_contract(tx: Transaction, event: ContractDrafted | ContractConcluded | ContractEnded) -> None:
    """Record what became of the choice. ContractEnded does not name its origin; for one of another origin there is no
    request here."""
    kept = await store.lock(tx, event.process_id)
    if kept is None:
        return
    before = kept.contract
    states = {ContractDrafted: "drafted", ContractConcluded: "concluded", ContractEnded: "ended"}
    if isinstance(event, ContractEnded):
        if before is None or before.contract_id != event.contract_id:
            return
        contract = msgspec.structs.replace(before, state="ended")
    else:
        contract = QuoteContract(
            contract_id=event.contract_id,
            supplier_id=event.supplier_id,
            supplier_name=event.supplier_name,
            state=states[type(event)],
        )
    await store.set_contract(tx, event.process_id, contract)
    await tx.announce(channel(event.process_id), {"version": kept.version + 1, "quotes": kept.request.quoted})
