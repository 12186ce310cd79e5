"""A contract carried out: ordered, delivered, accepted, invoiced, paid, disputed, closed or terminated."""

from datetime import date, timedelta
from decimal import Decimal as D

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from catalogue.rules import DoneOtherwise, NotAParty, QuantityAbsurd, QuantityTooFine, RuleBroken
from events.contracts import (
    ContractClosed,
    ContractConcluded,
    ContractEnded,
    ContractTerminated,
    DeliveryAssessed,
    DeliveryReported,
    DisputeAnswered,
    DisputeEnded,
    DisputeOpened,
    EndingAnswered,
    ExecutionOverdue,
    ExecutionWithdrawn,
    InvoiceSettled,
    InvoiceSubmitted,
    OrderPlaced,
)
from events.pools import PoolClosed
from services.fulfilment.domain import apply
from services.fulfilment.domain.disputes import (
    AnswerStillPossible,
    DisputedBefore,
    DisputeOver,
    NotDisputable,
    OpenDispute,
    OtherSideUnheard,
    may_dispute,
)
from services.fulfilment.domain.duties import agenda, duties, next_at
from services.fulfilment.domain.endings import (
    AnotherProposed,
    AnswerEnding,
    EndingProposedAlready,
    GroundNotGiven,
    NothingProposed,
    WithdrawEnding,
    WorkUnfinished,
    grounds,
)
from services.fulfilment.domain.invoices import DeliveriesMissing, InvoicedAlready, NothingToInvoice, SubmitInvoice
from services.fulfilment.domain.orders import (
    DeliveredOn,
    DeliveryDateWrong,
    DueAfterTerm,
    DueTooSoon,
    MoreThanContracted,
    MoreThanDelivered,
    MoreThanOrdered,
    ReportDelivery,
    longest_order,
)
from services.fulfilment.domain.requirements import (
    ActOfOtherParty,
    AnswerMissing,
    ContractNotRunning,
    DeliveryNoteMissing,
    Disputed,
    GrievanceMissing,
    InvoiceNumberMissing,
    LineNotInContract,
    QuantityNegative,
    ReasonsMissing,
)
from services.fulfilment.domain.state import (
    AnsweredAlready,
    Matter,
    NoQuantity,
    NothingOfThatNumber,
    WithdrawnAlready,
    balances,
    outstanding,
    share,
    unordered,
    whole,
)
from tests.services.contracts.builders import CALENDAR, MOSCOW, a_line
from tests.services.fulfilment.builders import (
    ALL,
    DAY,
    MILL,
    SCHOOL,
    Work,
    concluded,
    delivered,
    invoiced,
    ordered,
    speaking,
)

HALF = {"1": D(40), "2": D(1)}


def kinds(events):
    return [type(event) for event in events]


def due_of(work):
    """Return the duties, after checking that the stored agenda says the same."""
    found, kept = duties(work.state, work.now), agenda(work.state)
    for side in ("buyer", "supplier"):
        entries = [(each.what, each.number, each.due_at) for each in kept.of(side, work.now)]
        assert entries == [(each.what, each.number, each.due_at) for each in found if each.party == side]
    return [(duty.party, duty.what, duty.number) for duty in duties(work.state, work.now)]


