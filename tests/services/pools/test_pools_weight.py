"""The largest pool that is accepted can be completed: each of its events fits with the largest possible texts and
numbers."""

from bisect import bisect_left
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from events.codec import Event
from events.values import Attribute, Category, Line, Place
from infra.causality import current_cause
from infra.outgoing import OF_A_CONSEQUENCE, OF_A_REQUEST, EventLimits, outbox_row
from services.pools.domain import (
    EndEnrolment,
    Freeze,
    Pool,
    PoolStage,
    RecordResult,
    RequestSourcing,
    WithdrawEnrolment,
    decide,
)
from services.pools.domain.weight import (
    MOST_OF_LINES,
    MOST_OF_SHARES,
    NUMBER,
    LinesTooLong,
    TooMuchToShareOut,
    check_lines,
    check_shares,
)
from tests.services.pools.test_pools_lifecycle import (
    DEADLINE,
    LATER,
    NOW,
    Story,
    an_auction,
    an_enrolment,
    demand,
    opening,
    terms,
)

WIDEST = Decimal("-99999999999999999999." + "7" * 60)
"""The longest number that an event may have."""
ESCAPED = "\x01"
"""Six bytes in JSON, the most that one character can have."""
KEY, LABEL = "к" * 400, ESCAPED * 2_000
WIDEST_PLACE = Place(
    country=KEY, region="RU-MOW", locality=LABEL, latitude=-55.123456789012345, longitude=-137.12345678901234
)
MOSCOW = Place(country="RU", region="RU-MOW", locality="Москва")


def lines(count: int, attributes: int, said: str = "Some value of it") -> tuple[Line, ...]:
    return tuple(
        Line(
            line_id=f"01890a5d-ac96-774b-bcce-b302099a{number:04}",
            description="Paper A4 80 g/m2 white, box of five reams",
            category=Category(code="30197644", title="Xerographic paper"),
            unit="C62",
            unit_price=Decimal("123.45"),
            vat_rate=Decimal(20),
            vat_included=True,
            attributes=tuple(Attribute(name=f"Property {each}", value=said) for each in range(attributes)),
        )
        for number in range(count)
    )


def size_of(event: Event, limits: EventLimits) -> int:
    """Return the bytes with the envelope. Raise EventTooLarge."""
    row = outbox_row("pools", event, at=datetime.now(UTC), cause=current_cause(), event_id="e" * 36, limits=limits)
    return len(row.envelope) + len(row.data)


def filled(story: Story, member_name: str = "School 57", place: Place = MOSCOW) -> TooMuchToShareOut:
    """Fill the pool until the first refusal: every member wants some of every line. The number of members that fit is
    found by bisection, because each enrolment computes the size of all members. Members before the last are enrolled by
    the event of the first, under other ids."""
    wanted = [demand("99999999999.0123456789", line_id=line.line_id) for line in story.pool.opened.lines]
    asks = [
        an_enrolment(f"01890a5d-ac96-774b-bcce-m{number:06}", wanted, member_name=member_name, place=place)
        for number in range(256)
    ]
    (first,) = story.does(asks[0])
    enrolled = [msgspec.structs.replace(first, member_id=asked.member_id) for asked in asks]

    def among(count: int) -> Pool:
        return msgspec.structs.replace(story.pool, members={event.member_id: event for event in enrolled[:count]})

    def is_refused(count: int) -> bool:
        try:
            decide(among(count), asks[count], NOW)
        except TooMuchToShareOut:
            return True
        return False

    room = bisect_left(range(len(asks)), True, key=is_refused)
    story.pool = among(room - 1)
    story.happened += enrolled[1 : room - 1]
    assert story.does(asks[room - 1]) == [enrolled[room - 1]]
    with pytest.raises(TooMuchToShareOut) as refused:
        story.does(asks[room])
    return refused.value


