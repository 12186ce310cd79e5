"""The buyer's choice among participants without names, or none; after it everything is told. Before the deadline the buyer may
withdraw the request: then nothing is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from catalogue.rules import RuleBroken
from events.quotes import QuoteDisclosed, QuoteRequestClosed
from services.quotes.domain.request import Fact, Quote, Request, Stage, WrongStage, within


class ChoosingOver(RuleBroken):
    """The days to choose are over."""

    code = "choosing-over"


class UnknownParticipant(RuleBroken):
    code = "unknown-participant"


class ParticipantNotActive(RuleBroken):
    """It was suspended or closed since it quoted."""

    code = "participant-not-active"


class JustificationMissing(RuleBroken):
    code = "justification-missing"


class ReasonMissing(RuleBroken):
    code = "reason-missing"


LONGEST_WORDS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Choose:
    """``barred`` are suppliers that are not active now: they cannot be chosen, and nobody need justify passing them over."""

    by: str
    participant: int
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


def cheapest(request: Request, barred: frozenset[str] = frozenset()) -> Quote | None:
    """Of those that may be chosen."""
    return next((quote for quote in request.standing if quote.supplier_id not in barred), None)


def choose(request: Request, command: Choose, now: datetime) -> tuple[Fact, ...]:
    """Nothing where the same participant was chosen already. Raises a RuleBroken of this module, NotTheBuyer, WrongStage."""
    request.require_buyer(command.by)
    if request.stage is Stage.AWARDED and request.closed is not None and request.closed.winner == command.participant:
        return ()
    _require_choosing(request, now)
    chosen = request.participant(command.participant)
    if chosen is None:
        raise UnknownParticipant(f"There is no participant {command.participant} here.", field="participant")
    if chosen.supplier_id in command.barred:
        raise ParticipantNotActive(
            f"Participant {command.participant} was suspended since: choose another.", field="participant"
        )
    lowest = cheapest(request, command.barred)
    assert lowest is not None, "the chosen one may be chosen"
    justification = within(command.justification, "justification", LONGEST_WORDS)
    shortest = request.rules.justification_characters
    if chosen.amount > lowest.amount and len(justification) < shortest:
        raise JustificationMissing(
            f"Participant {request.numbers[lowest.supplier_id]} is cheaper by {chosen.amount - lowest.amount:,f}"
            f" {request.opened.currency}: say in {shortest} characters at least why this one fits better."
            " It will be published.",
            field="justification",
            shortest=shortest,
            amount=chosen.amount,
            cheapest=lowest.amount,
        )
    return (
        *_disclosed(request, chosen),
        closed(request, "awarded", now, chosen=chosen, justification=justification),
    )


def reject_all(request: Request, command: RejectAll, now: datetime) -> tuple[Fact, ...]:
    """Nothing where they were rejected already. Raises as :func:`choose`, ReasonMissing."""
    request.require_buyer(command.by)
    if request.stage is Stage.REJECTED:
        return ()
    _require_choosing(request, now)
    reason = within(command.reason, "reason", LONGEST_WORDS)
    if not reason:
        raise ReasonMissing("Say why no quote is taken: it will be published.", field="reason")
    return (*_disclosed(request), closed(request, "rejected", now, reason=reason))


def withdraw(request: Request, command: WithdrawRequest, now: datetime) -> tuple[Fact, ...]:
    """No quote is disclosed. Nothing where it was withdrawn already. Raises NotTheBuyer, WrongStage from the deadline on,
    ReasonMissing, TextTooLong."""
    request.require_buyer(command.by)
    if request.stage is Stage.WITHDRAWN:
        return ()
    if request.stage is not Stage.OPEN or now >= request.opened.closes_at:
        raise WrongStage(
            "A request is withdrawn before its deadline only: now choose a participant, or reject all quotes.",
            stage=request.stage,
            closes_at=request.opened.closes_at,
        )
    reason = within(command.reason, "reason", LONGEST_WORDS)
    if not reason:
        raise ReasonMissing("Say why the request is withdrawn: it will be published.", field="reason")
    return (closed(request, "withdrawn", now, reason=reason),)


def lapse(request: Request, now: datetime) -> tuple[Fact, ...]:
    """The timer's word that the days to choose may be over."""
    if request.stage is not Stage.CHOOSING or now < request.opened.choose_by:
        return ()
    return (*_disclosed(request), closed(request, "lapsed", now))


def closed(
    request: Request,
    outcome: str,
    now: datetime,
    *,
    chosen: Quote | None = None,
    justification: str = "",
    reason: str = "",
) -> QuoteRequestClosed:
    opened, standing = request.opened, request.standing
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
        quotes=len(standing),
        cheapest=standing[0].amount if standing and not sealed else None,
        amount=chosen.amount if chosen else None,
        winner_id=chosen.supplier_id if chosen else None,
        winner=request.numbers[chosen.supplier_id] if chosen else None,
        lines=chosen.lines if chosen else (),
        justification=justification,
        reason=reason,
        policy=opened.policy,
        policy_text=opened.policy_text,
        opened_at=opened.opened_at,
        ended_at=now if sealed else opened.closes_at,
        closed_at=now,
    )


def _disclosed(request: Request, chosen: Quote | None = None) -> Sequence[QuoteDisclosed]:
    order = sorted(request.standing, key=lambda quote: quote is not chosen)  # stable: the rest stays as it is
    opened = request.opened
    return [
        QuoteDisclosed(
            request_id=opened.request_id,
            quote_id=quote.quote_id,
            supplier_id=quote.supplier_id,
            participant=request.numbers[quote.supplier_id],
            rank=rank,
            chosen=quote is chosen,
            amount=quote.amount,
            currency=opened.currency,
            lines=quote.lines,
            delivery_days=quote.delivery_days,
            quoted_at=quote.arrived_at,
            buyer_id=opened.buyer_id,
            category=opened.category,
            place=opened.place,
        )
        for rank, quote in enumerate(order, start=1)
    ]


def _require_choosing(request: Request, now: datetime) -> None:
    if request.stage is not Stage.CHOOSING:
        raise WrongStage(f"The request is {request.stage}: the buyer chooses after the deadline.", stage=request.stage)
    if now >= request.opened.choose_by:
        raise ChoosingOver(
            f"The choice was due by {request.opened.choose_by:%Y-%m-%d %H:%M} UTC.", choose_by=request.opened.choose_by
        )