class TestOrder:
    def test_all_at_once(self):
        work = ordered()
        assert unordered(work.state) == {}
        assert due_of(work) == [("supplier", "deliver", 1)]

    def test_in_parts_until_nothing_is_left(self):
        work = Work()
        work.order(HALF)
        assert due_of(work) == [("supplier", "deliver", 1), ("buyer", "order", 0)]
        work.order(unordered(work.state))
        assert [order.number for order in work.state.orders] == [1, 2]
        with pytest.raises(MoreThanContracted) as broken:
            work.order({"2": D(1)})
        assert (broken.value.field, broken.value.numbers["left"]) == ("quantity-2", 0)

    @pytest.mark.parametrize(
        ("lines", "rule"),
        [
            ({"1": D(101)}, MoreThanContracted),
            ({"9": D(1)}, LineNotInContract),
            ({"1": D(-1)}, QuantityNegative),
            ({"1": D("NaN")}, QuantityNegative),
            ({"1": D("0.0000001")}, QuantityTooFine),
            ({"1": D("1E-1000000")}, QuantityTooFine),
            ({"1": D("1E+1000000")}, QuantityAbsurd),
            ({"1": D(0)}, NoQuantity),
        ],
    )
    def test_an_order_that_breaks_a_rule_is_refused(self, lines, rule):
        with pytest.raises(rule):
            Work().order(lines)

    def test_it_falls_due_within_the_term(self):
        work = Work()
        most = longest_order(work.state, work.now)
        assert most == 19
        with pytest.raises(DueAfterTerm) as broken:
            work.order(days=most + 1)
        assert broken.value.field == "days"
        with pytest.raises(DueAfterTerm):
            work.order(days=10**9)
        with pytest.raises(DueTooSoon):
            work.order(days=0)
        (placed,) = work.order(days=most)
        assert placed.due_at <= work.state.term_until

    def test_after_the_term_the_rest_can_only_be_let_go(self):
        work = Work().after(Work().state.term_until)
        assert longest_order(work.state, work.now) == 0
        assert due_of(work) == [("buyer", "rest", 0)]
        with pytest.raises(DueAfterTerm):
            work.order(days=1)

    def test_only_the_buyer_orders(self):
        for organisation, rule in ((MILL, ActOfOtherParty), ("stranger", NotAParty)):
            with pytest.raises(rule):
                Work().order(by=organisation)

    def test_the_buyer_takes_it_back_while_nothing_came(self):
        work = ordered()
        assert kinds(work.withdraw("order", by=SCHOOL)) == [ExecutionWithdrawn]
        assert work.withdraw("order", by=SCHOOL) == ()
        assert unordered(work.state) == ALL
        with pytest.raises(WithdrawnAlready):
            work.deliver()
        work = delivered()
        with pytest.raises(DeliveredOn):
            work.withdraw("order", by=SCHOOL)

    def test_not_delivered_in_time_it_is_overdue_once(self):
        work = ordered()
        assert next_at(work.state) == work.state.orders[0].due_at
        work.after(work.state.orders[0].due_at)
        (overdue,) = work.tick()
        assert (overdue.about, overdue.number, overdue.party) == ("order", 1, "supplier")
        assert work.tick() == () and next_at(work.state) is None
        (told,) = work.deliver()
        assert told.late


class TestDelivery:
    def test_in_parts_until_nothing_is_outstanding(self):
        work = ordered()
        work.deliver(HALF)
        assert outstanding(work.state, work.state.orders[0]) == {"1": D(60), "2": D(2)}
        with pytest.raises(MoreThanOrdered) as broken:
            work.deliver({"1": D(61)})
        assert broken.value.numbers == {"quantity": D(61), "left": D(60)}
        work.deliver({"1": D(60), "2": D(2)})
        assert [duty[1:] for duty in due_of(work)] == [("assess", 1), ("assess", 2)]

    def test_a_delivery_that_breaks_a_rule_is_refused(self):
        work = ordered()
        for change, rule in (
            ({"lines": {"1": D(0)}}, NoQuantity),
            ({"order": 2}, NothingOfThatNumber),
            ({"by": SCHOOL}, ActOfOtherParty),
            ({"on": date(2026, 11, 16)}, DeliveryDateWrong),
            ({"on": date(2026, 11, 18)}, DeliveryDateWrong),
        ):
            with pytest.raises(rule):
                work.deliver(**change)

    def test_the_day_of_a_delivery_is_the_buyers_today_unless_another_is_given(self):
        work = ordered().after(timedelta(hours=15))  # after midnight in Moscow
        assert work.deliver(HALF)[0].delivered_on == date(2026, 11, 18)
        assert work.deliver({"1": D(1)}, on=date(2026, 11, 17))[0].delivered_on == date(2026, 11, 17)

    def test_the_supplier_takes_it_back_until_the_buyer_answers(self):
        work = delivered()
        assert kinds(work.withdraw("delivery", by=MILL)) == [ExecutionWithdrawn]
        assert work.withdraw("delivery", by=MILL) == ()
        with pytest.raises(WithdrawnAlready):
            work.assess()
        work.deliver()
        work.assess({}, delivery=2)
        with pytest.raises(AnsweredAlready):
            work.withdraw("delivery", 2, by=MILL)


