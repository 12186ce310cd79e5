"""No side can make a contract grow without end, three years of daily orders are possible, and acts that end a contract
are always possible."""

from dataclasses import replace
from decimal import Decimal as D
from functools import partial

import msgspec
import pytest

from events.contracts import (
    ContractClosed,
    DeliveryAssessed,
    DisputeAnswered,
    DisputeEnded,
    EndingAnswered,
    LineQuantity,
)
from infra.web.languages import LANGUAGES, refusal_text, speaking
from services.fulfilment.domain import AnswerDispute, AssessDelivery, bounds
from services.fulfilment.domain.bounds import (
    ReasonsTooLong,
    TooManyDeliveries,
    TooManyDisputes,
    TooManyOrders,
    TooManyRefusals,
    TooManyStatements,
    TooManyWithdrawals,
)
from services.fulfilment.domain.disputes import may_dispute
from services.fulfilment.domain.duties import duties, next_at
from services.fulfilment.domain.state import Execution, Matter, invoiceable, unordered
from tests.services.contracts.builders import MONDAY, a_line
from tests.services.fulfilment.builders import (
    DAY,
    MILL,
    SCHOOL,
    Work,
    concluded,
    delivered,
    invoiced,
    ordered,
)
from tests.work import calls_of

ONE = {"1": D(1)}
MANY = (a_line("1", "480000.00", quantity="100000"), a_line("2", "320.00", quantity="3"))


def with_orders(number: int) -> Work:
    """Return a contract with so many orders of one paper each."""
    work = Work(concluded(MANY))
    work.order(ONE)
    first = work.state.orders[0]
    work.state = replace(work.state, orders=tuple(replace(first, number=each + 1) for each in range(number)))
    return work


def with_deliveries(number: int, **changes: object) -> Work:
    """Return a contract with so many deliveries on the first of two orders."""
    work = Work(concluded(MANY))
    work.order({"1": D(50_000)})
    work.order(ONE)
    work.deliver(ONE)
    first = work.state.deliveries[0]
    deliveries = tuple(replace(first, number=each + 1, **changes) for each in range(number))  # type: ignore[arg-type]
    work.state = replace(work.state, deliveries=deliveries)
    return work


