"""Builders of contracts that are carried out: a school's paper at 800.00, in two lines of 100 and 3, signed on a Monday."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal as D
from typing import Any

from msgspec import structs

from catalogue.policy import Policy
from events import Event
from events.contracts import ContractConcluded
from events.values import Line
from services.contracts.domain.execution import execution_due
from services.fulfilment.domain import (
    AnswerDispute,
    AnswerEnding,
    AssessDelivery,
    Command,
    ConfirmReceipt,
    DecideDispute,
    OpenDispute,
    PayInvoice,
    PlaceOrder,
    ProposeEnding,
    ReportDelivery,
    SubmitInvoice,
    Tick,
    Withdraw,
    WithdrawEnding,
    apply,
    begin,
    decide,
)
from services.fulfilment.domain.state import Execution
from tests.services.contracts.builders import CALENDAR, MONDAY, MOSCOW, PAPER, PLACE, a_line

SCHOOL, MILL = "school", "mill"
ALL = {"1": D(100), "2": D(3)}
LINES = (a_line("1", "480.00"), a_line("2", "320.00", quantity="3"))
DAY = timedelta(days=1)


def concluded(lines: tuple[Line, ...] = LINES, **changes: Any) -> ContractConcluded:
    event = ContractConcluded(
        process_id="process",
        contract_id="contract",
        award_id="award",
        origin="auction",
        buyer_id=SCHOOL,
        buyer_name="School No. 1",
        supplier_id=MILL,
        supplier_name="Mill",
        title="Paper",
        category=PAPER,
        method="open",
        place=PLACE,
        currency="RUB",
        amount=sum((line.amount or D(0) for line in lines), D(0)),
        lines=lines,
        signed_at=MONDAY,
    )
    return structs.replace(event, **changes)


def speaking(**rules: Any) -> Policy:
    """Return the Moscow policy with these rules of execution."""
    return structs.replace(MOSCOW, execution=structs.replace(MOSCOW.execution, **rules))


class Work:
    """A contract that executes commands and stores every event. The test moves ``now``."""

    def __init__(self, signed: ContractConcluded | None = None, policy: Policy = MOSCOW) -> None:
        self.first = self.state = begin(execution_due(signed or concluded(), policy, CALENDAR), policy)
        self.now = MONDAY + DAY
        self.events: list[Event] = []

    def tell(self, command: Command) -> tuple[Event, ...]:
        happened = decide(self.state, command, self.now)
        for event in happened:
            self.state = apply(self.state, event)
        self.events += happened
        return happened

    def after(self, until: datetime | timedelta) -> Work:
        self.now = until if isinstance(until, datetime) else self.now + until
        return self

    def tick(self) -> tuple[Event, ...]:
        return self.tell(Tick())

    def order(self, lines: dict[str, D] | None = None, *, days: int = 5, by: str = SCHOOL) -> tuple[Event, ...]:
        return self.tell(PlaceOrder(organisation_id=by, member_id="ann", lines=lines or ALL, days=days))

    def deliver(
        self, lines: dict[str, D] | None = None, *, order: int = 1, by: str = MILL, on: date | None = None
    ) -> tuple[Event, ...]:
        return self.tell(
            ReportDelivery(
                organisation_id=by,
                member_id="bob",
                order=order,
                lines=lines or ALL,
                note="TN-1",
                delivered_on=on,
            )
        )

    def assess(
        self, lines: dict[str, D] | None = None, *, delivery: int = 1, reasons: str = "wet", by: str = SCHOOL
    ) -> tuple[Event, ...]:
        accepted = ALL if lines is None else lines
        return self.tell(AssessDelivery(organisation_id=by, delivery=delivery, lines=accepted, reasons=reasons))

    def invoice(self, *deliveries: int, by: str = MILL) -> tuple[Event, ...]:
        command = SubmitInvoice(
            organisation_id=by, member_id="bob", deliveries=deliveries or (1,), reference=f"INV-{len(self.events)}"
        )
        return self.tell(command)

    def pay(self, invoice: int = 1, by: str = SCHOOL) -> tuple[Event, ...]:
        return self.tell(PayInvoice(organisation_id=by, member_id="ann", invoice=invoice))

    def confirm(self, invoice: int = 1, by: str = MILL) -> tuple[Event, ...]:
        return self.tell(ConfirmReceipt(organisation_id=by, invoice=invoice))

    def withdraw(self, about: str, number: int = 1, *, by: str) -> tuple[Event, ...]:
        return self.tell(Withdraw(organisation_id=by, about=about, number=number))

    def dispute(self, about: Any, number: int = 1, *, by: str, asks: Any = "set-aside") -> tuple[Event, ...]:
        return self.tell(
            OpenDispute(organisation_id=by, member_id="m", about=about, number=number, asks=asks, reasons="It was dry")
        )

    def reply(self, dispute: int = 1, *, by: str, asks: Any, words: str = "It was not") -> tuple[Event, ...]:
        return self.tell(AnswerDispute(organisation_id=by, member_id="m", dispute=dispute, asks=asks, words=words))

    def decision(self, outcome: Any, dispute: int = 1, explanation: str = "It was seen") -> tuple[Event, ...]:
        return self.tell(DecideDispute(dispute=dispute, outcome=outcome, explanation=explanation))

    def propose(self, *, by: str, kind: Any = "closure", ground: Any = "agreement") -> tuple[Event, ...]:
        command = ProposeEnding(organisation_id=by, member_id="m", kind=kind, ground=ground, reasons="Enough")
        return self.tell(command)

    def consent(self, *, by: str, agrees: bool = True, words: str = "No") -> tuple[Event, ...]:
        return self.tell(AnswerEnding(organisation_id=by, agrees=agrees, words=words))

    def withdraw_ending(self, *, by: str) -> tuple[Event, ...]:
        return self.tell(WithdrawEnding(organisation_id=by))

    def replayed(self) -> Execution:
        state = self.first
        for event in self.events:
            state = apply(state, event)
        return state


def ordered() -> Work:
    work = Work()
    work.order()
    return work


def delivered() -> Work:
    work = ordered()
    work.deliver()
    return work


def invoiced() -> Work:
    work = delivered()
    work.assess()
    work.invoice()
    return work