class TestAcceptance:
    def test_in_full(self):
        work = delivered()
        (assessed,) = work.assess(reasons="")
        assert (assessed.outcome, assessed.by, assessed.late, assessed.order_met) == ("accepted", "buyer", False, True)
        assert due_of(work) == [("supplier", "invoice", 0)]
        assert work.assess(reasons="") == ()
        with pytest.raises(AnsweredAlready):
            work.assess(HALF)

    def test_in_part_with_reasons_and_the_rest_comes_again(self):
        work = delivered()
        with pytest.raises(ReasonsMissing):
            work.assess(HALF, reasons=" ")
        (assessed,) = work.assess(HALF)
        assert (assessed.outcome, assessed.reasons, assessed.order_met) == ("partly", "wet", False)
        rest = {"1": D(60), "2": D(2)}
        assert outstanding(work.state, work.state.orders[0]) == rest
        work.deliver(rest)
        (assessed,) = work.assess(rest, delivery=2)
        assert assessed.order_met

    def test_refused_all_of_it_comes_again(self):
        work = delivered()
        (assessed,) = work.assess({})
        assert (assessed.outcome, assessed.lines) == ("refused", ())
        assert outstanding(work.state, work.state.orders[0]) == ALL

    def test_an_order_is_met_when_its_last_delivery_is_accepted(self):
        work = ordered()
        work.deliver(HALF)
        work.deliver({"1": D(60), "2": D(2)})
        assert not work.assess(HALF)[0].order_met
        assert work.assess({"1": D(60), "2": D(2)}, delivery=2)[0].order_met

    def test_no_more_than_came_and_only_by_the_buyer(self):
        work = ordered()
        work.deliver(HALF)
        with pytest.raises(MoreThanDelivered):
            work.assess({"1": D(41)})
        with pytest.raises(ActOfOtherParty):
            work.assess(HALF, by=MILL)
        with pytest.raises(NothingOfThatNumber):
            work.assess(HALF, delivery=2)

    def test_a_silent_buyer_is_overdue_and_has_accepted_nothing(self):
        work = delivered()
        work.after(work.state.deliveries[0].due_at)
        (overdue,) = work.tick()
        assert (overdue.about, overdue.party) == ("delivery", "buyer")
        assert work.tick() == () and work.state.deliveries[0].status == "reported"
        assert work.assess()[0].late

    def test_where_the_policy_says_so_silence_accepts(self):
        work = Work(policy=speaking(silence_accepts=True))
        work.order()
        work.deliver()
        work.after(work.state.deliveries[0].due_at)
        (assessed,) = work.tick()
        assert (assessed.outcome, assessed.by, assessed.late) == ("accepted", "silence", False)


