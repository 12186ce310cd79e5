"""What is too much for one event is refused where it happens, with its rule."""

import pytest

from events.notifications import MailUnsubscribed
from infra import database
from infra.causality import Cause
from infra.clock import system_clock
from infra.database import EventTooLarge, outbox_row


def test_an_event_that_no_broker_would_take_is_refused_by_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    told = MailUnsubscribed(member_id="somebody", organisation_id="", topic="digest")
    now = system_clock()
    row = outbox_row("probe", told, at=now, cause=Cause("c", "c"), event_id="e")
    monkeypatch.setattr(database, "LARGEST_EVENT", len(row.envelope) + len(row.data) - 1)
    with pytest.raises(EventTooLarge) as refused:
        outbox_row("probe", told, at=now, cause=Cause("c", "c"), event_id="e")
    assert refused.value.code == "event-too-large"
    assert refused.value.numbers["most"] == database.LARGEST_EVENT
