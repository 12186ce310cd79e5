"""What is too much for one event is refused where it happens, with its rule."""

import pytest

from events.notifications import MailUnsubscribed
from events.topics import LARGEST_MESSAGE
from infra.causality import Cause
from infra.clock import system_clock
from infra.database import LARGEST_CONSEQUENCE, LARGEST_EVENT, EventTooLarge, outbox_row


def test_an_event_that_no_broker_would_take_is_refused_by_its_rule() -> None:
    told = MailUnsubscribed(member_id="somebody", organisation_id="", topic="digest")
    now = system_clock()
    row = outbox_row("probe", told, at=now, cause=Cause("c", "c"), event_id="e")
    size = len(row.envelope) + len(row.data)
    with pytest.raises(EventTooLarge) as refused:
        outbox_row("probe", told, at=now, cause=Cause("c", "c"), event_id="e", largest=size - 1)
    assert refused.value.code == "event-too-large"
    assert refused.value.numbers["most"] == size - 1


def test_what_follows_from_accepted_events_may_be_larger_than_what_a_request_may_cause() -> None:
    assert 10 * LARGEST_EVENT < LARGEST_CONSEQUENCE < LARGEST_MESSAGE
