"""Sealed quotes: suppliers send, change and withdraw them until the deadline. Only the time of arrival decides whether
they are in time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import structs

from catalogue.money import round_money
from catalogue.rules import ComesToNothing, PriceAbsurd, PriceNotPositive, RuleBroken, SupplierNotActive, UnknownLine
from events.bounds import Phrase
from events.quotes import QuoteRequestClosed, QuotingEnded
from events.values import Line
from services.quotes.domain.choosing import NOBODY, closed
from services.quotes.domain.request import Fact, Quote, QuoteSealed, QuoteWithdrawn, Request, RequestStage, within

MOST_VERSIONS = 100
"""How many versions one supplier's quote may have. Each is stored as a proof."""
_ABSURD = Decimal(10**12)
_FINEST = 6
_CONTACTS = ("@", "http:", "https:", "www.")


class QuotingOver(RuleBroken):
    """The quote arrived at the deadline or after it."""

    code = "quoting-over"


class RequestWithdrawn(RuleBroken):
    """The buyer withdrew the request before its deadline."""

    code = "request-withdrawn"


class BuyerCannotQuote(RuleBroken):
    code = "buyer-cannot-quote"


class PriceMissing(RuleBroken):
    """Every line of the request needs a price."""

    code = "price-missing"


class PriceTooFine(RuleBroken):
    code = "price-too-fine"


class VatNotValid(RuleBroken):
    code = "vat-not-valid"


class DeliveryNotValid(RuleBroken):
    code = "delivery-not-valid"


class CommentNamesSupplier(RuleBroken):
    """The buyer must not learn from a comment who the supplier is."""

    code = "comment-names-supplier"


class AboveCeiling(RuleBroken):
    code = "above-ceiling"


class TooManyVersions(RuleBroken):
    """A withdrawal makes a version too, but this limit never refuses one."""

    code = "too-many-versions"


