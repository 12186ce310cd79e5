"""Builders of the events that quotes publishes: a request, its end, and the choice with every quote before it."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from msgspec import structs

from events.quotes import QuoteDisclosed, QuoteRequestClosed, QuoteRequestOpened, QuotingEnded
from events.values import Category, Line, Place
from infra.ids import new_id

PAPER = Category(code="30197630", title="Printing paper")
MOSCOW = Place(country="RU", region="RU-MOW", locality="Moscow")


def a_request(now: datetime, **changes: Any) -> QuoteRequestOpened:
    request = QuoteRequestOpened(
        request_id=new_id(),
        buyer_id=new_id(),
        buyer_name="City library",
        title=f"Paper {new_id()}",
        kind="goods",
        category=PAPER,
        place=MOSCOW,
        currency="RUB",
        lines=(Line(line_id="1", description="Paper A4", category=PAPER, quantity=Decimal(100), unit="H87"),),
        requirements="",
        policy="demo",
        opened_at=now,
        closes_at=now + timedelta(hours=3),
        choose_by=now + timedelta(days=2),
    )
    return structs.replace(request, **changes)


def the_end(request: QuoteRequestOpened, quotes: int = 2) -> QuotingEnded:
    return QuotingEnded(
        request_id=request.request_id,
        buyer_id=request.buyer_id,
        title=request.title,
        quotes=quotes,
        opened_at=request.opened_at,
        ended_at=request.closes_at,
    )


def the_choice(
    request: QuoteRequestOpened, quotes: dict[str, str], *, chosen: str | None
) -> tuple[list[QuoteDisclosed], QuoteRequestClosed]:
    """Build the events of a choice. ``quotes`` are the unit prices of every line by supplier, including VAT of 20 %."""
    priced = {
        supplier: tuple(
            structs.replace(
                line,
                unit_price=Decimal(price),
                amount=Decimal(price) * (line.quantity or 0),
                vat_rate=Decimal(20),
                vat_included=True,
            )
            for line in request.lines
        )
        for supplier, price in quotes.items()
    }
    amounts = {
        supplier: sum((line.amount or Decimal(0) for line in lines), Decimal(0)) for supplier, lines in priced.items()
    }
    order = sorted(quotes, key=lambda supplier: (supplier != chosen, amounts[supplier]))
    disclosed = [
        QuoteDisclosed(
            request_id=request.request_id,
            quote_id=new_id(),
            supplier_id=supplier,
            participant=number,
            rank=order.index(supplier) + 1,
            chosen=supplier == chosen,
            amount=amounts[supplier],
            currency=request.currency,
            lines=priced[supplier],
            delivery_days=3,
            quoted_at=request.opened_at + timedelta(minutes=number),
            buyer_id=request.buyer_id,
            category=request.category,
            place=request.place,
        )
        for number, supplier in enumerate(quotes, start=1)
    ]
    closed = QuoteRequestClosed(
        request_id=request.request_id,
        buyer_id=request.buyer_id,
        buyer_name=request.buyer_name,
        title=request.title,
        kind=request.kind,
        category=request.category,
        place=request.place,
        currency=request.currency,
        outcome="awarded" if chosen else "lapsed",
        quotes=len(quotes),
        cheapest=min(amounts.values(), default=None),
        amount=amounts[chosen] if chosen else None,
        winner_id=chosen,
        winner=list(quotes).index(chosen) + 1 if chosen else None,
        lines=priced[chosen] if chosen else (),
        justification="It delivers before the term begins" if chosen else "",
        reason="",
        policy=request.policy,
        opened_at=request.opened_at,
        ended_at=request.closes_at,
        closed_at=request.closes_at + timedelta(hours=1),
    )
    return disclosed, closed


def the_withdrawal(request: QuoteRequestOpened) -> QuoteRequestClosed:
    """Build the event of a withdrawal by the buyer, an hour after the opening."""
    at = request.opened_at + timedelta(hours=1)
    _, closed = the_choice(request, {}, chosen=None)
    return structs.replace(
        closed, outcome="withdrawn", reason="Found in the attic", quotes=1, ended_at=at, closed_at=at
    )
