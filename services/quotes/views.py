"""Who sees what of a request. Everything that leaves the service passes through this module, so it alone keeps quotes
sealed.

Until the deadline everybody sees how many quotes there are, and a supplier its own. From then until the choice the
buyer sees every quote, as a participant without a name. After the choice everybody sees each participant's total and
who was chosen; an observer also sees who the participants are. If a request was withdrawn, nobody ever learns more than
how many quotes there were.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from catalogue.roles import BUYER_OFFICER, OBSERVER, SUPPLIER_AGENT
from events.values import Line
from infra.database import Transaction
from infra.denied import Missing
from infra.listing import last_page
from infra.texts import clean
from infra.tokens import Principal
from services.quotes import handlers, store
from services.quotes.domain.choosing import cheapest
from services.quotes.domain.request import Comparison, Request, RequestStage, StandingQuote
from services.quotes.store import QuoteContract, StoredRequest
from services.quotes.store.listing import ListedRequest, ended_of, status_of

PER_PAGE = 24
PARTICIPANTS = 50
"""How many participants of a request are on one page."""
COMMENT = 300
"""How many characters of each comment the list of participants has."""


class QuoteParticipant(msgspec.Struct, frozen=True, kw_only=True):
    """A quote without a name. ``above_cheapest`` is 0 for the cheapest. Only the buyer sees ``comment``; observers see
    ``supplier_id`` and ``supplier_name`` after the choice. ``eligible`` is false if the supplier is not
    active any more: it was suspended or closed after it sent the quote.

    In the list of participants ``comment`` is its first 300 characters, ``comment_cut`` says whether more follows, and
    ``lines`` is empty: the whole comment and the lines, for the buyer only, are at
    ``/api/quotes/{request_id}/participants/{number}``.
    """

    number: int
    amount: Decimal
    above_cheapest: Decimal
    vat_rate: Decimal
    delivery_days: int
    chosen: bool
    eligible: bool
    comment: str = ""
    comment_cut: bool = False
    lines: tuple[Line, ...] = ()
    supplier_id: str | None = None
    supplier_name: str | None = None


class OwnQuote(msgspec.Struct, frozen=True, kw_only=True):
    """The reader's own quote at its latest version. ``participant`` is its number, from the deadline on."""

    version: int
    withdrawn: bool
    amount: Decimal
    vat_rate: Decimal
    delivery_days: int
    comment: str
    lines: tuple[Line, ...]
    arrived_at: datetime
    participant: int | None
    chosen: bool


class QuoteResult(msgspec.Struct, frozen=True, kw_only=True):
    """``participant``, ``supplier_name`` and ``amount`` are those of the chosen quote; None if nobody was chosen."""

    outcome: str
    closed_at: datetime
    participant: int | None
    supplier_id: str | None
    supplier_name: str | None
    amount: Decimal | None
    cheapest: Decimal | None
    justification: str
    reason: str
    lines: tuple[Line, ...]


class RequestDetails(ListedRequest, frozen=True, kw_only=True):
    """``participants`` is one page of ``participants_total`` participants, the cheapest first; both are None while
    quotes are sealed for the reader. ``ceiling`` is the highest total of a quote. ``vat_percent`` is the VAT rate of a
    quote that names none."""

    lines: tuple[Line, ...]
    requirements: str
    policy: str
    ceiling: Decimal | None
    vat_percent: Decimal
    justification_characters: int
    participants: tuple[QuoteParticipant, ...] | None
    participants_total: int | None
    mine: OwnQuote | None
    result: QuoteResult | None
    contract: QuoteContract | None
    version: int


async def details(tx: Transaction, kept: StoredRequest, reader: Principal | None, part: int) -> RequestDetails:
    """Return the request as ``reader`` may see it; None is anybody. ``part`` is the page of participants."""
    request, opened = kept.request, kept.request.opened
    compared = await _compared(tx, request, reader)
    shown = compared.standing[PARTICIPANTS * (part - 1) : PARTICIPANTS * part] if compared else ()
    return RequestDetails(
        **_summary(request, tx.now),
        lines=opened.lines,
        requirements=opened.requirements,
        policy=opened.policy,
        ceiling=request.rules.ceiling,
        vat_percent=kept.policy.vat_rate(None),
        justification_characters=request.rules.justification_characters,
        participants=await _participants(tx, request, reader, compared, shown) if compared else None,
        participants_total=len(compared.standing) if compared else None,
        mine=await _own(tx, request, reader),
        result=await _result(tx, request),
        contract=kept.contract,
        version=kept.version,
    )


def parts_of(shown: RequestDetails) -> int:
    """Return the number of pages of participants."""
    return last_page(shown.participants_total or 0, PARTICIPANTS)


def buys(request: Request, reader: Principal | None) -> bool:
    return reader is not None and reader.organisation_id == request.opened.buyer_id and reader.may(BUYER_OFFICER)


async def participant(tx: Transaction, kept: StoredRequest, number: int, reader: Principal | None) -> QuoteParticipant:
    """Return one participant, for the buyer with its lines. Raise Missing, also while it is sealed for the reader."""
    request = kept.request
    compared = await _compared(tx, request, reader)
    found = compared.participant(number) if compared else None
    if compared is None or found is None:
        raise Missing("participant", str(number))
    (one,) = await _participants(tx, request, reader, compared, [found])
    if not buys(request, reader):
        return one
    quote = await store.quote_of_number(tx, request.opened.request_id, number)
    assert quote is not None, "a participant has a quote"
    return msgspec.structs.replace(one, comment=quote.comment, comment_cut=False, lines=quote.lines)


