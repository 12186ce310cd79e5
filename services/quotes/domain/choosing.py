"""The buyer chooses among participants without names, or rejects all quotes; then all quotes are published. Before the
deadline the buyer may withdraw the request; then no quote is published."""

from dataclasses import dataclass
from datetime import datetime

from catalogue.rules import ReasonMissing, RuleBroken, require_repeat
from events.bounds import Clause
from events.quotes import QuoteDisclosed, QuoteRequestClosed
from events.values import Line
from services.quotes.domain.request import (
    Comparison,
    Fact,
    Quote,
    QuotesDisclosed,
    Request,
    RequestStage,
    StandingQuote,
    within,
)


class RequestEnded(RuleBroken):
    """The request was decided, lapsed or withdrawn."""

    code = "request-ended"


class WithdrawnAfterDeadline(RuleBroken):
    """After the deadline the buyer chooses or rejects; it cannot withdraw."""

    code = "withdrawn-after-deadline"


class ChoosingNotBegun(RuleBroken):
    """Suppliers still send quotes."""

    code = "choosing-not-begun"


class ChoosingOver(RuleBroken):
    """The days to choose are over."""

    code = "choosing-over"


class UnknownParticipant(RuleBroken):
    code = "unknown-participant"


class ParticipantNotActive(RuleBroken):
    """The supplier was suspended or closed after it sent its quote."""

    code = "participant-not-active"


class JustificationMissing(RuleBroken):
    code = "justification-missing"


NOBODY = Comparison(standing=())
"""The comparison for decisions in which no quote is read, because there are none or all stay sealed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose:
    """``barred`` are suppliers that are not active now: they cannot be chosen, and the buyer need not justify that it
    did not choose them. ``lines`` are those of the participant's quote, if there is such a participant."""

    by: str
    participant: int
    lines: tuple[Line, ...] = ()
    justification: str = ""
    barred: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class RejectAll:
    by: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WithdrawRequest:
    by: str
    reason: str


def cheapest(compared: Comparison, barred: frozenset[str] = frozenset()) -> StandingQuote | None:
    """Return the cheapest quote that may be chosen, or None."""
    return next((quote for quote in compared.standing if quote.supplier_id not in barred), None)


def choose(request: Request, compared: Comparison, command: Choose, now: datetime) -> tuple[Fact, ...]:
    """Return the facts of the choice, none if the same participant was chosen already for the same reason. Raise a
    RuleBroken of this module, NotTheBuyer, or DoneOtherwise if the reason is different."""
    request.require_buyer(command.by)
    if (
        request.stage is RequestStage.AWARDED
        and request.closed is not None
        and request.closed.winner == command.participant
    ):
        require_repeat(command.justification.strip() == request.closed.justification, request.closed.justification)
        return ()
    _require_choosing(request, now)
    chosen = compared.participant(command.participant)
    if chosen is None:
        raise UnknownParticipant(
            f"There is no participant {command.participant} here.",
            field="participant",
            participant=command.participant,
        )
    if chosen.supplier_id in command.barred:
        raise ParticipantNotActive(
            f"Participant {command.participant} is not active any more: choose another.",
            field="participant",
            participant=command.participant,
        )
    lowest = cheapest(compared, command.barred)
    assert lowest is not None, "the chosen one may be chosen"
    justification = within(command.justification, "justification", Clause)
    shortest = request.rules.justification_characters
    if chosen.amount > lowest.amount and len(justification) < shortest:
        cheaper, less = compared.numbers[lowest.supplier_id], chosen.amount - lowest.amount
        raise JustificationMissing(
            f"Participant {cheaper} is cheaper by {less:,f} {request.opened.currency}: say in at least {shortest}"
            " characters why this one fits better. The text will be published.",
            field="justification",
            shortest=shortest,
            amount=chosen.amount,
            cheapest=lowest.amount,
            participant=cheaper,
            less=less,
            currency=request.opened.currency,
        )
    return (
        _all_disclosed(compared, chosen),
        closed(request, compared, "awarded", now, chosen=chosen, lines=command.lines, justification=justification),
    )


def reject_all(request: Request, compared: Comparison, command: RejectAll, now: datetime) -> tuple[Fact, ...]:
    """Return the facts of the rejection, none if all quotes were rejected already for the same reason. Raise what
    :func:`choose` raises, or ReasonMissing."""
    request.require_buyer(command.by)
    if request.stage is RequestStage.REJECTED and request.closed is not None:
        require_repeat(command.reason.strip() == request.closed.reason, request.closed.reason)
        return ()
    _require_choosing(request, now)
    reason = within(command.reason, "reason", Clause)
    if not reason:
        raise ReasonMissing("Say why you choose no quote. The reason will be published.", field="reason")
    return (_all_disclosed(compared), closed(request, compared, "rejected", now, reason=reason))


