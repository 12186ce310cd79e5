"""The state of a quote request, and how what happened changes it."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256

import msgspec

from catalogue.policy import QuoteRules
from catalogue.rules import RuleBroken
from events.codec import Event
from events.quotes import QuoteDisclosed, QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from events.values import Line


class Stage(StrEnum):
    OPEN = "open"
    CHOOSING = "choosing"
    AWARDED = "awarded"
    REJECTED = "rejected"
    LAPSED = "lapsed"
    UNSUCCESSFUL = "unsuccessful"
    WITHDRAWN = "withdrawn"


class WrongStage(RuleBroken):
    """The request is past this act, or not there yet."""

    code = "wrong-stage"


class NotTheBuyer(RuleBroken):
    code = "not-the-buyer"


class TextTooLong(RuleBroken):
    code = "text-too-long"


def within(text: str, field: str, longest: int) -> str:
    """The text without blanks around it. Raises TextTooLong."""
    words = text.strip()
    if len(words) > longest:
        raise TextTooLong(
            f"The {field} may have {longest} characters; these are {len(words)}.", field=field, longest=longest
        )
    return words


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """The latest version of one supplier's quote. ``lines`` are priced, VAT included at their rate; ``amount`` is their sum.

    ``arrived_at`` is of this version; ``quote_id`` of them all, and a secret until the close.
    """

    quote_id: str
    supplier_id: str
    version: int
    lines: tuple[Line, ...]
    amount: Decimal
    vat_rate: Decimal
    delivery_days: int
    comment: str
    arrived_at: datetime
    withdrawn: bool = False


class QuoteSealed(msgspec.Struct, frozen=True, kw_only=True):
    quote: Quote


class QuoteWithdrawn(msgspec.Struct, frozen=True, kw_only=True):
    supplier_id: str
    version: int
    arrived_at: datetime


Fact = Event | QuoteSealed | QuoteWithdrawn


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """``quotes`` are by supplier, withdrawn ones among them: their versions go on counting. ``numbers`` are the suppliers' participant
    numbers, given at the deadline."""

    opened: QuoteRequestOpened
    rules: QuoteRules
    stage: Stage = Stage.OPEN
    quotes: dict[str, Quote] = {}
    numbers: dict[str, int] = {}
    closed: QuoteRequestClosed | None = None

    @property
    def standing(self) -> list[Quote]:
        """The cheapest first, the earlier one first where two cost the same."""
        quotes = [quote for quote in self.quotes.values() if not quote.withdrawn]
        return sorted(quotes, key=lambda quote: (quote.amount, quote.arrived_at, quote.quote_id))

    def participant(self, number: int) -> Quote | None:
        return next((quote for quote in self.standing if self.numbers.get(quote.supplier_id) == number), None)

    def require_buyer(self, by: str) -> None:
        if by != self.opened.buyer_id:
            raise NotTheBuyer(f"Only the buyer, {self.opened.buyer_name}, may do this.")


def apply(request: Request, fact: Fact) -> Request:
    """The request after the fact; TypeError for what does not happen to one."""
    change = msgspec.structs.replace
    match fact:
        case QuoteSealed(quote=quote):
            return change(request, quotes=request.quotes | {quote.supplier_id: quote})
        case QuoteWithdrawn(supplier_id=supplier_id):
            gone = change(request.quotes[supplier_id], withdrawn=True, version=fact.version, arrived_at=fact.arrived_at)
            return change(request, quotes=request.quotes | {supplier_id: gone})
        case QuotingEnded():
            return change(request, stage=Stage.CHOOSING, numbers=_numbers(request.standing))
        case QuoteDisclosed():
            return request
        case QuoteRequestClosed():
            return change(request, stage=Stage(fact.outcome), closed=fact)
    raise TypeError(f"{type(fact).__name__} does not happen to a quote request")


def _numbers(quotes: Iterable[Quote]) -> dict[str, int]:
    """In an order that says nothing of who, when or how much: that of the digests of ids that nobody knows."""
    shuffled = sorted(quotes, key=lambda quote: sha256(quote.quote_id.encode()).digest())
    return {quote.supplier_id: number for number, quote in enumerate(shuffled, start=1)}
