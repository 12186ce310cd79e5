"""How the inbox groups messages into calls of reactions."""

import pytest

from events.accounts import OrganisationRegistered, OrganisationStateChanged
from events.codec import Event, Message
from events.envelope import Envelope
from infra.clock import system_clock
from infra.database import Transaction
from infra.reactions import Reactions, TwoReactions, calls


def told(event: Event) -> Message:
    number = f"{event.TYPE}/{event.subject}"
    envelope = Envelope(
        id=number,
        type=event.TYPE,
        source="/test",
        subject=event.subject,
        time=system_clock(),
        correlationid=number,
        causationid=number,
    )
    return Message(envelope, event)


def registered(key: str) -> Message:
    return told(OrganisationRegistered(organisation_id=key, roles=("buyer",), name=key))


def suspended(key: str) -> Message:
    return told(OrganisationStateChanged(organisation_id=key, state="suspended", reason=""))


async def nothing(tx: Transaction, events: object) -> None:
    """A reaction that does nothing."""


def many(*kinds: type[Event], most: int = 1000) -> Reactions:
    reactions = Reactions()
    reactions.MANY = most
    for kind in kinds:
        reactions.many(kind, nothing)
    return reactions


def dealt(reactions: Reactions, *messages: Message) -> list[list[tuple[str, str]]]:
    return [[(type(one.event).__name__[12:], one.event.subject) for one in call] for call in calls(reactions, messages)]


def test_events_of_one_type_go_to_one_call_and_keys_do_not_matter() -> None:
    assert dealt(many(OrganisationRegistered), registered("a"), registered("b"), registered("a")) == [
        [("Registered", "a"), ("Registered", "b"), ("Registered", "a")]
    ]


def test_types_are_grouped_where_their_keys_are_independent() -> None:
    both = many(OrganisationRegistered, OrganisationStateChanged)
    assert dealt(both, registered("a"), suspended("a"), registered("b"), suspended("b"), registered("c")) == [
        [("Registered", "a"), ("Registered", "b"), ("Registered", "c")],
        [("StateChanged", "a"), ("StateChanged", "b")],
    ]


def test_the_order_within_a_key_is_kept_across_types() -> None:
    both = many(OrganisationRegistered, OrganisationStateChanged)
    assert dealt(both, registered("a"), suspended("a"), registered("a"), suspended("b"), suspended("a")) == [
        [("Registered", "a")],
        [("StateChanged", "a"), ("StateChanged", "b")],
        [("Registered", "a")],
        [("StateChanged", "a")],
    ]


def test_types_of_one_reaction_stay_together_where_they_alternate_within_a_key() -> None:
    reactions = Reactions()
    reactions.together(nothing, OrganisationRegistered, OrganisationStateChanged)
    assert dealt(reactions, registered("a"), suspended("a"), registered("a"), suspended("b")) == [
        [("Registered", "a"), ("StateChanged", "a"), ("Registered", "a"), ("StateChanged", "b")]
    ]


def test_a_call_takes_no_more_than_the_reaction_bears() -> None:
    assert [len(call) for call in calls(many(OrganisationRegistered, most=2), map(registered, "abcde"))] == [2, 2, 1]


def test_a_single_reaction_takes_its_events_one_by_one() -> None:
    reactions = Reactions()
    reactions.on(OrganisationRegistered)(nothing)
    assert [len(call) for call in calls(reactions, map(registered, "abc"))] == [1, 1, 1]


def test_a_type_has_one_reaction() -> None:
    reactions = many(OrganisationRegistered)
    with pytest.raises(TwoReactions, match="OrganisationRegistered"):
        reactions.on(OrganisationRegistered)(nothing)