class TestInvoice:
    def test_for_what_was_accepted_at_the_contracts_prices(self):
        work = delivered()
        work.assess(HALF)
        (invoice,) = work.invoice()
        assert [(line.line_id, line.amount) for line in invoice.lines] == [("1", D("192.00")), ("2", D("106.67"))]
        assert invoice.amount == D("298.67")
        assert due_of(work) == [("supplier", "deliver", 1), ("buyer", "pay", 1)]

    def test_the_last_one_closes_the_amount_to_the_cent(self):
        work = ordered()
        for number in (1, 2, 3):
            work.deliver({"2": D(1)})
            work.assess({"2": D(1)}, delivery=number)
            work.invoice(number)
        assert [invoice.amount for invoice in work.state.invoices] == [D("106.67"), D("106.66"), D("106.67")]
        assert sum(invoice.amount for invoice in work.state.invoices) == D("320.00")

    def test_nothing_is_invoiced_twice_or_before_it_is_accepted(self):
        work = delivered()
        with pytest.raises(NothingToInvoice):
            work.invoice()
        with pytest.raises(DeliveriesMissing):
            work.tell(SubmitInvoice(organisation_id=MILL, member_id="bob", deliveries=(), reference="INV-1"))
        work.assess()
        work.invoice()
        with pytest.raises(InvoicedAlready) as broken:
            work.invoice()
        assert broken.value.numbers == {"invoice": 1}

    def test_the_supplier_takes_it_back_until_it_is_paid_and_invoices_anew(self):
        work = invoiced()
        assert kinds(work.withdraw("invoice", by=MILL)) == [ExecutionWithdrawn]
        assert work.withdraw("invoice", by=MILL) == ()
        with pytest.raises(WithdrawnAlready):
            work.pay()
        (again,) = work.invoice()
        assert (again.invoice, again.amount) == (2, D("800.00"))
        work.pay(2)
        with pytest.raises(AnsweredAlready):
            work.withdraw("invoice", 2, by=MILL)

    def test_paid_and_received_all_of_it_closes_the_contract(self):
        work = invoiced()
        assert due_of(work) == [("buyer", "pay", 1)]
        work.pay()
        assert work.pay() == () and due_of(work) == [("supplier", "confirm", 1)]
        settled, closed = work.confirm()
        assert (type(settled), closed.how, closed.paid) == (InvoiceSettled, "fulfilled", D("800.00"))
        assert work.confirm() == () and due_of(work) == []
        with pytest.raises(ContractNotRunning):
            work.order(HALF)

    def test_money_that_came_without_a_word_is_confirmed_too(self):
        assert kinds(invoiced().confirm()) == [InvoiceSettled, ContractClosed]

    def test_not_paid_in_time_is_overdue_once(self):
        work = invoiced()
        work.after(work.state.invoices[0].due_at)
        (overdue,) = work.tick()
        assert (overdue.about, overdue.party) == ("invoice", "buyer")
        assert work.tick() == () and work.pay()[0].late

    def test_each_side_does_its_own_part(self):
        work = invoiced()
        for act in (lambda: work.pay(by=MILL), lambda: work.confirm(by=SCHOOL), lambda: work.invoice(by=SCHOOL)):
            with pytest.raises(ActOfOtherParty):
                act()
        with pytest.raises(NothingOfThatNumber):
            work.pay(2)


