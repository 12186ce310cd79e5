"""What both records count about how a contract was carried out follows from its events, and equals what the final state
of the contract says."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal as D
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogue.rules import RuleBroken
from events.contracts import DeliveryReported, DisputeEnded, DisputeOpened, OrderPlaced
from events.pools import PoolClosed
from services.conduct.domain.performance import LATE, Delivered, Performed, after, change_of, delivery_in, met
from services.conduct.handlers import reactions
from services.fulfilment.domain.state import Delivery, Execution
from tests.services.conduct.read_off import performed
from tests.services.contracts.builders import a_line
from tests.services.fulfilment.builders import MILL, SCHOOL, Work, concluded
from tests.services.fulfilment.test_execution import ACTS, act, finish


class Told:
    """What handlers and store do with the events, in memory. It begins with what was copied from ``known``."""

    def __init__(self, known: Execution | None = None) -> None:
        self.stands = performed(known) if known else set()
        self.orders = {each.number: each.lines for each in known.orders} if known else {}
        self.deliveries = {each.number: _delivered(each) for each in known.deliveries} if known else {}
        self.about_answers = {each.number: each.word == "assessed" for each in known.disputes} if known else {}

    def tell(self, event: Any) -> None:
        match event:
            case OrderPlaced():
                self.orders.setdefault(event.order, event.lines)
            case DeliveryReported():
                told = Delivered(number=event.delivery, order=event.order, late=event.late)
                self.deliveries.setdefault(event.delivery, told)
            case _ if type(event) in reactions:
                if isinstance(event, DisputeOpened) and event.about == "delivery":
                    assessed = self.deliveries[event.number].status == "assessed"
                    self.about_answers.setdefault(event.dispute, assessed)
                self._count(event)

    def _count(self, event: Any) -> None:
        number = delivery_in(event)
        if isinstance(event, DisputeEnded) and not self.about_answers.get(event.dispute):
            number = None
        changed = after(event, self.deliveries[number]) if number is not None else None
        is_met = False
        if changed is not None:
            self.deliveries[changed.number] = changed
            others = [each for each in self.deliveries.values() if each.order == changed.order]
            is_met = met(self.orders[changed.order], others)
        change = change_of(event, changed, is_met)
        self.stands -= set(change.gone)
        late = {(each.kind, each.number) for each in self.stands}
        self.stands |= {each for each in change.come if (LATE.get(each.kind), each.number) not in late}


def _delivered(known: Delivery) -> Delivered:
    same = ("number", "order", "late", "status", "accepted")
    return Delivered(**{name: getattr(known, name) for name in same})


def told_since(work: Work, since: int, known: Execution | None) -> set[Performed]:
    told = Told(known)
    for event in work.events[since:]:
        told.tell(event)
    return told.stands


DISPUTES = st.one_of(
    st.tuples(
        st.just("dispute"),
        st.sampled_from(["delivery", "invoice"]),
        st.integers(1, 4),
        st.sampled_from([SCHOOL, MILL]),
        st.sampled_from(["stands", "set-aside"]),
    ),
    st.tuples(
        st.just("reply"), st.integers(1, 4), st.sampled_from([SCHOOL, MILL]), st.sampled_from(["stands", "set-aside"])
    ),
    st.tuples(st.just("decision"), st.integers(1, 4), st.sampled_from(["stands", "set-aside"])),
    st.tuples(st.just("days"), st.integers(1, 20)),
)


def happen(work: Work, what: tuple[Any, ...]) -> None:
    match what:
        case ("dispute", about, number, by, asks):
            work.dispute(about, number, by=by, asks=asks)
        case ("reply", number, by, asks):
            work.reply(number, by=by, asks=asks)
        case ("decision", number, outcome):
            work.decision(outcome, number)
        case ("days", days):
            work.after(timedelta(days=days)).tick()
        case _:
            act(work, what)


def a_life(acts: list[tuple[Any, ...]]) -> Work:
    work = Work(concluded((a_line("1", "10.00", quantity="12"), a_line("2", "0.07", quantity="7.5"))))
    with suppress(RuleBroken):
        work.order({"1": D(6), "2": D(3)}, days=1)
        work.deliver({"1": D(3), "2": D(3)})
    for what in acts:
        with suppress(RuleBroken):
            happen(work, what)
    return work


@settings(max_examples=settings.default.max_examples * 3)
@given(st.lists(st.one_of(ACTS, DISPUTES), max_size=30))
def test_the_counts_from_events_are_those_of_the_contract(acts: list[tuple[Any, ...]]) -> None:
    work = a_life(acts)
    assert told_since(work, 0, None) == performed(work.state)


@settings(max_examples=settings.default.max_examples * 2)
@given(st.lists(st.one_of(ACTS, DISPUTES), max_size=30), st.integers(0, 30))
def test_events_that_are_read_again_from_any_moment_give_the_same_counts(
    acts: list[tuple[Any, ...]], since: int
) -> None:
    """Conduct reads the last day's events again for contracts whose counts and deliveries it copied."""
    work = a_life(acts)
    assert told_since(work, since, work.state) == performed(work.state)


def test_carried_out_without_a_word_it_counts_for_both() -> None:
    work = Work()
    finish(work)
    found = told_since(work, 0, None)
    assert found == performed(work.state)
    assert {each.kind for each in found} == {
        "closed",
        "orders-on-time",
        "deliveries-accepted",
        "answers-on-time",
        "payments-on-time",
    }


def test_a_withdrawn_delivery_that_waited_again_leaves_its_order_met_by_another() -> None:
    """The first delivery was refused and disputed, the second brought everything; then the refusal was set aside."""
    work = Work()
    work.order()
    work.deliver()
    work.assess({})
    work.dispute("delivery", by=MILL)
    work.deliver()
    work.assess(delivery=2)
    work.reply(by=SCHOOL, asks="set-aside")
    assert not any(each.kind == "orders-on-time" for each in told_since(work, 0, None))
    work.withdraw("delivery", by=MILL)
    assert told_since(work, 0, None) == performed(work.state)
    assert any(each.kind == "orders-on-time" for each in told_since(work, 0, None))


def test_an_event_that_changes_no_record_is_refused() -> None:
    with pytest.raises(TypeError):
        change_of(PoolClosed(pool_id="p", contracts=1, concluded=1))