class NothingToWithdraw(RuleBroken):
    code = "nothing-to-withdraw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """The supplier's whole quote; it replaces a former one. ``prices`` are prices of one unit (or pack), by the line's
    id, including VAT at ``vat_rate`` percent. ``standing`` is the state of the supplier's organisation. ``quote_id`` is
    new, and used only for a first quote."""

    supplier_id: str
    supplier_name: str
    standing: str
    quote_id: str
    prices: Mapping[str, Decimal]
    vat_rate: Decimal
    delivery_days: int
    comment: str = ""


def submit(request: Request, before: Quote | None, command: Submit, arrived_at: datetime) -> tuple[Fact, ...]:
    """Return the facts of the new version, none if it repeats the valid version. ``before`` is the supplier's
    latest version, which may be a withdrawn one. Raise a RuleBroken of this module, RequestWithdrawn and QuotingOver
    first."""
    _in_time(request, arrived_at)
    if command.supplier_id == request.opened.buyer_id:
        raise BuyerCannotQuote("The buyer cannot quote in its own request.")
    if command.standing != "active":
        raise SupplierNotActive(
            f"Only an active supplier can send a quote; {command.supplier_name} is {command.standing}.",
            standing=command.standing,
            supplier=command.supplier_name,
        )
    longest = request.rules.longest_delivery_days
    if not 0 <= command.delivery_days <= longest:
        raise DeliveryNotValid(f"Delivery takes between 0 and {longest} days.", field="delivery_days", longest=longest)
    if not command.vat_rate.is_finite() or not 0 <= command.vat_rate <= 100:
        raise VatNotValid("VAT must be between 0 and 100 %.", field="vat_rate")
    comment = _without_names(command)
    lines = _priced(request, command)
    amount = sum((line.amount for line in lines if line.amount is not None), start=Decimal(0))
    if request.rules.ceiling is not None and amount > request.rules.ceiling:
        raise AboveCeiling(
            f"The total of a quote may be at most {request.rules.ceiling:,f} {request.opened.currency}; this one is {amount:,f}.",
            field="",
            amount=amount,
            ceiling=request.rules.ceiling,
            currency=request.opened.currency,
        )
    quote = Quote(
        quote_id=before.quote_id if before else command.quote_id,
        supplier_id=command.supplier_id,
        version=before.version + 1 if before else 1,
        lines=lines,
        amount=amount,
        vat_rate=command.vat_rate,
        delivery_days=command.delivery_days,
        comment=comment,
        arrived_at=arrived_at,
    )
    if before and quote == structs.replace(before, version=quote.version, arrived_at=arrived_at):
        return ()
    if quote.version > MOST_VERSIONS:
        raise TooManyVersions(
            f"A quote may have at most {MOST_VERSIONS} versions. The last one is valid, and you can still withdraw it.",
            most=MOST_VERSIONS,
        )
    return (QuoteSealed(quote=quote, before=before),)


def withdraw(request: Request, quote: Quote | None, arrived_at: datetime) -> tuple[Fact, ...]:
    """Return the facts of the withdrawal, none if the quote is withdrawn already. ``quote`` is the supplier's latest
    version. Raise RequestWithdrawn, QuotingOver or NothingToWithdraw."""
    _in_time(request, arrived_at)
    if quote is None:
        raise NothingToWithdraw("Your organisation has no quote here.")
    if quote.withdrawn:
        return ()
    gone = structs.replace(quote, withdrawn=True, version=quote.version + 1, arrived_at=arrived_at)
    return (QuoteWithdrawn(quote=gone),)


def end(request: Request, now: datetime) -> tuple[Fact, ...]:
    """Return the facts if the deadline and the settle seconds after it have passed. In these seconds, quotes that
    arrived before the deadline are still processed. A timer calls this."""
    opened = request.opened
    if request.stage is not RequestStage.OPEN or now < opened.closes_at + timedelta(
        seconds=request.rules.settle_seconds
    ):
        return ()
    ended = QuotingEnded(
        request_id=opened.request_id,
        buyer_id=opened.buyer_id,
        title=opened.title,
        quotes=request.quoted,
        opened_at=opened.opened_at,
        ended_at=opened.closes_at,
    )
    if request.quoted:
        return (ended,)
    over: QuoteRequestClosed = closed(request, NOBODY, "unsuccessful", now)
    return (ended, over)


def _in_time(request: Request, arrived_at: datetime) -> None:
    if request.stage is RequestStage.WITHDRAWN and request.closed is not None:
        withdrawn_at = request.closed.ended_at
        raise RequestWithdrawn(
            f"The buyer withdrew this request at {withdrawn_at:%Y-%m-%d %H:%M:%S} UTC, so quotes are no longer accepted.",
            withdrawn_at=withdrawn_at,
            arrived_at=arrived_at,
        )
    if request.stage is not RequestStage.OPEN or arrived_at >= request.opened.closes_at:
        raise QuotingOver(
            f"Quotes were possible until {request.opened.closes_at:%Y-%m-%d %H:%M:%S} UTC; this arrived at"
            f" {arrived_at:%Y-%m-%d %H:%M:%S} UTC.",
            closes_at=request.opened.closes_at,
            arrived_at=arrived_at,
        )


def _without_names(command: Submit) -> str:
    comment = within(command.comment, "comment", Phrase)
    folded = comment.casefold()
    named = command.supplier_name and command.supplier_name.casefold() in folded
    if named or any(mark in folded for mark in _CONTACTS):
        raise CommentNamesSupplier(
            "The buyer must not know who sends a quote: leave your name and addresses out of the comment.",
            field="comment",
        )
    return comment


def _priced(request: Request, command: Submit) -> tuple[Line, ...]:
    """Return the lines with their prices. Each line's amount is rounded once, half-even, to the minor unit."""
    ids = [line.line_id for line in request.opened.lines]
    if strangers := sorted(set(command.prices) - set(ids)):
        raise UnknownLine(f"There is no line {strangers[0]!r} in this request.", field="prices", line=strangers[0])
    lines = []
    for line in request.opened.lines:
        price = command.prices.get(line.line_id)
        if price is None:
            raise PriceMissing(
                f"Line {line.line_id} has no price. A quote must have a price for every line.",
                field=f"price-{line.line_id}",
                line=line.line_id,
            )
        _possible(line.line_id, price)
        assert line.quantity is not None, "the opening checks it"
        amount = round_money(line.quantity * price, request.opened.currency)
        if amount <= 0:
            raise ComesToNothing(
                f"At a price of {price:,f}, the amount of line {line.line_id} is rounded to zero. Ask for more.",
                field=f"price-{line.line_id}",
                price=price,
                line_id=line.line_id,
            )
        lines.append(
            structs.replace(line, unit_price=price, amount=amount, vat_rate=command.vat_rate, vat_included=True)
        )
    return tuple(lines)


def _possible(line: str, price: Decimal) -> None:
    field = f"price-{line}"
    if price.is_nan() or price <= 0:
        raise PriceNotPositive(
            f"The price of line {line} must be above zero, not {price:,f}.", field=field, line=line, price=price
        )
    if price >= _ABSURD:
        raise PriceAbsurd(
            f"The unit price of line {line} must be below {_ABSURD:,f}, not {price}.",
            field=field,
            line=line,
            price=price,
            below=_ABSURD,
        )
    exponent = price.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -_FINEST:
        raise PriceTooFine(
            f"The unit price of line {line} may have at most {_FINEST} decimals, not {-exponent}.",
            field=field,
            line=line,
            decimals=_FINEST,
            given_decimals=-exponent,
        )