def withdraw(request: Request, command: WithdrawRequest, now: datetime) -> tuple[Fact, ...]:
    """Return the facts of the withdrawal, none if the request was withdrawn already for the same reason. No quote is
    disclosed. Raise NotTheBuyer, RequestEnded, WithdrawnAfterDeadline, ReasonMissing, TextTooLong, or DoneOtherwise if the
    reason is different."""
    request.require_buyer(command.by)
    if request.stage is RequestStage.WITHDRAWN and request.closed is not None:
        require_repeat(command.reason.strip() == request.closed.reason, request.closed.reason)
        return ()
    if request.stage not in (RequestStage.OPEN, RequestStage.CHOOSING):
        raise RequestEnded(
            f"A request can be withdrawn only before its deadline, and this one has ended: {request.stage}.",
            stage=request.stage,
            outcome=request.stage,
        )
    if request.stage is RequestStage.CHOOSING or now >= request.opened.closes_at:
        raise WithdrawnAfterDeadline(
            "A request can be withdrawn only before its deadline. Now choose a participant, or reject all quotes.",
            stage=request.stage,
            choose_by=request.opened.choose_by,
        )
    reason = within(command.reason, "reason", Clause)
    if not reason:
        raise ReasonMissing("Say why you withdraw the request. The reason will be published.", field="reason")
    return (closed(request, NOBODY, "withdrawn", now, reason=reason),)


def lapse(request: Request, compared: Comparison, now: datetime) -> tuple[Fact, ...]:
    """Return the facts if the days to choose are over. A timer calls this."""
    if request.stage is not RequestStage.CHOOSING or now < request.opened.choose_by:
        return ()
    return (_all_disclosed(compared), closed(request, compared, "lapsed", now))


def closed(
    request: Request,
    compared: Comparison,
    outcome: str,
    now: datetime,
    *,
    chosen: StandingQuote | None = None,
    lines: tuple[Line, ...] = (),
    justification: str = "",
    reason: str = "",
) -> QuoteRequestClosed:
    opened, standing = request.opened, compared.standing
    sealed = outcome == "withdrawn"
    return QuoteRequestClosed(
        request_id=opened.request_id,
        buyer_id=opened.buyer_id,
        buyer_name=opened.buyer_name,
        title=opened.title,
        kind=opened.kind,
        category=opened.category,
        place=opened.place,
        currency=opened.currency,
        outcome=outcome,
        quotes=request.quoted,
        cheapest=standing[0].amount if standing and not sealed else None,
        amount=chosen.amount if chosen else None,
        winner_id=chosen.supplier_id if chosen else None,
        winner=compared.numbers[chosen.supplier_id] if chosen else None,
        lines=lines,
        justification=justification,
        reason=reason,
        policy=opened.policy,
        policy_text=opened.policy_text,
        opened_at=opened.opened_at,
        ended_at=now if sealed else opened.closes_at,
        closed_at=now,
    )


def disclosed(request: Request, quote: Quote, *, participant: int, rank: int, chosen: bool) -> QuoteDisclosed:
    """Return the event that discloses one of the quotes in :class:`QuotesDisclosed`."""
    opened = request.opened
    return QuoteDisclosed(
        request_id=opened.request_id,
        quote_id=quote.quote_id,
        supplier_id=quote.supplier_id,
        participant=participant,
        rank=rank,
        chosen=chosen,
        amount=quote.amount,
        currency=opened.currency,
        lines=quote.lines,
        delivery_days=quote.delivery_days,
        quoted_at=quote.arrived_at,
        buyer_id=opened.buyer_id,
        category=opened.category,
        place=opened.place,
    )


def _all_disclosed(compared: Comparison, chosen: StandingQuote | None = None) -> QuotesDisclosed:
    # the sort is stable, so the other quotes keep their order
    order = sorted(compared.standing, key=lambda quote: quote is not chosen)
    return QuotesDisclosed(
        suppliers=tuple(quote.supplier_id for quote in order),
        numbers=compared.numbers,
        chosen=chosen.supplier_id if chosen else None,
    )


def _require_choosing(request: Request, now: datetime) -> None:
    if request.stage is RequestStage.OPEN:
        raise ChoosingNotBegun(
            f"Quotes are possible until {request.opened.closes_at:%Y-%m-%d %H:%M} UTC. The buyer chooses after that.",
            stage=request.stage,
            closes_at=request.opened.closes_at,
        )
    if request.stage is not RequestStage.CHOOSING:
        raise RequestEnded(
            f"The choice is over: the request has ended, {request.stage}.",
            stage=request.stage,
            outcome=request.stage,
        )
    if now >= request.opened.choose_by:
        raise ChoosingOver(
            f"The choice was due by {request.opened.choose_by:%Y-%m-%d %H:%M} UTC.", choose_by=request.opened.choose_by
        )
