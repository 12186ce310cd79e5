"""Direct purchase: a buyer accepts an offer as it is, below a ceiling, and the supplier accepts or refuses the request
before a deadline.

See docs/rules.md section 4. Contracts drafts the contract of an accepted purchase. The parties sign only that contract.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from catalogue.calendar import RegionCalendar
from catalogue.money import Money, QuantityNotPositive
from catalogue.offers import Need, NotAvailable, Offer, PricedOffer, price_for
from catalogue.policy import Policy, text_of
from catalogue.rules import ComesToNothing, OrganisationNotActive, RuleBroken, require_repeat
from events import Event
from events.accounts import OrganisationRegistered
from events.catalogue import SkuPublished
from events.contracts import PurchaseAnswered, PurchaseRequested
from events.purchases import PurchaseAccepted
from events.values import Line, Place

AT_FAULT = {
    "offer-not-valid": "offer_id",
    "region-not-served": "region",
    "below-minimum": "quantity",
    "above-maximum": "quantity",
}
"""The input at fault, by the reason why an offer is not available."""


class OwnOffer(RuleBroken):
    code = "own-offer"


class OfferNotAvailable(RuleBroken):
    """The offer's own terms forbid the purchase. ``because`` names the term: validity, region or quantity."""

    code = "offer-not-available"


class PurchaseAboveCeiling(RuleBroken):
    code = "purchase-above-ceiling"


class NotTheCheapest(RuleBroken):
    """``offer`` is a cheaper one."""

    code = "not-the-cheapest"


class TooManyUnanswered(RuleBroken):
    """``unanswered`` requests of the buyer wait for this supplier."""

    code = "too-many-unanswered"


class TooManyUnansweredInAll(RuleBroken):
    """``unanswered`` requests of the buyer wait for any supplier."""

    code = "too-many-unanswered-in-all"


class NotTheSupplier(RuleBroken):
    code = "not-the-supplier"


class AnswerOverdue(RuleBroken):
    code = "answer-overdue"


class AnsweredOtherwise(RuleBroken):
    code = "answered-otherwise"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """``line`` is what is bought, priced with VAT. ``answer`` is accepted, refused or lapsed, or "" until there is one.
    ``reason`` is what the supplier wrote with the answer; it is None before that, and where a former release stored only
    the answer."""

    requested: PurchaseRequested
    supplier_name: str
    line: Line
    policy: Policy
    calendar: RegionCalendar
    answer: str = ""
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestPurchase:
    """``quantity`` counts packs of the SKU. ``place`` is the place of delivery, with a region or at least a country."""

    process_id: str
    quantity: Decimal
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPurchase:
    organisation_id: str
    accepts: bool
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LapseAnswer:
    """A timer's command: the time to answer may be over."""


def request(
    command: RequestPurchase,
    offer: Offer,
    sku: SkuPublished,
    *,
    buyer: OrganisationRegistered,
    supplier: OrganisationRegistered,
    policy: Policy,
    calendar: RegionCalendar,
    now: datetime,
    rivals: Iterable[Offer] = (),
) -> Purchase:
    """Return the purchase, whose ``requested`` is the event to publish. ``calendar`` is the buyer's. ``rivals`` are
    other offers of the same SKU; they matter for goods in demand, of which only the cheapest offer may be bought.

    Raise a RuleBroken of this module, QuantityNotPositive, or CurrencyMismatch for an offer in another currency.
    """
    for organisation in (buyer, supplier):
        if organisation.state != "active":
            raise OrganisationNotActive(
                f"{organisation.name} is {organisation.state}: only active organisations buy and sell.",
                organisation=organisation.organisation_id,
                name=organisation.name,
                state=organisation.state,
            )
    if buyer.organisation_id == supplier.organisation_id:
        raise OwnOffer("An organisation cannot buy from itself.", field="offer_id")
    if not command.quantity.is_finite() or command.quantity <= 0:
        raise QuantityNotPositive(
            f"The quantity of a purchase must be above zero, not {command.quantity}.",
            field="quantity",
            quantity=command.quantity,
        )
    region = command.place.region or command.place.country or ""
    need = Need(command.quantity, region, calendar.local(now).date())
    priced = price_for(offer, need)
    if isinstance(priced, NotAvailable):
        field = AT_FAULT[priced.because]
        raise OfferNotAvailable(priced.message, field=field, because=priced.because, **priced.numbers)
    if priced.total.amount <= 0:
        raise ComesToNothing(
            f"A quantity of {command.quantity:,f} of this offer costs nothing after rounding: buy more of it.",
            field="quantity",
            quantity=command.quantity,
        )
    if policy.purchase.cheapest_only(sku.category.code):
        _require_the_cheapest(priced, rivals, need)
    ceiling = Money(policy.purchase.ceiling, policy.currency)
    if priced.total > ceiling:
        raise PurchaseAboveCeiling(
            f"A direct purchase may cost at most {ceiling}; this one costs {priced.total}.",
            field="quantity",
            amount=priced.total.amount,
            ceiling=ceiling.amount,
        )
    requested = PurchaseRequested(
        process_id=command.process_id,
        buyer_id=buyer.organisation_id,
        buyer_name=buyer.name,
        supplier_id=supplier.organisation_id,
        offer_id=offer.offer_id,
        sku_id=sku.sku_id,
        title=sku.name,
        quantity=command.quantity,
        unit_price=priced.gross.amount,
        amount=priced.total.amount,
        currency=offer.currency,
        place=command.place,
        due_at=policy.due(now, policy.purchase.answer_days, calendar),
    )
    line = Line(
        line_id="1",
        description=sku.name,
        category=sku.category,
        sku_id=sku.sku_id,
        quantity=command.quantity,
        unit=sku.base_unit,
        pack_size=sku.pack_size,
        unit_price=priced.gross.amount,
        amount=priced.total.amount,
        vat_rate=offer.vat_rate,
        vat_included=True,
        attributes=sku.attributes,
    )
    return Purchase(requested=requested, supplier_name=supplier.name, line=line, policy=policy, calendar=calendar)


