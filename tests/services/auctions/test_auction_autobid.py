"""Autobid: the first cut comes with the rival's bid, then one at each interval for the supplier with the oldest bid,
never below a floor."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalogue.policy import load
from services.auctions.domain.auction import AuctionState, Verdict, apply
from services.auctions.domain.autobid import (
    Autobid,
    Cut,
    FloorNotBelowOwnBid,
    NoAutobidHere,
    NoBidYet,
    check,
    due_cut,
)
from services.auctions.domain.bids import place_bid
from services.auctions.domain.due import advance, due_at
from tests.services.auctions.builders import NOON_UTC, a_bid, after, an_auction

AT = NOON_UTC + timedelta(hours=1)
PACE = timedelta(minutes=3)  # the interval of a 24 hour auction in moscow


def floor(amount: str, set_at: datetime = AT, on: bool = True) -> Autobid:
    return Autobid(Decimal(amount), set_at, on)


def cuts(
    state: AuctionState, autobids: dict[str, Autobid], until: datetime
) -> tuple[AuctionState, list[tuple[str, str, datetime]]]:
    """Return what the timer does until then: who, at what price, with which time."""
    state, steps = advance(state, autobids, until, standings=dict.fromkeys(autobids, "active"), new_id=lambda: "id")
    return state, [
        (step.bid.supplier_id, str(step.bid.amount), step.bid.arrived_at) for step in steps if isinstance(step, Verdict)
    ]


def test_the_first_cut_is_one_step_and_due_with_the_rivals_bid() -> None:
    state = after(an_auction(), a_bid("a", "990", at=AT), a_bid("b", "950", at=AT + timedelta(seconds=7)))
    assert due_cut(state, {"a": floor("500")}) == Cut("a", Decimal("940.00"), AT + timedelta(seconds=7))


def test_the_autobid_of_the_leader_makes_no_cut() -> None:
    state = after(an_auction(), a_bid("a", "990", at=AT))
    assert due_cut(state, {"a": floor("500")}) is None


def test_two_autobidders_take_turns_at_the_pace_until_one_floor_is_reached() -> None:
    state = after(an_auction(), a_bid("a", "990", at=AT), a_bid("b", "980", at=AT))
    state, done = cuts(state, {"a": floor("940"), "b": floor("800")}, AT + timedelta(hours=1))
    assert done == [
        ("a", "970.00", AT),
        ("b", "960.00", AT + PACE),
        ("a", "950.00", AT + 2 * PACE),
        ("b", "940.00", AT + 3 * PACE),
    ]
    assert state.price == 940, "a's floor allows 940, but there b is already"


def test_the_waiting_autobid_whose_supplier_bid_longest_ago_acts() -> None:
    state = after(
        an_auction(), *(a_bid(who, amount, at=AT) for who, amount in (("a", "990"), ("b", "980"), ("c", "970")))
    )
    _, done = cuts(state, dict.fromkeys("ab", floor("900")), AT)
    assert [who for who, _, _ in done] == ["a"]


def test_a_manual_bid_between_two_cuts_waits_for_nobody_and_the_pace_goes_on() -> None:
    autobids = {"a": floor("500")}
    state = after(an_auction(), a_bid("a", "990", at=AT), a_bid("b", "980", at=AT))
    state, _ = cuts(state, autobids, AT)
    state = after(state, a_bid("b", "950", at=AT + timedelta(seconds=30)))
    assert due_cut(state, autobids) == Cut("a", Decimal("940.00"), AT + PACE)


def test_a_floor_set_late_acts_from_then_on_and_one_switched_off_never() -> None:
    state = after(an_auction(), a_bid("a", "990", at=AT), a_bid("b", "980", at=AT))
    later = AT + timedelta(minutes=20)
    assert due_cut(state, {"a": floor("900", later)}) == Cut("a", Decimal("970.00"), later)
    assert due_cut(state, {"a": floor("900", on=False)}) is None


def test_cuts_that_a_late_timer_makes_have_the_times_at_which_they_were_due() -> None:
    state = after(an_auction(), a_bid("a", "990", at=AT), a_bid("b", "980", at=AT))
    autobids = {"a": floor("940"), "b": floor("800")}
    at_once, _ = cuts(state, autobids, AT + timedelta(hours=2))
    slowly = state
    for seconds in range(0, 7200, 30):
        slowly, _ = cuts(slowly, autobids, AT + timedelta(seconds=seconds))
    assert at_once == slowly


def test_a_cut_in_the_last_minutes_moves_the_end_like_any_bid() -> None:
    state = an_auction()
    late = state.closes_at - timedelta(minutes=1)
    state = after(state, a_bid("a", "990", at=AT), a_bid("b", "980", at=late))
    state, _ = cuts(state, {"a": floor("970", AT)}, late + timedelta(seconds=1))
    assert state.closes_at == late + timedelta(minutes=5)
    assert due_at(state, {}) == state.settles_at


def test_the_autobid_of_a_suspended_supplier_is_refused_once_and_the_others_continue() -> None:
    state = after(an_auction(), a_bid("a", "990", at=AT), a_bid("c", "980", at=AT), a_bid("b", "970", at=AT))
    autobids = {"a": floor("500"), "c": floor("500")}
    state, steps = advance(state, autobids, AT, standings={"a": "suspended", "c": "active"}, new_id=lambda: "id")
    told = [(step.bid.supplier_id, bool(step.accepted)) for step in steps if isinstance(step, Verdict)]
    assert told == [("a", False), ("c", True)]


def test_each_cut_is_a_request_of_its_own_also_when_it_is_refused_again_at_the_same_price() -> None:
    """Two cuts with one key would be one bid, and the second could not be stored."""
    state = after(an_auction(), a_bid("a", "990", at=AT), a_bid("b", "980", at=AT))
    ids = iter("12")
    keys = []
    for _ in range(2):
        _, steps = advance(
            state, {"a": floor("500")}, AT, standings={"a": "suspended"}, new_id=lambda: f"id-{next(ids)}"
        )
        keys += [step.bid.key for step in steps if isinstance(step, Verdict) and step.accepted is None]
    assert len(set(keys)) == 2


def test_a_floor_needs_a_bid_by_hand_a_price_below_it_and_a_policy_that_has_autobid() -> None:
    state = after(an_auction(), a_bid("a", "990", at=AT))
    check(state, "a", Decimal("500"), AT)
    with pytest.raises(NoBidYet):
        check(state, "b", Decimal("500"), AT)
    for amount in ("990", "0", "-1", "NaN", "500.001"):
        with pytest.raises(FloorNotBelowOwnBid):
            check(state, "a", Decimal(amount), AT)
    with pytest.raises(NoAutobidHere, match="over"):
        check(state, "a", Decimal("500"), state.closes_at)
    with pytest.raises(NoAutobidHere, match="no autobid"):
        check(after(an_auction(policy=load("pregao")), a_bid("a", "990", at=AT)), "a", Decimal("500"), AT)


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 98), min_size=1),
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 6)), min_size=1, max_size=12),
)
def test_no_autobid_goes_below_its_floor_or_cuts_for_a_leader(
    floors: dict[str, int], bids: list[tuple[str, int]]
) -> None:
    state = an_auction()
    autobids = {who: floor(str(10 * steps)) for who, steps in floors.items()}
    now = AT
    for who, steps in bids:
        now += timedelta(seconds=40)
        state = apply(state, place_bid(state, a_bid(who, state.price - 10 * steps, at=now)))
        before = state
        state, done = cuts(state, autobids, now)
        for who_cut, amount, at in done:
            assert Decimal(amount) >= autobids[who_cut].floor
            assert before.leader_id != who_cut and at <= now
            before = apply_cut(before, who_cut, amount, at)


def apply_cut(state: AuctionState, who: str, amount: str, at: datetime) -> AuctionState:
    return apply(state, place_bid(state, a_bid(who, amount, at=at)))