class TestOrders:
    def test_three_years_of_weekly_orders_delivered_every_working_day_are_accepted_and_paid(self) -> None:
        work = with_orders(156)
        first = replace(work.state.orders[0], lines=(LineQuantity(line_id="1", quantity=D(5)),))
        work.state = replace(work.state, orders=tuple(replace(first, number=each + 1) for each in range(156)))
        work.deliver(ONE, order=1)
        delivery = work.state.deliveries[0]
        deliveries = tuple(replace(delivery, number=each + 1, order=each // 5 + 1) for each in range(779))
        work.state = replace(work.state, deliveries=deliveries)
        work.deliver(ONE, order=156)
        work.assess(ONE, delivery=780)
        work.invoice(780)
        work.pay()
        work.confirm()
        work.order(ONE)
        assert (len(work.state.orders), len(work.state.deliveries)) == (157, 780)

    def test_a_full_contract_with_an_invoice_for_each_order_stays_small_enough_to_decide_on(self) -> None:
        state = self.carried_out(bounds.MOST_ORDERS)
        delivery = state.deliveries[0]
        deliveries = tuple(replace(delivery, number=n + 1, order=1) for n in range(bounds.MOST_DELIVERIES))
        assert len(msgspec.json.encode(replace(state, deliveries=deliveries))) < 500_000

    def test_what_is_asked_of_a_contract_at_each_act_costs_as_much_for_each_order_however_many_there_are(self) -> None:
        def asked(state: Execution) -> None:
            duties(state, MONDAY)
            next_at(state)
            invoiceable(state)
            for about, parts in (("delivery", state.deliveries), ("invoice", state.invoices)):
                for each in parts:
                    may_dispute(state, Matter(about, each.number), "buyer", MONDAY)  # type: ignore[arg-type]

        few, many = [calls_of(partial(asked, self.carried_out(number))) for number in (100, 400)]
        assert many < 4.5 * few

    @staticmethod
    def carried_out(number: int) -> Execution:
        """Return a contract with so many orders, each delivered, accepted and invoiced separately."""
        work = Work(concluded(MANY))
        work.order(ONE)
        work.deliver(ONE)
        work.assess(ONE)
        work.invoice()
        (order,), (delivery,), (invoice,) = work.state.orders, work.state.deliveries, work.state.invoices
        numbers = range(1, number + 1)
        return replace(
            work.state,
            orders=tuple(replace(order, number=each) for each in numbers),
            deliveries=tuple(replace(delivery, number=each, order=each) for each in numbers),
            invoices=tuple(replace(invoice, number=each, deliveries=(each,)) for each in numbers),
        )

    def test_their_number_is_bounded_unless_one_orders_all_that_is_left(self) -> None:
        work = with_orders(bounds.MOST_ORDERS)
        with pytest.raises(TooManyOrders) as broken:
            work.order(ONE)
        assert (broken.value.field, broken.value.numbers["orders"]) == ("lines", bounds.MOST_ORDERS)
        work.order(unordered(work.state))
        assert unordered(work.state) == {}

    def test_the_number_of_their_lines_is_bounded(self) -> None:
        work = with_orders(2)
        many = work.state.orders[0].lines * (bounds.MOST_ORDERED_LINES // 2)
        work.state = replace(work.state, orders=tuple(replace(each, lines=many) for each in work.state.orders))
        with pytest.raises(TooManyOrders):
            work.order(ONE)

    def test_an_order_cannot_be_placed_and_withdrawn_without_end(self) -> None:
        work = Work()
        for number in range(1, bounds.MOST_WITHDRAWALS + 1):
            work.order()
            work.withdraw("order", number, by=SCHOOL)
        work.order()
        with pytest.raises(TooManyWithdrawals) as broken:
            work.withdraw("order", bounds.MOST_WITHDRAWALS + 1, by=SCHOOL)
        assert broken.value.numbers == {"acts": bounds.MOST_WITHDRAWALS, "most": bounds.MOST_WITHDRAWALS}
        assert work.withdraw("order", 1, by=SCHOOL) == ()  # it is withdrawn already
        work.deliver(order=bounds.MOST_WITHDRAWALS + 1)  # and the contract continues


class TestDeliveries:
    def test_their_number_is_bounded_but_each_order_may_have_one(self) -> None:
        work = with_deliveries(bounds.MOST_DELIVERIES)
        with pytest.raises(TooManyDeliveries) as broken:
            work.deliver(ONE, order=1)
        assert broken.value.field == "order"
        work.deliver(ONE, order=2)
        work.assess(ONE, delivery=bounds.MOST_DELIVERIES + 1)

    def test_the_number_of_their_lines_is_bounded(self) -> None:
        work = with_deliveries(2)
        many = work.state.deliveries[0].lines * (bounds.MOST_DELIVERED_LINES // 2)
        changed = tuple(replace(each, lines=many, status="withdrawn") for each in work.state.deliveries)
        work.state = replace(work.state, deliveries=changed)
        with pytest.raises(TooManyDeliveries):
            work.deliver(ONE, order=1)

    def test_deliveries_and_invoices_cannot_be_withdrawn_without_end(self) -> None:
        work = ordered()
        for number in range(1, bounds.MOST_WITHDRAWALS // 2 + 1):
            work.deliver()
            work.withdraw("delivery", number, by=MILL)
        last = bounds.MOST_WITHDRAWALS // 2 + 1
        work.deliver()
        work.assess(delivery=last)
        for number in range(1, bounds.MOST_WITHDRAWALS - bounds.MOST_WITHDRAWALS // 2 + 1):
            work.invoice(last)
            work.withdraw("invoice", number, by=MILL)
        work.invoice(last)
        with pytest.raises(TooManyWithdrawals):
            work.withdraw("invoice", len(work.state.invoices), by=MILL)
        work.pay(len(work.state.invoices))
        assert isinstance(work.confirm(len(work.state.invoices))[-1], ContractClosed)

    def test_what_a_dispute_removed_does_not_count_as_withdrawn(self) -> None:
        work = delivered()
        work.dispute("delivery", by=SCHOOL)
        work.reply(by=MILL, asks="set-aside")
        assert work.state.deliveries[0].status == "withdrawn"
        assert bounds.count_withdrawals(work.state, "supplier") == 0
        work.deliver()
        work.withdraw("delivery", 2, by=MILL)
        assert bounds.count_withdrawals(work.state, "supplier") == 1

    def test_long_reasons_are_bounded_and_a_short_answer_is_always_possible(self) -> None:
        letters = bounds.CHARACTERS_OF_REASONS // 4_000
        work = with_deliveries(letters, status="assessed", outcome="refused", reasons="x" * 4_000)
        work.deliver(ONE, order=1)
        with pytest.raises(ReasonsTooLong) as broken:
            work.assess({}, delivery=letters + 1, reasons="x" * (bounds.CHARACTERS_THEN + 1))
        assert broken.value.field == "reasons"
        work.assess({}, delivery=letters + 1, reasons="x" * bounds.CHARACTERS_THEN)


class TestDisputes:
    def test_a_side_may_add_a_bounded_number_of_statements(self) -> None:
        work = invoiced()
        work.dispute("invoice", by=SCHOOL)
        for number in range(1, bounds.MOST_STATEMENTS):
            work.reply(by=SCHOOL, asks="set-aside", words=f"Again {number}")
        with pytest.raises(TooManyStatements) as broken:
            work.reply(by=SCHOOL, asks="set-aside", words="Once more")
        assert (broken.value.field, broken.value.numbers["said"]) == ("words", bounds.MOST_STATEMENTS)
        again = work.reply(by=SCHOOL, asks="set-aside", words=f"Again {bounds.MOST_STATEMENTS - 1}")
        assert again == ()  # it repeats the last statement
        assert isinstance(work.reply(by=MILL, asks="stands")[0], DisputeAnswered)  # the other side may still answer
        agreed = work.reply(by=SCHOOL, asks="stands", words="So be it")
        assert isinstance(agreed[-1], DisputeEnded)

    def test_a_moderator_can_decide_a_dispute_with_all_its_statements(self) -> None:
        work = self.quarrel(bounds.MOST_STATEMENTS)
        with pytest.raises(TooManyStatements):
            work.reply(by=MILL, asks="stands", words="One more")
        assert isinstance(work.decision("stands")[0], DisputeEnded)

    def test_the_statements_of_a_side_in_all_disputes_are_bounded_but_it_may_answer_each(self) -> None:
        work = self.quarrel(bounds.MOST_STATEMENTS)
        work.decision("set-aside")
        work.invoice()
        times = -(-bounds.MOST_STATEMENTS_OF_ALL // bounds.MOST_STATEMENTS)
        over = work.state.disputes[0]
        work.state = replace(work.state, disputes=tuple(replace(over, number=number + 1) for number in range(times)))
        work.dispute("invoice", 2, by=SCHOOL)
        work.reply(times + 1, by=MILL, asks="stands")
        with pytest.raises(TooManyStatements):
            work.reply(times + 1, by=MILL, asks="stands", words="And another thing")
        assert work.reply(times + 1, by=MILL, asks="set-aside", words="So be it")

    @staticmethod
    def quarrel(statements: int) -> Work:
        work = invoiced()
        work.dispute("invoice", by=SCHOOL)
        for number in range(statements):
            work.reply(by=MILL, asks="stands", words=f"No {number}")
        return work

    def test_the_disputes_that_a_side_opens_are_bounded_and_the_other_side_may_still_open_some(self) -> None:
        work = invoiced()
        work.dispute("invoice", by=SCHOOL)
        work.after(DAY * 60).decision("set-aside")
        over = work.state.disputes[0]
        disputes = tuple(replace(over, number=number + 1) for number in range(bounds.MOST_DISPUTES))
        work.state = replace(work.state, disputes=disputes)
        work.invoice()
        assert not may_dispute(work.state, Matter("invoice", 2), "buyer", work.now)
        with pytest.raises(TooManyDisputes) as broken:
            work.dispute("invoice", 2, by=SCHOOL)
        assert broken.value.field == "reasons"
        work.pay(2)
        work.dispute("invoice", 2, by=MILL)

    def test_a_contract_of_a_former_release_above_every_bound_can_be_ended(self) -> None:
        work = self.quarrel(1)
        said = work.state.disputes[0].said
        work.state = replace(work.state, disputes=(replace(work.state.disputes[0], said=said * 5_000),))
        with pytest.raises(TooManyStatements):
            work.reply(by=SCHOOL, asks="set-aside", words="Once more")
        work.decision("stands")
        work.pay()
        assert isinstance(work.confirm()[-1], ContractClosed)


class TestEndings:
    def test_a_proposal_cannot_be_withdrawn_without_end_but_can_always_be_made(self) -> None:
        work = Work()
        for _ in range(bounds.MOST_WITHDRAWALS):
            work.propose(by=SCHOOL)
            work.withdraw_ending(by=SCHOOL)
        work.propose(by=SCHOOL, kind="termination")
        with pytest.raises(TooManyWithdrawals):
            work.withdraw_ending(by=SCHOOL)
        assert work.consent(by=MILL)  # the other side may end it

    def test_an_ending_can_be_refused_a_few_times_and_then_only_lapses(self) -> None:
        work = Work()
        for _ in range(bounds.MOST_REFUSED_ENDINGS):
            work.propose(by=SCHOOL)
            work.consent(by=MILL, agrees=False)
        work.propose(by=SCHOOL)
        with pytest.raises(TooManyRefusals) as broken:
            work.consent(by=MILL, agrees=False)
        assert broken.value.field == "words"
        (lapsed,) = work.after(DAY * 60).tick()
        assert isinstance(lapsed, EndingAnswered) and lapsed.answer == "lapsed"

    def test_an_objection_to_a_breach_cannot_be_rewritten_without_end(self) -> None:
        work = ordered().after(DAY * 30)
        work.tick()
        work.propose(by=SCHOOL, kind="termination", ground="delivery-overdue")
        for number in range(bounds.MOST_REFUSED_ENDINGS):
            work.consent(by=MILL, agrees=False, words=f"No {number}")
        with pytest.raises(TooManyRefusals):
            work.consent(by=MILL, agrees=False, words="No and no")
        assert work.consent(by=MILL)

    def test_the_counts_are_kept_with_the_contract_and_a_former_state_has_none(self) -> None:
        work = Work()
        work.propose(by=SCHOOL)
        work.withdraw_ending(by=SCHOOL)
        work.propose(by=SCHOOL)
        work.consent(by=MILL, agrees=False)
        kept = msgspec.json.encode(work.state)
        read = msgspec.json.decode(kept, type=Execution)
        assert (read.endings_withdrawn, read.endings_refused) == ({"buyer": 1}, {"supplier": 1})
        former = msgspec.json.decode(kept)
        del former["endings_withdrawn"], former["endings_refused"]
        assert msgspec.convert(former, Execution, strict=False).endings_refused == {}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_refusal_names_the_bound_in_every_language(language: str) -> None:
    work = invoiced()
    work.dispute("invoice", by=SCHOOL)
    for number in range(1, bounds.MOST_STATEMENTS):
        work.reply(by=SCHOOL, asks="set-aside", words=f"Again {number}")
    command = AnswerDispute(organisation_id=SCHOOL, member_id="m", dispute=1, asks="set-aside", words="Once more")
    with pytest.raises(TooManyStatements) as broken, speaking(language):
        work.tell(command)
    with speaking(language):
        words = refusal_text(broken.value)
    assert str(bounds.MOST_STATEMENTS_OF_ALL) in words and "%(" not in words
    assert (words == broken.value.message) == (language == "en")


def test_acceptance_in_full_needs_no_reasons_and_is_possible_above_every_bound() -> None:
    work = with_deliveries(bounds.MOST_DELIVERIES * 2)
    (answered,) = work.tell(AssessDelivery(organisation_id=SCHOOL, delivery=1, lines=ONE))
    assert isinstance(answered, DeliveryAssessed)
