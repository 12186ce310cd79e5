"""Sealed quotes: sent, changed and withdrawn by their suppliers until the deadline, which arrivals alone are judged by."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec import structs

from catalogue.money import round_money
from catalogue.rules import PriceNotPositive, RuleBroken, SupplierNotActive
from events.bounds import Phrase
from events.quotes import QuoteRequestClosed, QuotingEnded
from events.values import Line
from services.quotes.domain.choosing import NOBODY, closed
from services.quotes.domain.request import Fact, Quote, QuoteSealed, QuoteWithdrawn, Request, Stage, within

LONGEST_DELIVERY = 365
MOST_VERSIONS = 100
"""Of one supplier's quote, each of which is kept as a proof."""
_ABSURD = Decimal(10**12)
_FINEST = 6
_CONTACTS = ("@", "http:", "https:", "www.")


class QuotingOver(RuleBroken):
    """It arrived at the deadline or after it."""

    code = "quoting-over"


class RequestWithdrawn(RuleBroken):
    """Its buyer withdrew it before its deadline."""

    code = "request-withdrawn"


class BuyerCannotQuote(RuleBroken):
    code = "buyer-cannot-quote"


class PriceMissing(RuleBroken):
    """Every line has a price, and there is no price without a line."""

    code = "price-missing"


class PriceNotValid(RuleBroken):
    code = "price-not-valid"


class VatNotValid(RuleBroken):
    code = "vat-not-valid"


class DeliveryNotValid(RuleBroken):
    code = "delivery-not-valid"


class CommentNamesSupplier(RuleBroken):
    """The buyer chooses without knowing who quotes."""

    code = "comment-names-supplier"


class AboveCeiling(RuleBroken):
    code = "above-ceiling"


class TooManyVersions(RuleBroken):
    """Withdrawing makes a version too, and is never refused for their number."""

    code = "too-many-versions"


class NothingToWithdraw(RuleBroken):
    code = "nothing-to-withdraw"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submit:
    """The supplier's whole quote; a former one is replaced. ``prices`` are of one unit (pack) of a line, by its id, VAT included at
    ``vat_rate`` percent. ``standing`` is its organisation's state, ``quote_id`` new (used for a first quote only)."""

    supplier_id: str
    supplier_name: str
    standing: str
    quote_id: str
    prices: Mapping[str, Decimal]
    vat_rate: Decimal
    delivery_days: int
    comment: str = ""


def submit(request: Request, before: Quote | None, command: Submit, arrived_at: datetime) -> tuple[Fact, ...]:
    """The new version after ``before``, the supplier's latest one, also a withdrawn one; nothing where it is the standing one again.
    Raises a RuleBroken of this module, RequestWithdrawn and QuotingOver first."""
    _in_time(request, arrived_at)
    if command.supplier_id == request.opened.buyer_id:
        raise BuyerCannotQuote("The buyer cannot quote in its own request.")
    if command.standing != "active":
        raise SupplierNotActive(
            f"Only an active supplier quotes; {command.supplier_name} is {command.standing}.",
            standing=command.standing,
            supplier=command.supplier_name,
        )
    if not 0 <= command.delivery_days <= LONGEST_DELIVERY:
        raise DeliveryNotValid(
            f"Delivery takes between 0 and {LONGEST_DELIVERY} days.", field="delivery_days", longest=LONGEST_DELIVERY
        )
    if not command.vat_rate.is_finite() or not 0 <= command.vat_rate <= 100:
        raise VatNotValid("VAT lies between 0 and 100 %.", field="vat_rate")
    comment = _without_names(command)
    lines = _priced(request, command)
    amount = sum((line.amount for line in lines if line.amount is not None), start=Decimal(0))
    if request.rules.ceiling is not None and amount > request.rules.ceiling:
        raise AboveCeiling(
            f"A quote may come to {request.rules.ceiling:,f} {request.opened.currency} at most; this one comes to {amount:,f}.",
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
            f"A quote has {MOST_VERSIONS} versions at most. The last one stands, and you can still withdraw it.",
            most=MOST_VERSIONS,
        )
    return (QuoteSealed(quote=quote, before=before),)