class TestDispute:
    def test_a_refusal_set_aside_by_agreement_waits_again(self):
        work = delivered()
        work.assess({})
        work.dispute("delivery", by=MILL)
        assert ("buyer", "answer-dispute", 1) in due_of(work)
        answered, ended = work.reply(by=SCHOOL, asks="set-aside")
        assert (type(answered), ended.outcome, ended.how) == (DisputeAnswered, "set-aside", "agreed")
        assert work.state.deliveries[0].status == "reported"
        assert due_of(work) == [("buyer", "assess", 1)]
        assert work.assess()[0].outcome == "accepted"

    def test_each_missing_field_has_its_own_code_by_which_the_error_is_translated(self):
        missing = {"organisation_id": MILL, "member_id": "bob"}
        work = ordered()
        with pytest.raises(DeliveryNoteMissing):
            work.tell(ReportDelivery(order=1, lines=ALL, note=" ", **missing))
        work.deliver()
        work.assess(HALF)
        with pytest.raises(InvoiceNumberMissing):
            work.tell(SubmitInvoice(deliveries=(1,), reference=" ", **missing))
        with pytest.raises(GrievanceMissing):
            work.tell(OpenDispute(about="delivery", number=1, asks="set-aside", reasons=" ", **missing))
        work.dispute("delivery", by=MILL)
        with pytest.raises(AnswerMissing):
            work.reply(by=SCHOOL, asks="stands", words=" ")

    def test_a_moderator_decides_when_both_were_heard(self):
        work = delivered()
        work.assess(HALF)
        work.dispute("delivery", by=MILL)
        with pytest.raises(OtherSideUnheard):
            work.decision("stands")
        work.reply(by=SCHOOL, asks="stands")
        with pytest.raises(ReasonsMissing):
            work.decision("stands", explanation=" ")
        (ended,) = work.decision("stands")
        assert (ended.how, ended.outcome, ended.opened_by, ended.asked) == (
            "decided",
            "stands",
            "supplier",
            "set-aside",
        )
        assert work.decision("stands") == ()
        with pytest.raises(DisputeOver):
            work.decision("set-aside")
        with pytest.raises(DisputedBefore):
            work.dispute("delivery", by=MILL)
        assert work.invoice()[0].amount == D("298.67")

    def test_or_one_let_its_time_pass(self):
        work = delivered()
        work.assess({})
        work.dispute("delivery", by=MILL)
        work.after(work.state.disputes[0].answer_by)
        assert DisputeEnded in kinds(work.decision("set-aside"))

    def test_a_disputed_matter_waits_for_the_decision(self):
        work = delivered()
        work.assess(HALF)
        work.dispute("delivery", by=MILL)
        for act in (work.invoice, lambda: work.dispute("delivery", by=SCHOOL)):
            with pytest.raises(Disputed):
                act()
        work = invoiced()
        work.dispute("invoice", by=SCHOOL)
        for act in (work.pay, work.confirm, lambda: work.withdraw("invoice", by=MILL)):
            with pytest.raises(Disputed):
                act()
        assert next_at(work.state) is None

    def test_a_silent_buyers_delivery_counts_as_accepted_where_it_stands(self):
        work = delivered()
        with pytest.raises(AnswerStillPossible):
            work.dispute("delivery", by=MILL, asks="stands")
        assert not may_dispute(work.state, Matter("delivery", 1), "supplier", work.now)
        work.after(work.state.deliveries[0].due_at)
        assert may_dispute(work.state, Matter("delivery", 1), "supplier", work.now)
        assert kinds(work.dispute("delivery", by=MILL, asks="stands")) == [ExecutionOverdue, DisputeOpened]
        work.after(work.state.disputes[0].answer_by)
        ended, assessed = work.decision("stands")
        assert (type(ended), assessed.outcome, assessed.by) == (DisputeEnded, "accepted", "dispute")

    def test_a_delivery_that_never_came_is_gone_where_it_is_set_aside(self):
        work = delivered()
        work.dispute("delivery", by=SCHOOL)
        assert kinds(work.reply(by=MILL, asks="set-aside")) == [DisputeAnswered, DisputeEnded, ExecutionWithdrawn]
        assert outstanding(work.state, work.state.orders[0]) == ALL

    def test_a_decision_repeated_changes_nothing_and_for_another_reason_it_is_refused(self):
        work = delivered()
        work.dispute("delivery", by=SCHOOL)
        work.after(work.state.disputes[0].answer_by)
        work.decision("stands")
        assert work.decision("stands", explanation=" It was seen ") == ()
        with pytest.raises(DoneOtherwise, match="“It was seen”"):
            work.decision("stands", explanation="It was heard")
        with pytest.raises(DisputeOver):
            work.decision("set-aside")

    def test_a_disputed_invoice_stands_with_fresh_time_or_is_gone(self):
        work = invoiced()
        work.dispute("invoice", by=SCHOOL)
        work.after(10 * DAY)
        work.decision("stands")
        assert work.state.invoices[0].due_at == MOSCOW.due(work.now, 7, CALENDAR)
        with pytest.raises(DisputedBefore):
            work.dispute("invoice", by=SCHOOL)
        work = invoiced()
        work.dispute("invoice", by=SCHOOL)
        work.reply(by=MILL, asks="set-aside")
        assert work.state.invoices[0].status == "withdrawn"
        assert work.invoice()[0].amount == D("800.00")

    def test_a_payment_that_did_not_come_is_due_again_or_counts_as_received(self):
        work = invoiced()
        work.pay()
        work.dispute("invoice", by=MILL)
        work.reply(by=SCHOOL, asks="set-aside")
        assert work.state.invoices[0].status == "submitted"
        work.pay()
        work.after(work.state.invoices[0].due_at)
        work.dispute("invoice", by=SCHOOL, asks="stands")
        work.after(work.state.disputes[1].answer_by)
        assert kinds(work.decision("stands", 2)) == [DisputeEnded, InvoiceSettled, ContractClosed]

    def test_invoiced_or_settled_nothing_is_open(self):
        work = invoiced()
        with pytest.raises(NotDisputable):
            work.dispute("delivery", by=MILL)
        work.pay()
        work.confirm()
        with pytest.raises(NotDisputable):
            work.dispute("invoice", by=SCHOOL)
        with pytest.raises(NotAParty):
            work.dispute("invoice", by="stranger")

    def test_who_comes_round_to_the_other_ends_it_and_a_repeat_says_nothing(self):
        work = delivered()
        work.assess({})
        work.dispute("delivery", by=MILL)
        work.reply(by=SCHOOL, asks="stands")
        assert work.reply(by=SCHOOL, asks="stands") == ()
        _, ended = work.reply(by=MILL, asks="stands", words="Well")
        assert (ended.how, ended.outcome) == ("agreed", "stands")

    def test_a_wrong_refusal_did_not_make_the_order_late(self):
        work = delivered()
        work.assess({})
        work.after(work.state.orders[0].due_at)
        assert kinds(work.dispute("delivery", by=MILL)) == [ExecutionOverdue, DisputeOpened]
        work.reply(by=SCHOOL, asks="set-aside")
        assert work.state.orders[0].overdue_at is None
        assert kinds(work.assess()) == [DeliveryAssessed]


