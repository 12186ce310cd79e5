"""The verdict on each bid at every boundary, and the result at the close. Unless stated otherwise the auction begins at
1000.00 with a step of 10.00."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest

from catalogue.rules import RuleBroken
from events.auctions import BidRefused
from services.auctions.domain import closing, complaints, remedies
from services.auctions.domain.auction import AuctionState, Bid, Verdict, apply
from services.auctions.domain.bids import decide, ladder, next_bid, place_bid
from tests.services.auctions.builders import MOSCOW, NOON_UTC, a_bid, a_line, after, an_auction, rule

END = NOON_UTC + timedelta(hours=24)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("amount", "broken"),
    [
        ("990", None),
        ("990.00", None),
        ("500", None),  # fifty steps at once
        ("9.9E+2", None),
        ("1000", "not-lower"),
        ("1000.01", "not-lower"),
        ("1E+999999", "not-lower"),
        ("999.99", "cut-below-step"),
        ("990.01", "cut-below-step"),
        ("989.99", "cut-not-whole-steps"),
        ("985", "cut-not-whole-steps"),
        ("990.000", "amount-too-fine"),
        ("1E-999999", "amount-too-fine"),
        ("0", "amount-not-positive"),
        ("-10", "amount-not-positive"),
        ("NaN", "amount-not-positive"),
        ("sNaN", "amount-not-positive"),
        ("-Infinity", "amount-not-positive"),
        ("Infinity", "amount-not-positive"),
    ],
)
def test_a_first_bid_is_whole_steps_below_the_initial_price(amount: str, broken: str | None) -> None:
    assert rule(place_bid(an_auction(), a_bid("a", amount))) == broken


@pytest.mark.parametrize(("amount", "broken"), [("890", None), ("895", "cut-below-step"), ("900", "not-lower")])
def test_a_later_bid_is_whole_steps_below_the_current_price(amount: str, broken: str | None) -> None:
    state = after(an_auction(), a_bid("a", "900"))
    assert rule(place_bid(state, a_bid("b", amount))) == broken


def test_an_accepted_bid_is_numbered_and_anonymous() -> None:
    verdict = place_bid(an_auction(), a_bid("a", "990"))
    assert verdict.accepted
    assert (verdict.accepted.sequence, verdict.accepted.participant) == (1, 1)
    assert b"bid-" not in msgspec.json.encode(verdict.event) and b'"a"' not in msgspec.json.encode(verdict.event)


def test_participants_are_numbered_in_the_order_of_their_first_accepted_bid() -> None:
    state = an_auction()
    state = apply(state, place_bid(state, a_bid("refused", "1000")))
    state = after(state, a_bid("x", "990"), a_bid("a", "980"), a_bid("x", "970"), a_bid("m", "960"))
    assert {each: one.number for each, one in state.participants.items()} == {"x": 1, "a": 2, "m": 3}


def test_a_refusal_names_rule_sentence_and_numbers() -> None:
    event = place_bid(an_auction(), a_bid("a", "995")).event
    assert isinstance(event, BidRefused)
    assert event.participant is None
    assert event.refusal.message == "A bid must be at least one step of 10.00 RUB below 1,000.00 RUB."
    numbers = {number.name: number.value for number in event.refusal.numbers}
    assert numbers == {"amount": "995", "price": "1000.00", "step": "10.00", "cut": "5.00"}


def test_a_refusal_of_an_absurd_amount_stays_short() -> None:
    assert len(msgspec.json.encode(place_bid(an_auction(), a_bid("a", "1E+999999")).event)) < 1000


def test_the_leader_cannot_underbid_itself_until_a_rival_leads() -> None:
    state = after(an_auction(), a_bid("a", "990"))
    assert rule(place_bid(state, a_bid("a", "980"))) == "leader-cannot-underbid-itself"
    assert rule(place_bid(after(state, a_bid("b", "980")), a_bid("a", "970"))) is None


@pytest.mark.parametrize("standing", ["pending", "suspended", "closed"])
def test_only_an_active_supplier_bids(standing: str) -> None:
    assert rule(place_bid(an_auction(), a_bid("a", "990", standing=standing))) == "supplier-not-active"


def test_the_buyer_cannot_bid() -> None:
    assert rule(place_bid(an_auction(), a_bid("school", "990"))) == "buyer-cannot-bid"


@pytest.mark.parametrize(
    ("arrived_at", "broken"),
    [
        (NOON_UTC - TICK, "auction-not-open-yet"),
        (NOON_UTC, None),
        (END - TICK, None),
        (END, "auction-over"),
        (END + TICK, "auction-over"),
    ],
)
def test_a_bid_is_judged_by_its_arrival(arrived_at: object, broken: str | None) -> None:
    assert rule(place_bid(an_auction(), a_bid("a", "990", at=arrived_at))) == broken  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("left", "extended"),
    [
        (timedelta(minutes=5, milliseconds=1), False),
        (timedelta(minutes=5), False),
        (timedelta(minutes=5, milliseconds=-1), True),
        (TICK, True),
    ],
)
def test_an_accepted_bid_with_less_than_five_minutes_left_moves_the_end(left: timedelta, extended: bool) -> None:
    arrived_at = END - left
    accepted = place_bid(an_auction(), a_bid("a", "990", at=arrived_at)).accepted
    assert accepted and accepted.extended is extended
    assert accepted.closes_at == (arrived_at + timedelta(minutes=5) if extended else END)


@pytest.mark.parametrize(("left", "minutes_after"), [(5 * 60, 5), (5 * 60 - 1, 10)])
def test_a_policy_may_extend_by_more_than_its_window(left: int, minutes_after: int) -> None:
    """At exactly the window nothing moves. This shows only if the two numbers differ."""
    rules = msgspec.structs.replace(MOSCOW.auction, extension_seconds=600)
    state = an_auction(policy=msgspec.structs.replace(MOSCOW, auction=rules))
    arrived_at = END - left * SECOND
    assert after(state, a_bid("a", "990", at=arrived_at)).closes_at == arrived_at + timedelta(minutes=minutes_after)


def test_extensions_go_on_from_the_effective_end() -> None:
    late = END - SECOND
    state = after(an_auction(), a_bid("a", "990", at=late))
    second = late + timedelta(minutes=5) - SECOND
    state = after(state, a_bid("b", "980", at=second))
    assert state.closes_at == second + timedelta(minutes=5)
    assert rule(place_bid(state, a_bid("a", "970", at=state.closes_at))) == "auction-over"


def test_a_refused_bid_never_moves_the_end() -> None:
    state = an_auction()
    verdict = place_bid(state, a_bid("a", "999", at=END - SECOND))
    assert rule(verdict) and apply(state, verdict) == state


def test_a_bid_decided_after_a_later_one_is_judged_by_the_price_it_meets_and_its_own_arrival() -> None:
    early, late = END - 10 * SECOND, END - SECOND
    state = after(an_auction(), a_bid("a", "980", at=late))
    assert rule(place_bid(state, a_bid("b", "990", at=early))) == "not-lower"
    accepted = place_bid(state, a_bid("b", "970", at=early)).accepted
    assert accepted and accepted.sequence == 2
    assert (accepted.closes_at, accepted.extended) == (late + timedelta(minutes=5), False)


def test_the_auction_ends_at_once_at_half_a_percent_of_the_initial_price() -> None:
    half = an_auction(step="5")
    above = after(half, a_bid("a", "10"))
    assert above.closes_at == END
    arrived_at = NOON_UTC + timedelta(hours=2)
    ended = after(above, a_bid("b", "5", at=arrived_at))
    assert ended.closes_at == arrived_at
    assert rule(place_bid(ended, a_bid("a", "4.99", at=arrived_at + TICK))) == "auction-over"
    assert closing.close(ended, log_of(half, a_bid("a", "10"), a_bid("b", "5", at=arrived_at)), arrived_at + SECOND)


def test_nothing_revives_an_auction_that_ended_at_the_floor() -> None:
    """0.49 is below half a percent of 100.49. One more step of 0.01 would be possible, and so would an earlier arrival."""
    state = an_auction(lines=(a_line(quantity="1", unit_price="100.49"),), step="0.01")
    ended = after(state, a_bid("a", "0.49", at=END - SECOND))
    assert ended.closes_at == END - SECOND
    assert rule(place_bid(ended, a_bid("b", "0.48", at=END - 2 * SECOND))) == "auction-over"
    assert next_bid(ended) is None


def test_the_ladder_offers_what_would_be_accepted() -> None:
    state = after(an_auction(), a_bid("a", "30"))
    assert ladder(state, 5) == (Decimal(20), Decimal(10))
    assert next_bid(state) == 20
    assert next_bid(after(state, a_bid("b", "10"))) is None
    assert rule(place_bid(after(state, a_bid("b", "10")), a_bid("a", "0"))) == "amount-not-positive"


def test_the_same_request_gets_its_first_verdict_in_one_batch_and_across_batches() -> None:
    bid, again = a_bid("a", "990", key="k"), a_bid("a", "990.00", key="k", at=END)
    batch = decide(an_auction(), [bid, again], {})
    assert batch.answers == [batch.new[0]] * 2 and len(batch.new) == 1
    later = decide(batch.state, [again], {bid.key: batch.new[0]})
    assert (later.answers, later.new, later.state) == ([batch.new[0]], [], batch.state)


def test_another_bid_under_the_same_key_gets_no_verdict_in_one_batch_and_across_batches() -> None:
    bid, other = a_bid("a", "990", key="k"), a_bid("a", "700", key="k")
    batch = decide(an_auction(), [bid, other], {})
    assert batch.answers == [batch.new[0], None] and len(batch.new) == 1
    later = decide(batch.state, [other, bid], {bid.key: batch.new[0]})
    assert (later.answers, later.new, later.state) == ([None, batch.new[0]], [], batch.state)


def test_two_suppliers_may_use_the_same_request_key() -> None:
    batch = decide(an_auction(), [a_bid("a", "990", key="k"), a_bid("b", "980", key="k")], {})
    assert [verdict and verdict.event.amount for verdict in batch.answers] == [990, 980]


@pytest.mark.parametrize(
    ("outcome", "broken", "told"),
    [
        ("withdrawn", "auction-withdrawn", "The buyer withdrew the mini-auction at"),
        ("cancelled", "auction-cancelled", "A moderator cancelled the mini-auction at"),
    ],
)
def test_the_refusal_of_a_bid_on_a_stopped_auction_names_no_end_in_the_future(
    outcome: str, broken: str, told: str
) -> None:
    state = an_auction()
    for stopped_at in (NOON_UTC - SECOND, NOON_UTC + SECOND):
        stopped = apply(state, closing.closed(state, outcome, stopped_at, "No money."))
        for arrived_at in (stopped_at - TICK, stopped_at, END):
            refused = place_bid(stopped, a_bid("a", "990", at=arrived_at)).event
            assert isinstance(refused, BidRefused)
            assert (
                refused.refusal.rule == broken and f"{told} {stopped_at:%Y-%m-%d %H:%M:%S}" in refused.refusal.message
            )
        for again in (remedies.require_open, complaints.require_open):
            with pytest.raises(RuleBroken, match=f"{stopped_at:%H:%M} UTC") as late:
                again(stopped)
            assert late.value.code == broken


# The close.


def log_of(state: AuctionState, *bids: Bid) -> list[Verdict]:
    return decide(state, bids, {}).new


def test_the_lowest_bid_wins_and_lines_fall_in_proportion() -> None:
    start = an_auction(lines=(a_line("1", "3", "100"), a_line("2", "7", "100")))
    log = log_of(start, a_bid("a", "990"), a_bid("b", "980"), a_bid("a", "670"))
    state = after(start, *[verdict.bid for verdict in log])
    (first, second), closed = closing.close(state, log, END + SECOND)
    assert (first.supplier_id, first.rank, first.participant, first.amount) == ("a", 1, 1, 670)
    assert (second.supplier_id, second.rank, second.participant, second.amount) == ("b", 2, 2, 980)
    assert (closed.outcome, closed.winner_id, closed.amount) == ("successful", "a", 670)
    assert (closed.bids, closed.participants) == (3, 2)
    assert [line.amount for line in closed.lines] == [Decimal("201.00"), Decimal("469.00")]
    assert [line.unit_price for line in closed.lines] == [67, 67]
    assert closed.closed_at == END


def test_an_auction_without_an_accepted_bid_is_unsuccessful() -> None:
    state = an_auction()
    none, closed = closing.close(state, log_of(state, a_bid("a", "1000")), END + SECOND)
    assert none == []
    assert (closed.outcome, closed.winner_id, closed.amount, closed.lines) == ("unsuccessful", None, None, ())


def test_the_close_waits_for_the_settle_window() -> None:
    with pytest.raises(closing.NotOverYet):
        closing.close(an_auction(), [], END + SECOND - TICK)


def test_a_closed_auction_takes_no_bid_and_no_second_close() -> None:
    state = an_auction()
    _, closed = closing.close(state, [], END + SECOND)
    state = apply(state, closed)
    assert rule(place_bid(state, a_bid("a", "990", at=END - SECOND))) == "auction-over"
    assert next_bid(state) is None
    with pytest.raises(closing.AlreadyClosed):
        closing.close(state, [], END + SECOND)


def test_no_winner_is_named_from_an_incomplete_log() -> None:
    start = an_auction()
    log = log_of(start, a_bid("a", "990"), a_bid("b", "980"), a_bid("a", "970"))
    state = decide(start, [verdict.bid for verdict in log], {}).state
    for part in (log[:2], log[:1], []):
        with pytest.raises(closing.LogIncomplete):
            closing.close(state, part, END + SECOND)
    assert closing.close(state, log[1:], END + SECOND) == closing.close(state, log, END + SECOND)
