"""What pregao and prozorro do differently: bids below the bidder's own last bid, deletion, the restart; rounds of
sealed turns, scores."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest

from catalogue.calendar import RegionCalendar
from catalogue.policy import load
from events.auctions import AuctionExtended, BidRefused, Criterion, Option, RoundBegan, Scoring, TurnEnded
from services.auctions.domain import remedies, rounds
from services.auctions.domain.auction import AuctionState, Bid, apply, begin, ranking
from services.auctions.domain.bids import AuctionOver, ladder, place_bid
from services.auctions.domain.due import advance, due_at
from services.auctions.domain.rungs import rungs_for
from services.auctions.domain.scoring import (
    ChoicesMissing,
    CriteriaMissing,
    CriteriaNotAsked,
    CriterionNotComplete,
    OptionNegative,
    WeightsTooHigh,
    check,
    complete,
    score,
)
from tests.services.auctions.builders import MOSCOW, NOON_UTC, QUALITY, a_bid, after, an_auction, rule

SECOND = timedelta(seconds=1)
AT = NOON_UTC + 60 * SECOND
PREGAO, PROZORRO = load("pregao"), load("prozorro")


def clock(state: AuctionState, now) -> tuple[AuctionState, list]:  # type: ignore[no-untyped-def,type-arg]
    return advance(state, {}, now, standings={}, new_id=lambda: "id")


# pregao


def test_bids_between_improve_on_ones_own_and_leave_the_leader() -> None:
    state = after(an_auction(policy=PREGAO), a_bid("a", "1000"), a_bid("b", "700"), a_bid("a", "900"))
    assert (state.price, state.leader_id, state.sequence) == (Decimal("700.00"), "b", 3)
    assert rule(place_bid(state, a_bid("a", "895"))) == "cut-below-step"
    assert rule(place_bid(state, a_bid("a", "900"))) == "not-lower"
    assert rule(place_bid(state, a_bid("a", "695"))) == "cut-below-step", "covering the best needs a step, too"
    assert place_bid(state, a_bid("b", "683.5")).accepted, "no whole steps, and the leader may go on"
    assert rule(place_bid(state, a_bid("c", "1000.01"))) == "not-lower", "written by its former code"
    assert ladder(state, 2, "a") == (Decimal("890.00"), Decimal("880.00"))


def test_the_ladder_offers_nothing_that_would_be_refused() -> None:
    state = after(an_auction(policy=PREGAO), a_bid("a", "900"), a_bid("b", "903"), a_bid("c", "1000"))
    assert ladder(state, 3, "b") == (Decimal("883.00"), Decimal("873.00"), Decimal("863.00")), "893 is too near to 900"
    for supplier_id in ("a", "b", "c", "newcomer"):
        for amount in ladder(state, 20, supplier_id):
            assert place_bid(state, a_bid(supplier_id, amount)).accepted, (supplier_id, amount)


def test_one_amount_takes_the_lead_and_the_others_are_those_that_do_not() -> None:
    state = after(an_auction(policy=PREGAO), a_bid("a", "800"))
    newcomer = rungs_for(state, 3, "newcomer", None)
    assert (newcomer.lead, newcomer.others) == (Decimal(790), (Decimal(1000), Decimal(990), Decimal(980)))
    state = after(state, a_bid("b", "815"))
    behind = rungs_for(state, 3, "b", state.last_of("b"))
    assert (behind.lead, behind.others) == (Decimal(790), (Decimal(805),)), "795 is too near to the price"
    state = after(state, a_bid("b", "800"))
    beside = rungs_for(state, 3, "b", state.last_of("b"))
    assert (beside.lead, beside.others) == (None, (Decimal(790), Decimal(780), Decimal(770))), "each takes the lead"
    for supplier_id in ("a", "b", "newcomer"):
        offered = rungs_for(state, 20, supplier_id, state.last_of(supplier_id))
        for amount in {offered.lead, *offered.others} - {None}:
            verdict = place_bid(state, a_bid(supplier_id, amount))
            assert verdict.accepted, (supplier_id, amount)
            took = apply(state, verdict).leader_id == supplier_id
            assert took == (amount == offered.lead or offered.lead is None), (supplier_id, amount)


def test_the_earlier_of_two_bids_at_the_same_price_is_first() -> None:
    state = after(an_auction(policy=PREGAO), a_bid("a", "900"), a_bid("b", "900"))
    assert state.leader_id == "a"
    assert [who for who, _, _ in ranking(state)] == ["a", "b"]


def test_any_accepted_bid_in_the_last_two_minutes_moves_the_end() -> None:
    state = after(an_auction(policy=PREGAO), a_bid("a", "700"))
    late = state.closes_at - SECOND
    assert after(state, a_bid("b", "900", at=late)).closes_at == late + timedelta(minutes=2)


def test_an_own_last_bid_is_deleted_once_within_its_seconds() -> None:
    state = after(
        an_auction(policy=PREGAO), a_bid("b", "900", at=AT), a_bid("a", "950", at=AT), a_bid("a", "70", at=AT)
    )
    with pytest.raises(remedies.TooLateToDelete):
        remedies.delete_last(state, "a", AT + 16 * SECOND)
    with pytest.raises(AuctionOver):
        remedies.delete_last(state, "a", state.closes_at)
    after_it = apply(state, remedies.delete_last(state, "a", AT + 15 * SECOND))
    assert (after_it.price, after_it.leader_id) == (Decimal("900.00"), "b")
    assert after_it.last_of("a") is not None and after_it.last_of("a").amount == 950  # type: ignore[union-attr]
    again = after(after_it, a_bid("a", "800", at=AT + 16 * SECOND))
    with pytest.raises(remedies.DeletedBefore):
        remedies.delete_last(again, "a", AT + 17 * SECOND)
    with pytest.raises(remedies.NothingToDelete):
        remedies.delete_last(again, "nobody", AT + 17 * SECOND)
    with pytest.raises(remedies.DeletionNotOffered):
        remedies.delete_last(after(an_auction(), a_bid("a", "990", at=AT)), "a", AT)


@pytest.mark.parametrize(("second", "restarts"), [("735", True), ("734.99", False)])
def test_it_goes_on_once_when_the_second_is_five_percent_away(second: str, restarts: bool) -> None:
    state = after(an_auction(policy=PREGAO), a_bid("b", second), a_bid("a", "700"))
    settled = state.settles_at
    state, steps = clock(state, settled)
    assert [type(step) for step in steps] == ([AuctionExtended] if restarts else [])
    if restarts:
        assert state.closes_at == settled + timedelta(minutes=10)
        assert clock(state, state.settles_at)[1] == [], "once"


# prozorro


def first_bids() -> AuctionState:
    return after(
        an_auction(policy=PROZORRO), a_bid("a", "1000"), a_bid("b", "980"), a_bid("c", "990"), a_bid("b", "985")
    )


def test_first_bids_are_sealed_free_to_change_and_public_with_the_first_round() -> None:
    state = first_bids()
    assert state.sealed and state.public().participants == {}
    assert (state.public().price, state.public().sequence) == (Decimal("1000.00"), 0)
    assert state.participants["b"].last.amount == 985  # type: ignore[union-attr]
    state, (began,) = clock(state, state.settles_at)
    assert isinstance(began, RoundBegan)
    assert (began.number, began.order) == (1, (1, 3, 2)), "the worst first"
    assert began.begins_at == state.opened.closes_at + timedelta(minutes=5)
    # three turns of two minutes, three times, with two pauses of two minutes between
    assert began.closes_at == began.begins_at + timedelta(minutes=18 + 4)
    assert set(state.public().participants) == {"a", "b", "c"}


def test_no_amount_above_ones_own_last_bid_is_offered_also_while_bids_are_sealed() -> None:
    state = first_bids()
    offered = rungs_for(state.public(), 3, "b", state.last_of("b"))
    assert (offered.lead, offered.others) == (None, (Decimal(975), Decimal(965), Decimal(955)))
    assert offered.highest == 1000, "it may still be raised"
    assert rungs_for(state.public(), 2, "newcomer", None).others == (Decimal(1000), Decimal(990))
    for amount in (*offered.others, offered.highest):
        assert place_bid(state, a_bid("b", amount)).accepted


def test_turns_go_worst_first_and_are_sealed_until_they_end() -> None:
    state, (began,) = clock(first_bids(), first_bids().settles_at)
    begins = began.begins_at
    early = place_bid(state, a_bid("a", "900", at=begins - SECOND))
    assert isinstance(early.event, BidRefused) and early.event.refusal.rule == "not-your-turn"
    named = {number.name: number.value for number in early.event.refusal.numbers}
    assert (named["begins_at"], named["ends_at"]) == (str(begins), str(begins + timedelta(minutes=2))), (
        "the bidder's own"
    )
    assert rule(place_bid(state, a_bid("b", "900", at=begins))) == "not-your-turn"
    assert rule(place_bid(state, a_bid("x", "900", at=begins))) == "no-first-bid"
    assert rule(place_bid(state, a_bid("a", "995", at=begins))) == "cut-below-step"
    state = after(state, a_bid("a", "900", at=begins), a_bid("a", "950", at=begins + SECOND))
    assert state.participants["a"].last.amount == 950, "within the turn the last counts"  # type: ignore[union-attr]
    assert state.public().price == 985
    assert due_at(state, {}) == begins + 121 * SECOND
    state, (ended,) = clock(state, begins + 121 * SECOND)
    assert isinstance(ended, TurnEnded) and ended.participant == 1
    assert state.public().price == 950
    assert rounds.turn_of(state).number == 3  # type: ignore[union-attr]


def test_after_the_first_round_the_order_is_made_anew() -> None:
    state, (began,) = clock(first_bids(), first_bids().settles_at)
    state = after(state, a_bid("a", "900", at=began.begins_at))
    state, steps = clock(state, began.begins_at + timedelta(minutes=6, seconds=1))
    assert [type(step) for step in steps] == [TurnEnded] * 3 + [RoundBegan]
    assert steps[-1].order == (3, 2, 1)
    assert steps[-1].begins_at == began.begins_at + timedelta(minutes=8)
    assert steps[-1].closes_at == began.closes_at, "the timetable stands"


def test_the_timetable_says_when_each_round_and_turn_is() -> None:
    sealed = first_bids()
    (first,) = rounds.timetable(sealed.public())
    assert (first.number, first.begins_at, first.ends_at) == (1, sealed.closes_at + timedelta(minutes=5), None)
    state, (began,) = clock(sealed, sealed.settles_at)
    plan = rounds.timetable(state.public())
    assert [planned.number for planned in plan] == [1, 2, 3]
    assert [turn.number for turn in plan[0].turns] == [1, 3, 2] and plan[0].turns[0].begins_at == began.begins_at
    assert plan[1].begins_at == plan[0].ends_at + timedelta(minutes=2)  # type: ignore[operator]
    assert plan[2].ends_at == began.closes_at and plan[2].turns == ()
    assert rounds.timetable(an_auction()) == ()


def test_with_fewer_than_two_there_are_no_rounds() -> None:
    state = after(an_auction(policy=PROZORRO), a_bid("a", "1000"))
    state, steps = clock(state, state.settles_at)
    assert steps == [] and state.over(state.closes_at)


# scores


def test_scores_are_exact_fractions() -> None:
    assert score(Scoring(), Decimal("0.1"), ()) == Fraction(1, 10)
    assert score(QUALITY, Decimal(900), (0,)) == 900
    assert score(QUALITY, Decimal(900), (1,)) == Fraction(900) / (1 + Fraction(1, 10) / Fraction(9, 10)) == 810
    life = Scoring(by="life-cycle", criteria=QUALITY.criteria)
    assert score(life, Decimal(900), (1,)) == Fraction(9001, 10)


def test_the_ranking_is_by_score_and_not_by_price() -> None:
    opened = msgspec.structs.replace(an_auction(policy=PROZORRO).opened, scoring=QUALITY)
    bids = (("cheap", "850", (0,)), ("good", "900", (1,)))
    state = begin(opened)
    for who, amount, choices in bids:
        bid = choosing(a_bid(who, amount), choices)
        state = apply(state, place_bid(state, bid))
    assert state.leader_id == "good" and state.price == 900
    assert rule(place_bid(state, a_bid("none", "800"))) == "choices-missing"


def choosing(bid: Bid, choices: tuple[int, ...]) -> Bid:

    return msgspec.structs.replace(bid, choices=choices)


def test_a_scoring_that_cannot_be_is_refused() -> None:
    check(QUALITY)
    for options, broken in (
        ((Option(title="all", value=Decimal(1)),), WeightsTooHigh),
        ((Option(title="less", value=Decimal(-1)),), OptionNegative),
        ((), CriterionNotComplete),
    ):
        with pytest.raises(broken):
            check(Scoring(by="quality", criteria=(Criterion(criterion_id="x", title="X", options=options),)))
    with pytest.raises(CriteriaMissing):
        check(Scoring(by="quality"))
    with pytest.raises(CriteriaNotAsked):
        check(Scoring(by="price", criteria=QUALITY.criteria))
    for choices in ((), (2,), (-1,), (0, 0)):
        with pytest.raises(ChoicesMissing):
            complete(QUALITY, choices)


# outage and withdrawal


def test_an_outage_gives_more_than_its_time_back_and_only_once() -> None:
    state = an_auction()
    since, until = NOON_UTC + timedelta(hours=2), NOON_UTC + timedelta(hours=3)
    extended = remedies.resume(state, since, until)
    assert extended is not None and extended.closes_at == state.closes_at + timedelta(hours=1, minutes=1)
    after_it = apply(state, extended)
    assert remedies.resume(after_it, since, until) is None


def test_an_end_that_fell_into_the_outage_resumes_for_its_lost_time_and_a_quarter_of_an_hour() -> None:
    state = an_auction()
    since, until = state.closes_at - timedelta(minutes=10), state.closes_at + timedelta(hours=4)
    extended = remedies.resume(state, since, until)
    assert extended is not None and extended.closes_at == until + timedelta(minutes=25)
    state = apply(state, extended)
    assert place_bid(state, a_bid("a", "990", at=until + SECOND)).accepted


def test_an_outage_before_the_opening_or_after_the_end_changes_nothing() -> None:
    state = an_auction()
    assert remedies.resume(state, NOON_UTC - timedelta(hours=2), NOON_UTC) is None
    assert remedies.resume(state, state.closes_at, state.closes_at + SECOND) is None


def test_a_withdrawal_is_reasoned_early_and_in_working_hours() -> None:
    state, calendar, rules = an_auction(), RegionCalendar("Europe/Moscow", "RU"), MOSCOW.auction.withdrawal
    noon = NOON_UTC  # 15:00 in Moscow, a Wednesday; the end is 24 hours later

    def withdraw(now, reason="Closed school"):  # type: ignore[no-untyped-def]
        return remedies.withdraw(state, reason, now, rules=rules, calendar=calendar)

    closed = withdraw(noon)
    assert (closed.outcome, closed.reason, closed.winner_id, closed.lines) == ("withdrawn", "Closed school", None, ())
    with pytest.raises(remedies.ReasonMissing):
        withdraw(noon, " ")
    with pytest.raises(remedies.OutsideWithdrawalHours):
        withdraw(noon + timedelta(hours=2, minutes=1))
    withdraw(noon + timedelta(hours=19))
    with pytest.raises(remedies.TooLateToWithdraw):
        withdraw(noon + timedelta(hours=19, seconds=1))