def withdraw(request: Request, quote: Quote | None, arrived_at: datetime) -> tuple[Fact, ...]:
    """``quote`` is the supplier's latest version. Harmless when repeated. Raises RequestWithdrawn, QuotingOver,
    NothingToWithdraw."""
    _in_time(request, arrived_at)
    if quote is None:
        raise NothingToWithdraw("Your organisation has no quote here.")
    if quote.withdrawn:
        return ()
    gone = structs.replace(quote, withdrawn=True, version=quote.version + 1, arrived_at=arrived_at)
    return (QuoteWithdrawn(quote=gone),)


def end(request: Request, now: datetime) -> tuple[Fact, ...]:
    """The timer's word that the deadline may have passed, and the seconds in which what arrived before it is still taken in."""
    opened = request.opened
    if request.stage is not Stage.OPEN or now < opened.closes_at + timedelta(seconds=request.rules.settle_seconds):
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
    if request.stage is Stage.WITHDRAWN and request.closed is not None:
        withdrawn_at = request.closed.ended_at
        raise RequestWithdrawn(
            f"The buyer withdrew this request at {withdrawn_at:%Y-%m-%d %H:%M:%S} UTC: no quotes are taken any more.",
            withdrawn_at=withdrawn_at,
            arrived_at=arrived_at,
        )
    if request.stage is not Stage.OPEN or arrived_at >= request.opened.closes_at:
        raise QuotingOver(
            f"Quotes were taken until {request.opened.closes_at:%Y-%m-%d %H:%M:%S} UTC; this arrived at"
            f" {arrived_at:%H:%M:%S}.",
            closes_at=request.opened.closes_at,
            arrived_at=arrived_at,
        )


def _without_names(command: Submit) -> str:
    comment = within(command.comment, "comment", Phrase)
    folded = comment.casefold()
    named = command.supplier_name and command.supplier_name.casefold() in folded
    if named or any(mark in folded for mark in _CONTACTS):
        raise CommentNamesSupplier(
            "The buyer chooses without knowing who quotes: leave your name and addresses out of the comment.",
            field="comment",
        )
    return comment


def _priced(request: Request, command: Submit) -> tuple[Line, ...]:
    """Each line's amount is rounded once, half-even, to the minor unit."""
    ids = [line.line_id for line in request.opened.lines]
    if strangers := sorted(set(command.prices) - set(ids)):
        raise PriceMissing(f"There is no line {strangers[0]!r} in this request.", field="prices", unknown=strangers[0])
    lines = []
    for line in request.opened.lines:
        price = command.prices.get(line.line_id)
        if price is None:
            raise PriceMissing(
                f"Line {line.line_id} has no price: a quote is for the whole.",
                field=f"price-{line.line_id}",
                line=line.line_id,
            )
        exponent = price.as_tuple().exponent
        if isinstance(exponent, int) and price <= 0:
            raise PriceNotPositive(
                f"The price of line {line.line_id} must be above zero, not {price:,f}.",
                field=f"price-{line.line_id}",
                line=line.line_id,
                price=price,
            )
        if not isinstance(exponent, int) or price >= _ABSURD or exponent < -_FINEST:
            raise PriceNotValid(
                f"A unit price is below {_ABSURD:,f} and has {_FINEST} decimals at most.",
                field=f"price-{line.line_id}",
                line=line.line_id,
                below=_ABSURD,
                decimals=_FINEST,
            )
        assert line.quantity is not None, "the opening checks it"
        amount = round_money(line.quantity * price, request.opened.currency)
        if amount <= 0:
            raise PriceNotPositive(
                f"At a price of {price:,f}, line {line.line_id} comes to nothing: ask more.",
                field=f"price-{line.line_id}",
                price=price,
                line_id=line.line_id,
            )
        lines.append(
            structs.replace(line, unit_price=price, amount=amount, vat_rate=command.vat_rate, vat_included=True)
        )
    return tuple(lines)
