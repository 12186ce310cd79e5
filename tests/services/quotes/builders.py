"""Builders of requests for quotes: a school asks for quotes for paper, suppliers send quotes, the school chooses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from catalogue.calendar import RegionCalendar
from catalogue.policy import Policy, load
from events.codec import Event
from events.quotes import QuotingEnded
from events.values import Category, Line, Place
from services.quotes.domain import choosing, quoting
from services.quotes.domain.choosing import Choose, RejectAll, WithdrawRequest
from services.quotes.domain.opening import OpenRequest, open_request
from services.quotes.domain.quoting import Submit
from services.quotes.domain.request import (
    Comparison,
    Fact,
    Quote,
    QuotesDisclosed,
    QuoteSealed,
    QuoteWithdrawn,
    Request,
    apply,
    numbered,
)

MOSCOW = load("moscow")
CALENDAR = RegionCalendar("Europe/Moscow", "RU")
MONDAY = datetime(2026, 11, 16, 7, 0, tzinfo=UTC)  # 10:00 in Moscow, in a week without holidays
DEADLINE = MONDAY + timedelta(hours=3)
AFTER = DEADLINE + timedelta(seconds=2)
PAPER = Category(code="30197630", title="Printing paper")
WHY = "It delivers before the term begins"


def a_line(line_id: str = "1", quantity: str = "100", category: Category | None = PAPER, **more: Any) -> Line:
    return Line(
        line_id=line_id,
        description=more.pop("description", f"Paper {line_id}"),
        category=category,
        quantity=Decimal(quantity),
        unit="H87",
        **more,
    )


def asking(**changes: Any) -> OpenRequest:
    terms: dict[str, Any] = {
        "request_id": "request",
        "buyer_id": "school",
        "buyer_name": "School No. 1",
        "title": "Paper",
        "kind": "goods",
        "place": Place(country="RU", region="RU-MOW"),
        "lines": (a_line("1"), a_line("2", quantity="3")),
        "requirements": "White",
        "closes_at": DEADLINE,
    }
    return OpenRequest(**terms | changes)


class Asked:
    """A request that executes commands and stores every fact and every event."""

    def __init__(self, policy: Policy = MOSCOW, **changes: Any) -> None:
        self.request, self.opened = open_request(asking(**changes), policy=policy, calendar=CALENDAR, now=MONDAY)
        self.facts: list[Fact] = [self.opened]
        self.events: list[Event] = [self.opened]
        self.quotes: dict[str, Quote] = {}
        self.numbers: dict[str, int] = {}

    def keep(self, facts: tuple[Fact, ...]) -> tuple[Fact, ...]:
        """Apply the facts as the service does: it stores the latest version of each quote, gives numbers at the end,
        and discloses each quote if all are disclosed."""
        told: list[Fact] = []
        for fact in facts:
            self.request = apply(self.request, fact)
            match fact:
                case QuoteSealed(quote=quote) | QuoteWithdrawn(quote=quote):
                    self.quotes[quote.supplier_id] = quote
                case QuotingEnded():
                    self.numbers = numbered(self.compared.standing)
            told += self._each(fact) if isinstance(fact, QuotesDisclosed) else [fact]
        self.facts += facts
        self.events += [fact for fact in told if isinstance(fact, Event)]
        return tuple(told)

    def _each(self, fact: QuotesDisclosed) -> list[Fact]:
        return [
            choosing.disclosed(
                self.request, self.quotes[who], participant=fact.numbers[who], rank=rank, chosen=who == fact.chosen
            )
            for rank, who in enumerate(fact.suppliers, start=1)
        ]

    @property
    def compared(self) -> Comparison:
        return Comparison.of(self.quotes.values(), self.numbers)

    def quoted(self, supplier: str, price: str, at: datetime = MONDAY, **changes: Any) -> tuple[Fact, ...]:
        """Quote both lines at this unit price: 103 units in all."""
        terms: dict[str, Any] = {
            "supplier_id": supplier,
            "supplier_name": f"Name of {supplier}",
            "standing": "active",
            "quote_id": f"quote-of-{supplier}",
            "prices": {line.line_id: Decimal(price) for line in self.opened.lines},
            "vat_rate": Decimal(20),
            "delivery_days": 5,
        }
        return self.keep(quoting.submit(self.request, self.quotes.get(supplier), Submit(**terms | changes), at))

    def withdrawn(self, supplier: str, at: datetime = MONDAY) -> tuple[Fact, ...]:
        return self.keep(quoting.withdraw(self.request, self.quotes.get(supplier), at))

    def ended(self, now: datetime = AFTER) -> tuple[Fact, ...]:
        return self.keep(quoting.end(self.request, now))

    def number(self, supplier: str) -> int:
        return self.numbers.get(supplier, 0)

    def chosen(self, supplier: str, justification: str = "", **changes: Any) -> tuple[Fact, ...]:
        now = changes.pop("now", AFTER)
        lines = self.quotes[supplier].lines if supplier in self.quotes else ()
        terms = {"by": "school", "participant": self.number(supplier), "justification": justification} | changes
        return self.keep(choosing.choose(self.request, self.compared, Choose(lines=lines, **terms), now))

    def called_off(self, reason: str, by: str = "school", now: datetime = MONDAY) -> tuple[Fact, ...]:
        return self.keep(choosing.withdraw(self.request, WithdrawRequest(by=by, reason=reason), now))

    def rejected(self, reason: str, by: str = "school", now: datetime = AFTER) -> tuple[Fact, ...]:
        return self.keep(choosing.reject_all(self.request, self.compared, RejectAll(by=by, reason=reason), now))


def three_quotes() -> Asked:
    """Return a request after its deadline: supplier one quoted 10, two quoted 9 (the cheapest), three quoted 9 a minute
    later."""
    story = Asked()
    story.quoted("one", "10")
    story.quoted("two", "9")
    story.quoted("three", "9", at=MONDAY + timedelta(minutes=1))
    story.ended()
    return story


__all__ = ["Asked", "Request", "a_line", "asking", "three_quotes"]