async def _compared(tx: Transaction, request: Request, reader: Principal | None) -> Comparison | None:
    """Return the comparison, or None while it is sealed for the reader."""
    if request.stage in (RequestStage.OPEN, RequestStage.WITHDRAWN) or (
        request.closed is None and not buys(request, reader)
    ):
        return None
    return await store.comparison(tx, request.opened.request_id)


async def _participants(
    tx: Transaction, request: Request, reader: Principal | None, compared: Comparison, shown: Sequence[StandingQuote]
) -> tuple[QuoteParticipant, ...]:
    """Return these participants without their lines, because the lines of all participants can be many megabytes."""
    suppliers = [quote.supplier_id for quote in shown]
    told = request.closed is not None and reader is not None and reader.may(OBSERVER)
    named = await _names(tx, suppliers) if told else {}
    barred = await handlers.barred(tx, compared) if request.closed is None else frozenset()
    request_id = request.opened.request_id
    comments = await store.comments(tx, request_id, suppliers, COMMENT + 1) if buys(request, reader) else {}
    lowest = cheapest(compared, barred)
    return tuple(
        QuoteParticipant(
            number=compared.numbers[quote.supplier_id],
            amount=quote.amount,
            above_cheapest=quote.amount - lowest.amount if lowest else Decimal(0),
            vat_rate=quote.vat_rate,
            delivery_days=quote.delivery_days,
            chosen=request.closed is not None and request.closed.winner_id == quote.supplier_id,
            eligible=quote.supplier_id not in barred,
            comment=_beginning(comments.get(quote.supplier_id, "")),
            comment_cut=len(comments.get(quote.supplier_id, "")) > COMMENT,
            supplier_id=quote.supplier_id if named else None,
            supplier_name=named.get(quote.supplier_id),
        )
        for quote in shown
    )


def _beginning(comment: str) -> str:
    return comment if len(comment) <= COMMENT else comment[:COMMENT].rstrip()


async def _own(tx: Transaction, request: Request, reader: Principal | None) -> OwnQuote | None:
    if reader is None or not reader.may(SUPPLIER_AGENT):
        return None
    request_id, supplier_id = request.opened.request_id, reader.organisation_id
    quote = await store.quote_of(tx, request_id, supplier_id)
    if quote is None:
        return None
    return OwnQuote(
        version=quote.version,
        withdrawn=quote.withdrawn,
        amount=quote.amount,
        vat_rate=quote.vat_rate,
        delivery_days=quote.delivery_days,
        comment=quote.comment,
        lines=quote.lines,
        arrived_at=quote.arrived_at,
        participant=await store.number_of(tx, request_id, supplier_id),
        chosen=request.closed is not None and request.closed.winner_id == supplier_id,
    )


async def _result(tx: Transaction, request: Request) -> QuoteResult | None:
    closed = request.closed
    if closed is None:
        return None
    return QuoteResult(
        outcome=closed.outcome,
        closed_at=closed.closed_at,
        participant=closed.winner,
        supplier_id=closed.winner_id,
        supplier_name=(await _names(tx, [closed.winner_id]))[closed.winner_id] if closed.winner_id else None,
        amount=closed.amount,
        cheapest=closed.cheapest,
        justification=closed.justification,
        reason=closed.reason,
        lines=closed.lines,
    )


async def _names(tx: Transaction, organisation_ids: Iterable[str]) -> Mapping[str, str]:
    return await store.organisations.names(await tx.raw(), organisation_ids)


def _summary(request: Request, now: datetime) -> Mapping[str, Any]:
    opened, status = request.opened, status_of(request.stage, request.opened.closes_at, now)
    return {
        "request_id": opened.request_id,
        "title": opened.title,
        "status": status,
        "buyer_id": opened.buyer_id,
        "buyer_name": opened.buyer_name,
        "kind": opened.kind,
        "category": opened.category,
        "place": opened.place,
        "currency": opened.currency,
        "quotes": request.quoted,
        "opened_at": opened.opened_at,
        "closes_at": opened.closes_at,
        "choose_by": opened.choose_by,
        "ended_at": ended_of(status, opened.closes_at, request.closed.ended_at if request.closed else None),
    }


async def read(tx: Transaction, request_id: str, reader: Principal | None, *, part: int = 1) -> RequestDetails:
    """Return the request as the reader may see it. ``part`` is the page of participants. Raise Missing."""
    return await details(tx, await _existing(tx, request_id), reader, part)


async def read_participant(tx: Transaction, request_id: str, number: int, reader: Principal | None) -> QuoteParticipant:
    """Return one participant as the reader may see it. Raise Missing."""
    return await participant(tx, await _existing(tx, request_id), number, reader)


async def part_of(tx: Transaction, request_id: str, number: int) -> int:
    """Return the page of participants that has this number."""
    compared = await store.comparison(tx, request_id)
    found = compared.participant(number)
    return 1 + compared.standing.index(found) // PARTICIPANTS if found else 1


async def _existing(tx: Transaction, request_id: str) -> StoredRequest:
    kept = await store.get(await tx.raw(), clean(request_id))
    if kept is None:
        raise Missing("quote request", request_id)
    return kept