class TestEnding:
    def test_both_sides_content_with_less_close_it(self):
        work = Work()
        work.order(HALF)
        work.deliver(HALF)
        work.assess(HALF)
        work.propose(by=SCHOOL)
        assert work.propose(by=SCHOOL) == ()
        with pytest.raises(EndingProposedAlready):
            work.propose(by=MILL)
        with pytest.raises(ActOfOtherParty):
            work.consent(by=SCHOOL)
        with pytest.raises(WorkUnfinished):
            work.consent(by=MILL)
        work.invoice()
        work.confirm()
        answered, closed = work.consent(by=MILL)
        assert (type(answered), closed.how, closed.reasons, closed.paid) == (
            EndingAnswered,
            "agreement",
            "Enough",
            D("298.67"),
        )
        assert not any(isinstance(event, ContractEnded) for event in work.events)

    def test_a_proposal_is_declined_or_withdrawn_or_lapses(self):
        work = ordered()
        work.propose(by=MILL)
        with pytest.raises(ReasonsMissing):
            work.consent(by=SCHOOL, agrees=False, words=" ")
        assert work.consent(by=SCHOOL, agrees=False)[0].answer == "objected"
        with pytest.raises(NothingProposed):
            work.consent(by=SCHOOL)
        work.propose(by=MILL)
        with pytest.raises(ActOfOtherParty):
            work.withdraw_ending(by=SCHOOL)
        assert work.withdraw_ending(by=MILL)[0].answer == "withdrawn"
        work.propose(by=MILL, kind="termination")
        work.after(work.state.ending.due_at)
        assert EndingAnswered in kinds(work.tick()) and work.state.ending is None

    def test_an_answer_to_a_withdrawn_proposal_does_not_answer_the_next_one(self):
        work = ordered()
        work.propose(by=MILL)
        read = work.state.ending.proposed_at
        work.withdraw_ending(by=MILL)
        work.after(work.now + timedelta(seconds=1))
        work.propose(by=MILL, kind="termination")
        for agrees in (True, False):
            with pytest.raises(AnotherProposed):
                work.tell(AnswerEnding(organisation_id=SCHOOL, agrees=agrees, words="No", proposed_at=read))
        with pytest.raises(AnotherProposed):
            work.tell(WithdrawEnding(organisation_id=MILL, proposed_at=read))
        now = work.state.ending.proposed_at
        work.tell(AnswerEnding(organisation_id=SCHOOL, agrees=True, proposed_at=now))
        assert work.state.status == "terminated"

    def test_an_answer_that_says_of_no_proposal_is_the_request_that_it_was(self):
        """The former release may have stored a digest of it."""
        for command in (AnswerEnding(organisation_id=SCHOOL, agrees=True), WithdrawEnding(organisation_id=SCHOOL)):
            assert "proposed_at" not in msgspec.to_builtins(command)

    def test_by_agreement_it_is_terminated_and_no_longer_counts(self):
        work = ordered()
        work.propose(by=MILL, kind="termination")
        _, terminated, ended = work.consent(by=SCHOOL)
        assert (terminated.ground, terminated.by, terminated.paid) == ("agreement", "supplier", 0)
        assert (ended.reason, ended.by, ended.evasion) == ("cancelled", "supplier", False)
        assert work.state.status == "terminated" and due_of(work) == []

    def test_on_a_breach_that_is_not_mended_it_ends_by_itself_objected_or_not(self):
        work = ordered()
        with pytest.raises(GroundNotGiven):
            work.propose(by=SCHOOL, kind="termination", ground="delivery-overdue")
        work.after(work.state.orders[0].due_at)
        assert work.tick() and grounds(work.state, "buyer") == ("agreement", "delivery-overdue")
        assert grounds(work.state, "supplier") == ("agreement",)
        work.propose(by=SCHOOL, kind="termination", ground="delivery-overdue")
        assert work.consent(by=MILL, agrees=False)[0].answer == "objected"
        assert work.state.ending.objection == "No"
        work.after(work.state.ending.due_at)
        assert kinds(work.tick()) == [ContractTerminated, ContractEnded]

    def test_a_breach_that_is_mended_in_time_ends_nothing(self):
        work = ordered()
        work.after(work.state.orders[0].due_at)
        work.propose(by=SCHOOL, kind="termination", ground="delivery-overdue")
        work.deliver()
        work.after(work.state.ending.due_at)
        (lapsed,) = work.tick()
        assert (lapsed.answer, work.state.status) == ("lapsed", "running")

    def test_a_buyer_who_does_not_answer_or_pay_is_in_breach_too(self):
        for work, ground in ((delivered(), "acceptance-overdue"), (invoiced(), "payment-overdue")):
            work.after(40 * DAY)
            work.propose(by=MILL, kind="termination", ground=ground)
            work.after(work.state.ending.due_at)
            assert ContractTerminated in kinds(work.tick())

    def test_what_was_delivered_before_is_still_accepted_invoiced_and_paid(self):
        work = delivered()
        work.propose(by=SCHOOL, kind="termination")
        work.consent(by=MILL)
        work.assess(HALF)
        work.invoice()
        work.pay()
        assert kinds(work.confirm()) == [InvoiceSettled]
        assert (work.state.status, work.state.settled) == ("terminated", D("298.67"))
        with pytest.raises(ContractNotRunning):
            work.deliver({"1": D(1)})


