"""The state of a quote request, and how facts change it."""

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from hashlib import sha256
from typing import Any

import msgspec

from catalogue.policy import QuoteRules
from catalogue.rules import NotTheBuyer, RuleBroken
from events.bounds import longest
from events.codec import Event
from events.quotes import QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from events.values import Line


class RequestStage(StrEnum):
    OPEN = "open"
    CHOOSING = "choosing"
    AWARDED = "awarded"
    REJECTED = "rejected"
    LAPSED = "lapsed"
    UNSUCCESSFUL = "unsuccessful"
    WITHDRAWN = "withdrawn"


class TextTooLong(RuleBroken):
    code = "text-too-long"


def within(text: str, field: str, kind: Any) -> str:
    """Return the text without blanks around it. ``kind`` is its type in requests, which has the limit. Raise
    TextTooLong."""
    words, most = text.strip(), longest(kind)
    if len(words) > most:
        raise TextTooLong(
            f"This text may have {most} characters; it has {len(words)}.",
            field=field,
            longest=most,
            length=len(words),
        )
    return words


class StandingQuote(msgspec.Struct, frozen=True, kw_only=True):
    """The totals of one supplier's quote at its latest version, without its lines.

    ``arrived_at`` belongs to this version. ``quote_id`` is the same for all versions, and secret until the close.
    """

    quote_id: str
    supplier_id: str
    version: int
    amount: Decimal
    vat_rate: Decimal
    delivery_days: int
    arrived_at: datetime
    withdrawn: bool = False


class Quote(StandingQuote, frozen=True, kw_only=True):
    """The whole quote. ``lines`` are priced, including VAT at their rate; ``amount`` is their sum."""

    lines: tuple[Line, ...]
    comment: str


class QuoteSealed(msgspec.Struct, frozen=True, kw_only=True):
    """``quote`` is the new version, ``before`` the version before it."""

    quote: Quote
    before: Quote | None = None


class QuoteWithdrawn(msgspec.Struct, frozen=True, kw_only=True):
    """``quote`` is the version that records the withdrawal."""

    quote: Quote


class QuotesDisclosed(msgspec.Struct, frozen=True, kw_only=True):
    """The request closed in a way that discloses every quote, in this order of suppliers. One may be ``chosen``.
    :func:`~choosing.disclosed` makes the event of each quote, one at a time, because all of them together can be very
    large."""

    suppliers: tuple[str, ...]
    numbers: dict[str, int]
    chosen: str | None = None


Fact = Event | QuoteSealed | QuoteWithdrawn | QuotesDisclosed


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """``quoted`` is the number of valid quotes. The quotes are not part of the state, so a decision about one does
    not depend on the size of the others. A rule that compares them gets a :class:`Comparison`."""

    opened: QuoteRequestOpened
    rules: QuoteRules
    stage: RequestStage = RequestStage.OPEN
    quoted: int = 0
    closed: QuoteRequestClosed | None = None

    def require_buyer(self, by: str) -> None:
        if by != self.opened.buyer_id:
            raise NotTheBuyer(f"Only the buyer, {self.opened.buyer_name}, may do this.", buyer=self.opened.buyer_name)


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All valid quotes of a request, without their lines, the cheapest first. If two cost the same, the earlier is
    first. ``numbers`` are the suppliers' participant numbers, given at the deadline."""

    standing: tuple[StandingQuote, ...]
    numbers: dict[str, int] = {}

    @classmethod
    def of(cls, quotes: Iterable[StandingQuote], numbers: dict[str, int]) -> "Comparison":
        standing = sorted(
            (quote for quote in quotes if not quote.withdrawn),
            key=lambda quote: (quote.amount, quote.arrived_at, quote.quote_id),
        )
        return cls(standing=tuple(standing), numbers=numbers)

    def participant(self, number: int) -> StandingQuote | None:
        return next((quote for quote in self.standing if self.numbers.get(quote.supplier_id) == number), None)


def apply(request: Request, fact: Fact) -> Request:
    """Return the request after the fact. Raise TypeError for a fact that no request has."""
    change = msgspec.structs.replace
    match fact:
        case QuoteSealed(before=before):
            return change(request, quoted=request.quoted + (before is None or before.withdrawn))
        case QuoteWithdrawn():
            return change(request, quoted=request.quoted - 1)
        case QuotingEnded():
            return change(request, stage=RequestStage.CHOOSING)
        case QuotesDisclosed():
            return request
        case QuoteRequestClosed():
            return change(request, stage=RequestStage(fact.outcome), closed=fact)
    raise TypeError(f"{type(fact).__name__} does not happen to a quote request")


def numbered(quotes: Iterable[StandingQuote]) -> dict[str, int]:
    """Return the participant numbers. Their order says nothing about identity, time or price: it is the order of the
    digests of secret ids."""
    shuffled = sorted(quotes, key=lambda quote: sha256(quote.quote_id.encode()).digest())
    return {quote.supplier_id: number for number, quote in enumerate(shuffled, start=1)}