def check_unanswered(policy: Policy, to_the_supplier: int, in_all: int) -> None:
    """Check whether a buyer with so many unanswered requests may make one more. Raise TooManyUnanswered or
    TooManyUnansweredInAll. The limits keep a supplier's requests for one day few enough to read."""
    rules = policy.purchase
    if to_the_supplier >= rules.open_to_one:
        raise TooManyUnanswered(
            f"This supplier has not answered {to_the_supplier} of your requests yet, and {rules.open_to_one} may wait for one"
            " supplier at a time. Ask again when it has answered, or when their time is over.",
            unanswered=to_the_supplier,
            most=rules.open_to_one,
        )
    if in_all >= rules.open_in_all:
        raise TooManyUnansweredInAll(
            f"{in_all} of your requests are not answered yet, and {rules.open_in_all} may wait at a time. Ask again when"
            " suppliers have answered, or when the time of the requests is over.",
            unanswered=in_all,
            most=rules.open_in_all,
        )


def _require_the_cheapest(priced: PricedOffer, rivals: Iterable[Offer], need: Need) -> None:
    for rival in rivals:
        other = price_for(rival, need)
        if (
            isinstance(other, PricedOffer)
            and other.total.currency == priced.total.currency
            and other.total < priced.total
        ):
            raise NotTheCheapest(
                "These goods are in demand: only the cheapest offer may be bought. This one costs"
                f" {priced.total}, another one {other.total}.",
                field="offer_id",
                amount=priced.total.amount,
                cheaper=other.total.amount,
                offer=rival.offer_id,
            )


def decide(purchase: Purchase, command: AnswerPurchase | LapseAnswer, now: datetime) -> tuple[PurchaseAnswered, ...]:
    """Return the events of the answer: none if it repeats the given answer, or if the time to answer is not over. A
    suspended supplier may still answer, because it must finish what it owes. Raise DoneOtherwise if the same answer was
    given with another message."""
    overdue = now >= purchase.requested.due_at
    if isinstance(command, LapseAnswer):
        return (_answered(purchase, "lapsed", ""),) if overdue and not purchase.answer else ()
    if command.organisation_id != purchase.requested.supplier_id:
        raise NotTheSupplier("Only the supplier can answer a request.", field="organisation_id")
    answer = "accepted" if command.accepts else "refused"
    if purchase.answer == answer:
        require_repeat(purchase.reason is None or command.reason == purchase.reason, purchase.reason or "")
        return ()
    if purchase.answer and purchase.answer != "lapsed":
        raise AnsweredOtherwise(f"The request was {purchase.answer} already.", answer=purchase.answer)
    if purchase.answer or overdue:
        raise AnswerOverdue(
            f"The answer was due by {purchase.requested.due_at}; it is {now}.",
            due_at=purchase.requested.due_at,
            now=now,
        )
    return (_answered(purchase, answer, command.reason),)


def apply(purchase: Purchase, event: Event) -> Purchase:
    """Return the purchase after the event. Raise TypeError for an event that no purchase has."""
    if isinstance(event, PurchaseAnswered):
        return replace(purchase, answer=event.answer, reason=event.reason)
    raise TypeError(f"{type(event).__name__} does not happen to a purchase")


def _answered(purchase: Purchase, answer: str, reason: str) -> PurchaseAnswered:
    return PurchaseAnswered(
        process_id=purchase.requested.process_id,
        buyer_id=purchase.requested.buyer_id,
        supplier_id=purchase.requested.supplier_id,
        answer=answer,
        reason=reason,
    )


def accepted(purchase: Purchase, contract_id: str) -> PurchaseAccepted:
    """Return the event with what the service of contracts needs to draft the contract."""
    requested = purchase.requested
    same = "process_id buyer_id buyer_name supplier_id title place currency amount"
    return PurchaseAccepted(
        **{name: getattr(requested, name) for name in same.split()},
        contract_id=contract_id,
        supplier_name=purchase.supplier_name,
        line=purchase.line,
        policy=purchase.policy.name,
        policy_text=text_of(purchase.policy),
    )