def test_an_event_of_another_service_cannot_be_applied_to_an_execution():
    for event in (PoolClosed(pool_id="p", contracts=1, concluded=1), concluded()):
        with pytest.raises(TypeError):
            apply(Work().state, event)
    assert isinstance(concluded(), ContractConcluded)


QUANTITIES = st.decimals(min_value=0, max_value=12, places=2)
ACTS = st.one_of(
    st.tuples(st.just("order"), QUANTITIES, QUANTITIES),
    st.tuples(st.just("deliver"), st.integers(1, 4), QUANTITIES, QUANTITIES),
    st.tuples(st.just("assess"), st.integers(1, 6), QUANTITIES, QUANTITIES),
    st.tuples(st.just("invoice"), st.lists(st.integers(1, 6), min_size=1, max_size=3)),
    st.tuples(st.just("pay"), st.integers(1, 4)),
    st.tuples(st.just("confirm"), st.integers(1, 4)),
    st.tuples(st.just("back"), st.sampled_from(["order", "delivery", "invoice"]), st.integers(1, 5)),
    st.tuples(st.just("wait"), st.integers(1, 30)),
    st.tuples(st.just("rest")),
)


def act(work: Work, what: tuple) -> None:
    match what:
        case ("order", one, two):
            work.order({"1": one, "2": two})
        case ("deliver", order, one, two):
            work.deliver({"1": one, "2": two}, order=order)
        case ("assess", delivery, one, two):
            work.assess({"1": one, "2": two}, delivery=delivery)
        case ("invoice", deliveries):
            work.invoice(*deliveries)
        case ("pay", invoice):
            work.pay(invoice)
        case ("confirm", invoice):
            work.confirm(invoice)
        case ("back", about, number):
            work.withdraw(about, number, by=SCHOOL if about == "order" else MILL)
        case ("wait", hours):
            work.after(timedelta(hours=hours)).tick()
        case ("rest",):
            finish(work)


