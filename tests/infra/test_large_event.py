"""An act whose event, or one of its fields, would be too large is refused with its rule."""

from typing import Any

import msgspec
import pytest

from events.accounts import OrganisationRegistered
from events.limits import OutOfBounds
from events.notifications import MailUnsubscribed
from events.topics import LARGEST_MESSAGE
from events.values import Place
from infra.causality import Cause
from infra.clock import system_clock
from infra.database import Transaction
from infra.outgoing import OF_A_CONSEQUENCE, OF_A_REQUEST, EventLimits, EventTooLarge, outbox_row


def test_an_event_that_no_broker_would_take_is_refused_by_its_rule() -> None:
    told = MailUnsubscribed(member_id="somebody", organisation_id="", topic="digest")
    now = system_clock()
    row = outbox_row("probe", told, at=now, cause=Cause("c", "c"), event_id="e")
    size = len(row.envelope) + len(row.data)
    with pytest.raises(EventTooLarge) as refused:
        outbox_row("probe", told, at=now, cause=Cause("c", "c"), event_id="e", limits=EventLimits(size - 1, True))
    assert refused.value.code == "event-too-large"
    assert refused.value.numbers["most"] == size - 1


def test_what_follows_from_accepted_events_may_be_larger_than_what_a_request_may_cause() -> None:
    assert 10 * OF_A_REQUEST.bytes < OF_A_CONSEQUENCE.bytes < LARGEST_MESSAGE


ANNA = OrganisationRegistered(organisation_id="a", roles=("buyer",), name="Anna's school")


def a_transaction(limits: EventLimits) -> Transaction:
    """A transaction that writes nothing."""
    return Transaction("probe", None, system_clock(), Cause("c", "c"), limits=limits)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"name": "n" * 100_000}, "name", "too-long"),
        ({"roles": ("buyer",) * 50_000}, "roles", "too-many"),
        ({"place": Place(country="RU", locality="x" * 3_000)}, "place.locality", "too-long"),
    ],
)
def test_an_act_whose_event_holds_more_than_its_type_allows_fails_by_the_field_and_the_rule(
    changes: dict[str, Any], field: str, code: str
) -> None:
    told = msgspec.structs.replace(ANNA, **changes)
    for _ in range(2):
        with pytest.raises(OutOfBounds) as refused:
            a_transaction(OF_A_REQUEST).emit(told)
        assert (refused.value.field, refused.value.code) == (field, code)
    assert a_transaction(OF_A_REQUEST).emit(ANNA)


def test_what_follows_from_accepted_events_may_hold_a_longer_text_that_the_former_release_let_in() -> None:
    assert a_transaction(OF_A_CONSEQUENCE).emit(msgspec.structs.replace(ANNA, name="n" * 100_000))
