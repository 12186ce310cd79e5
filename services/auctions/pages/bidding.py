"""The form of a bid: how it is read, what is asked before the bid is placed, and how its verdict is shown."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec

from catalogue.numbers import written_out
from events.auctions import BidRefused
from events.bounds import Amount, Code, Id
from infra.ids import derive_id
from infra.tokens import Principal
from infra.web import whole
from infra.web.languages import kept_refusal
from infra.web.pages import money
from services.auctions.board import Board
from services.auctions.domain.scoring import ChoicesMissing, complete, score
from services.auctions.lane import BidAnswer

MANY_STEPS = 10
"""A bid that cuts more steps than this at once must be confirmed, because it cannot be deleted."""
MOST_CHOICES = 50


class BidForm(msgspec.Struct):
    """``sure`` is yes after the bidder confirmed a large cut, or no if the bidder asks for the question first."""

    amount: Amount
    request_key: Id = ""
    sure: Code = ""


@dataclass(frozen=True, slots=True)
class Sure:
    """The question before a bid is placed. ``fields`` are those of the bid; ``cut`` is how far the bid is below
    ``from_``."""

    fields: dict[str, str]
    amount: Decimal
    from_: Decimal
    cut: Decimal
    part: Decimal
    steps: Decimal
    scored: str


def choices_in(fields: Mapping[str, str]) -> tuple[int, ...]:
    """Return the option chosen for each criterion, ``choice-0`` and so on. The list ends where one is missing, and the
    verdict then says so."""
    read = (whole(fields.get(f"choice-{n}", "")) for n in range(MOST_CHOICES))
    return tuple(itertools.takewhile(lambda number: number is not None and number < 1_000, read))  # type: ignore[arg-type]


def key_of(form: BidForm, fields: dict[str, str]) -> str:
    """Return the request key. A form may be sent again with another amount before the page has a new key; this is then
    another bid, so the key depends on the amount."""
    if not form.request_key:
        return ""
    return derive_id(form.request_key, f"{form.amount:f}", *map(str, choices_in(fields)))


def to_be_sure(board: Board, principal: Principal, form: BidForm, fields: Mapping[str, str]) -> Sure | None:
    """Return the question to ask before a bid that cuts many steps, or if its bidder asks for it; None if there is no
    question.

    Sealed first bids can still be changed freely, so the question is only asked on demand.
    """
    state, own = board.stored.state.public(), principal.organisation_id
    from_ = state.price
    if state.rules.improve_on == "own":
        last = state.last_of(own)
        from_ = last.amount if last else state.opened.initial_price
    cut, step = from_ - form.amount, state.opened.step
    free = bool(state.rules.pauses_seconds) and state.round is None
    if form.amount <= 0 or not (form.sure == "no" or (cut > MANY_STEPS * step and not free)):
        return None
    kept = {name: text for name, text in fields.items() if name == "request_key" or name.startswith("choice-")}
    return Sure(
        fields=kept | {"amount": written_out(form.amount), "sure": "yes"},
        amount=form.amount,
        from_=from_,
        cut=cut,
        part=cut * 100 / from_,
        steps=(cut / step).quantize(Decimal("0.1")),
        scored=scored_as(board, form.amount, choices_in(fields)),
    )


def scored_as(board: Board, amount: Decimal, choices: tuple[int, ...]) -> str:
    """Return the value by which such a bid is ranked, rounded for display. It is "" if only the price counts or choices
    are missing."""
    opened = board.stored.opened
    if not opened.scoring.criteria:
        return ""
    try:
        complete(opened.scoring, choices)
    except ChoicesMissing:
        return ""
    exact = score(opened.scoring, amount, choices)
    return money(Decimal(exact.numerator) / Decimal(exact.denominator), opened.currency)


def verdict_of(answer: BidAnswer | None, board: Board) -> dict[str, Any]:
    """Return what the answer to a bid shows: the verdict, why it was ``refused``, and the line of the log that its
    receipt is for."""
    if answer is None:
        return {"verdict": None, "refused": "", "position": None}
    event, refused = answer.verdict.event, ""
    if isinstance(event, BidRefused):
        refused = kept_refusal(event.refusal, board.stored.opened.currency)
    return {"verdict": answer.verdict, "refused": refused, "position": answer.receipt.position}