def finish(work: Work) -> None:
    """Do everything that is still to be done, in its order."""
    if unordered(work.state):
        work.order(unordered(work.state), days=1)
    for order in work.state.standing_orders:
        if rest := outstanding(work.state, order):
            work.deliver(rest, order=order.number)
    for delivery in work.state.deliveries:
        if delivery.status == "reported":
            work.assess({line.line_id: line.quantity for line in delivery.lines}, delivery=delivery.number)
    for delivery in work.state.deliveries:
        if delivery.accepted and not any(delivery.number in each.deliveries for each in work.state.standing_invoices):
            work.invoice(delivery.number)
    for invoice in work.state.invoices:
        if invoice.status == "submitted":
            work.confirm(invoice.number)


@settings(max_examples=settings.default.max_examples * 3 // 2)
@given(st.lists(ACTS, max_size=25), st.sampled_from(["0.01", "10.00", "99.99"]))
def test_however_it_goes_no_quantity_outgrows_the_one_before_and_the_money_is_exact(acts, price):
    lines = (a_line("1", price, quantity="12"), a_line("2", "0.07", quantity="7.5"))
    work = Work(concluded(lines))
    for what in acts:
        before = work.state
        try:
            act(work, what)
        except RuleBroken as broken:
            assert broken.code and (what[0] == "rest" or work.state == before)
        for balance in balances(work.state):
            assert (
                0 <= balance.invoiced <= balance.accepted <= balance.delivered <= balance.ordered <= balance.contracted
            )
            assert 0 <= balance.amount <= balance.line.amount
            if balance.invoiced == balance.contracted:
                assert balance.amount == balance.line.amount
            if not any(invoice.status == "withdrawn" for invoice in work.state.invoices):
                assert balance.amount == share(work.state, balance.line, balance.invoiced)
                exact = balance.line.amount * balance.invoiced / whole(balance.line)
                assert abs(balance.amount - exact) <= D("0.005")
        named = [number for invoice in work.state.standing_invoices for number in invoice.deliveries]
        assert len(named) == len(set(named))
    if work.state.status == "running" and work.now < work.state.term_until - 5 * DAY:
        finish(work)
        assert work.state.status == "closed" and work.state.settled == work.state.amount
    assert work.replayed() == work.state
    told = [event for event in work.events if isinstance(event, OrderPlaced | DeliveryReported | InvoiceSubmitted)]
    assert len(told) == len(work.state.orders) + len(work.state.deliveries) + len(work.state.invoices)
