"""Use cases and reactions of quick quotes."""

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

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
    Stage,
    apply,
    numbered,
)
from services.quotes.store import Contract, StoredRequest

ORIGIN = "quote"


class NewRequest(msgspec.Struct, frozen=True, kw_only=True):
    """``closes_at`` has its time zone. It is delivered to a region (ISO 3166-2 code or name) and locality; none: the buyer's seat."""

    title: Name
    lines: Lines[WantedLine]
    closes_at: Instant
    kind: Code = "goods"
    requirements: Reason = ""
    region: Name = ""
    locality: Name = ""


class NewQuote(msgspec.Struct, frozen=True, kw_only=True):
    """``prices`` are of one unit (pack) of each line, by its id, as the buyer pays them: VAT at ``vat_rate`` percent (None: that
    of the policy which the request was opened under) is included."""

    prices: ByLine[Amount]
    delivery_days: Days
    vat_rate: Percent | None = None
    comment: Phrase = ""


def channel(request_id: str) -> str:
    """Of live pages. What is said on it is the version and the number of quotes, never more."""
    return f"quotes:{request_id}"


# The buyer asks


async def open_for_buyer(tx: Transaction, wanted: NewRequest, principal: Principal, policy: Policy, key: str) -> str:
    """Open in the name of the principal's organisation; the id, the same for a repeat of ``key``. Raises RuleBroken."""
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
    """The principal's organisation; where accounts has not told of it yet, a standing that opens nothing."""
    found = await store.organisations.get(await tx.raw(), principal.organisation_id)
    return found or OrganisationRegistered(
        organisation_id=principal.organisation_id,
        roles=(),
        name=principal.organisation_name,
        state="not known here (yet)",
        place=Place(country=principal.country or None, region=principal.region or None),
    )


# Suppliers quote


async def submit(
    tx: Transaction, request_id: str, quote: NewQuote, principal: Principal, arrived_at: datetime, key: str
) -> None:
    """A first quote, or a new version of it. A repeat of ``key`` changes nothing. Raises Missing, NotASupplier and what
    :func:`domain.quoting.submit` names."""
    if quote.vat_rate is None:
        quote = msgspec.structs.replace(quote, vat_rate=await _usual_vat(tx, request_id))
    act = f"submit/{clean(request_id)}"
    async with tx.once(act, key, caller=principal.organisation_id, body=quote, answer=str) as once:
        if once.first:
            await _submit(tx, request_id, quote, principal, arrived_at)
            once.answer = "taken"


async def _usual_vat(tx: Transaction, request_id: str) -> Decimal:
    kept = await store.get(await tx.raw(), clean(request_id))
    if kept is None:
        raise Missing("quote request", request_id)
    return kept.usual_vat


async def _submit(
    tx: Transaction, request_id: str, quote: NewQuote, principal: Principal, arrived_at: datetime
) -> None:
    kept = await lock(tx, request_id)
    supplier = await store.organisations.get(await tx.raw(), principal.organisation_id, lock=True)
    if supplier is None or "supplier" not in supplier.roles:
        raise NotASupplier(
            f"{principal.organisation_name} is not known as a supplier here (yet).",
            organisation=principal.organisation_name,
        )
    command = Submit(
        supplier_id=supplier.organisation_id,
        supplier_name=supplier.name,
        standing=supplier.state,
        quote_id=new_id(),
        prices=quote.prices,
        vat_rate=quote.vat_rate if quote.vat_rate is not None else kept.usual_vat,
        delivery_days=quote.delivery_days,
        comment=clean(quote.comment),
    )
    before = await store.quote_of(tx, kept.request.opened.request_id, supplier.organisation_id)
    await record(tx, kept, quoting.submit(kept.request, before, command, arrived_at))


async def withdraw(tx: Transaction, request_id: str, principal: Principal, arrived_at: datetime) -> None:
    """Harmless when repeated. Raises Missing and what :func:`domain.quoting.withdraw` names."""
    kept = await lock(tx, request_id)
    quote = await store.quote_of(tx, kept.request.opened.request_id, principal.organisation_id)
    await record(tx, kept, quoting.withdraw(kept.request, quote, arrived_at))


# The buyer chooses


async def choose(tx: Transaction, request_id: str, participant: int, justification: str, principal: Principal) -> None:
    """Harmless when repeated. Raises Missing and what :func:`domain.choosing.choose` names."""
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
    """Harmless when repeated. Raises Missing and what :func:`domain.choosing.reject_all` names."""
    kept = await lock(tx, request_id)
    command = RejectAll(by=principal.organisation_id, reason=clean(reason))
    compared = await _compared(tx, kept, principal)
    await record(tx, kept, choosing.reject_all(kept.request, compared, command, tx.now))


async def withdraw_request(tx: Transaction, request_id: str, reason: str, principal: Principal) -> None:
    """Harmless when repeated. Raises Missing and what :func:`domain.choosing.withdraw` names."""
    kept = await lock(tx, request_id)
    command = WithdrawRequest(by=principal.organisation_id, reason=clean(reason))
    await record(tx, kept, choosing.withdraw(kept.request, command, tx.now))


async def _compared(tx: Transaction, kept: StoredRequest, principal: Principal) -> Comparison:
    """For the buyer alone, whoever else asks. Raises NotTheBuyer."""
    kept.request.require_buyer(principal.organisation_id)
    return await store.comparison(tx, kept.request.opened.request_id)


async def barred(tx: Transaction, compared: Comparison) -> frozenset[str]:
    """Suppliers with a quote among them that are not active now."""
    suppliers = [quote.supplier_id for quote in compared.standing]
    states = await store.organisations.states(await tx.raw(), suppliers)
    return frozenset(supplier_id for supplier_id, state in states.items() if state != "active")


# All of them


async def lock(tx: Transaction, request_id: str) -> StoredRequest:
    kept = await store.lock(tx, clean(request_id))
    if kept is None:
        raise Missing("quote request", request_id)
    return kept


async def record(tx: Transaction, kept: StoredRequest, facts: tuple[Fact, ...]) -> None:
    """Keep and publish, for a request that is locked. Sealed facts go nowhere but into the service's own tables, and cost what that one
    quote weighs."""
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
    """Tell of every quote, a portion at a time, and encode it beside the event loop: bids do not wait for it."""
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
        case Stage.OPEN:
            return request.opened.closes_at + timedelta(seconds=request.rules.settle_seconds)
        case Stage.CHOOSING:
            return request.opened.choose_by
    return None


# What other services said


reactions = Reactions(store.organisations.reactions, store.skus.reactions, store.references.reactions)


@reactions.on(ContractDrafted, ContractConcluded, ContractEnded)
async def record_contract(tx: Transaction, event: ContractDrafted | ContractConcluded | ContractEnded) -> None:
    """What became of the choice. An end says only whose contract it was: of another origin's there is no request here."""
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
        contract = Contract(
            contract_id=event.contract_id,
            supplier_id=event.supplier_id,
            supplier_name=event.supplier_name,
            state=states[type(event)],
        )
    await store.set_contract(tx, event.process_id, contract)
    await tx.announce(channel(event.process_id), {"version": kept.version + 1, "quotes": kept.request.quoted})