@pytest.mark.parametrize(
    ("lines_of_it", "who"),
    [
        (lines(200, 6), {}),
        (lines(1, 13, ESCAPED * 3_500), {}),
        (lines(50, 0), {}),
        (lines(1, 0), {"member_name": LABEL, "place": WIDEST_PLACE}),
    ],
    ids=["ordinary", "one line with much text", "many members", "long names"],
)
def test_the_largest_pool_that_is_let_in_is_shared_out_in_half_of_what_an_event_can_hold(
    lines_of_it: tuple[Line, ...], who: dict[str, Any]
) -> None:
    story = Story(lines=lines_of_it, minimum_quantity=Decimal(1))
    refused = filled(story, **who)
    assert (refused.field, refused.numbers["most"]) == ("demands", MOST_OF_SHARES)
    assert refused.numbers["members"] == len(story.pool.members) + 1
    story.does(EndEnrolment(extend_to=LATER), DEADLINE)
    assert story.does(RequestSourcing(by="lead", place=WIDEST_PLACE, step_percent=Decimal("0.5")))
    assert story.pool.sourcing is not None
    won = tuple(
        msgspec.structs.replace(line, amount=Decimal("9" * 15), unit_price=WIDEST) for line in story.pool.sourcing.lines
    )
    (allocated,) = story.does(RecordResult(closed=an_auction(won, Decimal(1), Decimal(1))))
    assert story.pool.stage is PoolStage.CONTRACTING
    assert size_of(allocated, OF_A_CONSEQUENCE) <= MOST_OF_SHARES
    for event in story.happened[:-1]:
        size_of(event, OF_A_REQUEST)


def test_the_bounds_are_half_of_what_an_event_can_hold_and_a_number_is_no_longer() -> None:
    assert 2 * MOST_OF_SHARES <= OF_A_CONSEQUENCE.bytes
    rest_of_an_event = 6 * (20_000 + 4 * 2_000 + 5 * 400)  # a policy, names, title, place and keys, all escaped
    assert MOST_OF_LINES + rest_of_an_event <= OF_A_REQUEST.bytes
    assert len(msgspec.json.encode(WIDEST)) <= NUMBER


def test_lines_that_the_request_for_a_mini_auction_could_not_hold_are_refused_when_the_pool_opens() -> None:
    long = lines(200, 20)
    with pytest.raises(LinesTooLong) as refused:
        opening(terms(lines=long))
    size = refused.value.numbers["size"]
    assert (refused.value.field, refused.value.numbers["most"]) == ("lines", MOST_OF_LINES)
    assert isinstance(size, int) and size > MOST_OF_LINES
    check_lines(long[:100])


def test_who_wants_fewer_lines_still_finds_room() -> None:
    story = Story(lines=lines(200, 6), minimum_quantity=Decimal(1))
    filled(story)
    (line, *_) = story.pool.opened.lines
    assert story.does(an_enrolment("small", [demand(line_id=line.line_id)]))


def test_a_pool_that_the_former_release_filled_takes_a_smaller_demand_of_a_member_and_no_larger_one() -> None:
    story = Story(lines=lines(200, 6), minimum_quantity=Decimal(1))
    filled(story)
    (first, *_) = story.pool.members.values()
    overfull = story.pool.members | {f"m{number}": first for number in range(30)}
    smaller = msgspec.structs.replace(first, demands=first.demands[:1])
    check_shares(story.pool.opened.lines, overfull, overfull | {"m0": smaller})
    with pytest.raises(TooMuchToShareOut):
        check_shares(story.pool.opened.lines, overfull, overfull | {"one more": smaller})


def test_who_withdraws_makes_room() -> None:
    story = Story(lines=lines(200, 6), minimum_quantity=Decimal(1))
    filled(story)
    (first, *_) = story.pool.members.values()
    story.does(WithdrawEnrolment(member_id=first.member_id))
    assert story.does(an_enrolment("late", first.demands))
    assert story.does(Freeze(by="lead"))
