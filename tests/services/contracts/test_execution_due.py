"""What a concluded contract tells the service that carries it out: the end of its term, and the policy and calendar of
its process."""

import pytest

from catalogue.policy import of_process
from events.contracts import Term
from services.contracts.domain.execution import execution_due
from services.fulfilment.domain import begin
from tests.services.contracts.builders import CALENDAR, MONDAY, MOSCOW
from tests.services.fulfilment.builders import Work, concluded, speaking


class TestTerm:
    def test_without_a_day_in_the_draft_it_is_the_policys(self):
        assert Work().state.term_until == MOSCOW.due(MONDAY, MOSCOW.contract.performance_days, CALENDAR)

    def test_a_direct_purchase_has_twenty_working_days(self):
        assert Work(concluded(origin="purchase")).state.term_until == MOSCOW.due(MONDAY, 20, CALENDAR)

    def test_the_drafts_day_counts_to_its_end_where_the_buyer_is(self):
        terms = (Term(code="delivery-time", text="2026-12-10"), Term(code="wording", text="2030-01-01"))
        assert Work(concluded(terms=terms)).state.term_until.isoformat() == "2026-12-10T21:00:00+00:00"

    def test_imports_are_not_carried_out(self):
        with pytest.raises(AssertionError):
            execution_due(concluded(amount=None), MOSCOW, CALENDAR)


def test_an_execution_uses_the_policy_and_the_calendar_of_its_deal_even_if_the_file_has_changed() -> None:
    ours = speaking(answer_days=7)
    event = execution_due(concluded(pool_id="p"), ours, CALENDAR)
    begun = begin(event, of_process(event.policy_text, event.policy))
    assert begun.policy == ours != MOSCOW
    assert (begun.calendar, begun.pool_id, begun.signed_at) == (CALENDAR, "p", MONDAY)
