"""Named defects of other auction systems, none of which may be here. For the running market see
test_known_defects_live."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec
import pytest

from catalogue.policy import load
from events.auctions import AuctionClosed, BidAccepted, BidRefused, Criterion, Option, Scoring
from infra.causality import Cause
from services.auctions.api import BidIn
from services.auctions.domain import autobid, remedies
from services.auctions.domain.auction import AuctionState, Verdict, apply, begin, ranking
from services.auctions.domain.audit import begun, follow
from services.auctions.domain.autobid import Autobid
from services.auctions.domain.bids import place_bid
from services.auctions.domain.closing import NotOverYet, close
from services.auctions.domain.due import advance, due_at
from services.auctions.judging import JudgedBids, WaitingBid, judge
from services.auctions.store.auctions import StoredAuction
from tests.services.auctions.builders import CALENDAR, MOSCOW, NOON_UTC, a_bid, after, an_auction, rule

END = NOON_UTC + timedelta(hours=24)
SECOND, TICK = timedelta(seconds=1), timedelta(microseconds=1)
WINDOW = timedelta(minutes=5)
CAUSE = Cause("request", "request")


def judged(state: AuctionState, *asked: WaitingBid, now: datetime = END, standing: str = "active") -> JudgedBids:
    """Decide the bids as the lane decides a batch."""
    stored = StoredAuction(state=state, policy=MOSCOW, lines=1, head=b"opening", result=None, version=0)
    return judge(asked, {"auction": stored}, {}, {each.supplier_id: standing for each in asked}, now)


def asked(supplier_id: str, amount: str, at: datetime) -> WaitingBid:
    return WaitingBid("auction", supplier_id, f"{supplier_id} {amount} {at}", Decimal(amount), at, cause=CAUSE)


# A bid at the boundary that is answered and never published: one comparison accepts it, another refuses it as late.

BOUNDARIES = [
    *(NOON_UTC + offset for offset in (-TICK, timedelta(), TICK)),
    *(END - WINDOW + offset for offset in (-TICK, timedelta(), TICK)),
    *(END + offset for offset in (-SECOND, -TICK, timedelta(), TICK)),
]


@pytest.mark.parametrize("arrived_at", BOUNDARIES)
def test_a_boundary_bid_answered_and_never_published(arrived_at: datetime) -> None:
    bid = asked("a", "990", arrived_at)
    outcome = judged(an_auction(), bid)
    answer = outcome.answers[bid.bid_id]
    (written,) = outcome.written
    assert [(event_id, data) for event_id, _, _, data in written.outgoing] == [(bid.bid_id, answer.data)]
    assert msgspec.json.decode(answer.data, type=type(answer.verdict.event)) == answer.verdict.event
    accepted = NOON_UTC <= arrived_at < END
    assert (answer.verdict.accepted is not None) == accepted
    assert written.after.state.sequence == accepted and written.after.lines == 2


# A refused bid that extends the end.


@pytest.mark.parametrize(
    ("who", "amount", "standing", "broken"),
    [
        ("b", "990", "active", "not-lower"),
        ("b", "985", "active", "cut-below-step"),
        ("b", "979.5", "active", "cut-not-whole-steps"),
        ("b", "979.999", "active", "amount-too-fine"),
        ("b", "0", "active", "amount-not-positive"),
        ("b", "980", "suspended", "supplier-not-active"),
        ("a", "980", "active", "leader-cannot-underbid-itself"),
        ("school", "980", "active", "buyer-cannot-bid"),
    ],
)
def test_a_refused_bid_extending_the_end(who: str, amount: str, standing: str, broken: str) -> None:
    state = after(an_auction(), a_bid("a", "990"))
    bid = asked(who, amount, END - TICK)
    outcome = judged(state, bid, standing=standing)
    refused = outcome.answers[bid.bid_id].verdict.event
    assert isinstance(refused, BidRefused) and refused.refusal.rule == broken
    (written,) = outcome.written
    assert written.after.state == state
    assert written.after.due_at == END + SECOND


# Code that reads the original end instead of the effective one.


def test_code_reading_the_original_end() -> None:
    """Between the original and the effective end, everything that checks the end must let the auction run."""
    late = END - SECOND
    state = after(an_auction(), a_bid("a", "990", at=END - 10 * WINDOW), a_bid("b", "980", at=late))
    effective = late + WINDOW
    assert state.opened.closes_at == END and state.closes_at == effective
    between = END + timedelta(minutes=2)
    assert place_bid(state, a_bid("c", "970", at=between)).accepted
    assert rule(place_bid(state, a_bid("c", "970", at=effective))) == "auction-over"
    assert (state.over(between), state.over(effective)) == (False, True)
    assert due_at(state, {}) == effective + SECOND
    autobid.check(state, "a", Decimal(500), between)
    cut = autobid.due_cut(state, {"a": Autobid(Decimal(900), between)})
    assert cut is not None and cut.at == between
    with pytest.raises(NotOverYet):
        close(state, [], END + SECOND)
    rules = msgspec.structs.replace(MOSCOW.auction.withdrawal, minutes_before_end=1, window=None)
    assert remedies.withdraw(state, "No money.", between, rules=rules, calendar=CALENDAR).outcome == "withdrawn"
    lost = remedies.resume(state, END, between)
    assert lost is not None and lost.closes_at > effective
    again = after(state, a_bid("c", "970", at=effective - SECOND))
    assert again.closes_at == effective - SECOND + WINDOW, "the window, too, is before the effective end"


# Mixed scoring ranked by raw price.

WARRANTY = (Option(title="1 year", value=Decimal(0)), Option(title="5 years", value=Decimal("0.2")))
ENERGY = (Option(title="class A", value=Decimal(0)), Option(title="class G", value=Decimal(200)))


@pytest.mark.parametrize(
    ("by", "options", "cheap", "good"), [("quality", WARRANTY, 0, 1), ("life-cycle", ENERGY, 1, 0)]
)
def test_mixed_scoring_ranked_by_raw_price(by: str, options: tuple[Option, ...], cheap: int, good: int) -> None:
    """The more expensive bid with the better answer leads, moves last in each round, wins, and gets the award at its
    own price."""
    scoring = Scoring(by=by, criteria=(Criterion(criterion_id="c", title="C", options=options),))
    opened = msgspec.structs.replace(an_auction(policy=load("prozorro")).opened, scoring=scoring)
    state, audit, log = begin(opened), begun(opened), []
    for who, amount, choice in (("cheap", "850", cheap), ("good", "900", good)):
        verdict = place_bid(state, msgspec.structs.replace(a_bid(who, amount), choices=(choice,)))
        log.append(verdict)
        state = apply(state, verdict)
        audit = follow(audit, verdict.event, len(log))
    assert [who for who, _, _ in ranking(state)] == ["good", "cheap"]
    state, steps = advance(state, {}, state.closes_at + timedelta(hours=1), standings={}, new_id=lambda: "id")
    assert state.round is not None and state.round.order == (1, 2), "the worst, by score, moves first"
    for step in steps:
        audit = follow(audit, step, len(log))  # type: ignore[arg-type]
    (first, second), result = close(state, log, state.settles_at)
    assert [(each.supplier_id, each.rank, each.amount) for each in (first, second)] == [
        ("good", 1, 900),
        ("cheap", 2, 850),
    ]
    assert (result.winner_id, result.amount) == ("good", 900)
    assert sum(line.amount or 0 for line in result.lines) == 900
    assert follow(audit, result, 99).result == result


# Money that is a float somewhere.


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("990.10000000000000001", "990.10000000000000001"),  # a float would make 990.1 of it
        ("0.30000000000000004", "0.30000000000000004"),
        ("9007199254740993", "9007199254740993"),  # a float has no such number
        ("9.9e2", "990"),
        ("1e400", "1E+400"),  # a float would be infinite
        ('"989.99"', "989.99"),
    ],
)
def test_float_money_on_its_way_in(text: str, amount: str) -> None:
    """A JSON number is read and judged by its digits."""
    read = msgspec.json.decode(f'{{"amount": {text}}}', type=BidIn).amount
    assert isinstance(read, Decimal) and read == Decimal(amount)


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-Infinity", "true", "null", "[990]", '"0x3DE"', '"990,00"', '""'])
def test_float_money_that_is_no_number(text: str) -> None:
    with pytest.raises(msgspec.MsgspecError):
        msgspec.json.decode(f'{{"amount": {text}}}', type=BidIn)


@pytest.mark.parametrize(
    ("amount", "broken"),
    [
        ("990.10000000000000001", "amount-too-fine"),
        ("989.999", "amount-too-fine"),
        ("0.30000000000000004", "amount-too-fine"),
        ("1E-400", "amount-too-fine"),
        ("1E+400", "not-lower"),
        ("NaN", "amount-not-positive"),
        ("9.9E+2", None),
    ],
)
def test_float_money_in_a_verdict(amount: str, broken: str | None) -> None:
    verdict = place_bid(an_auction(), a_bid("a", amount))
    assert rule(verdict) == broken
    if isinstance(verdict.event, BidAccepted):
        assert msgspec.json.encode(verdict.event.amount) == b'"990.00"', (
            "an amount is written as a text, to the minor unit"
        )


def test_float_money_in_steps_that_do_not_add_up() -> None:
    """A thousand steps of 0.10 are 100.00, and each is exactly one step below the one before."""
    state = an_auction(step="0.10")
    for number in range(1000):
        price = state.price
        state = after(state, a_bid("ab"[number % 2], price - Decimal("0.10"), at=NOON_UTC + number * SECOND))
    assert state.price == Decimal("900.00")


# Results removed, or bids lost, by a service that starts late.


def test_results_wiped_after_a_late_start() -> None:
    """An auction that is closed days after its end has the result and the date of its end. Cuts that fell due meanwhile
    are made."""
    state = after(an_auction(), a_bid("a", "990", at=END - 3 * WINDOW), a_bid("b", "980", at=END - 2 * WINDOW))
    autobids = {"a": Autobid(Decimal(960), END - 3 * WINDOW), "b": Autobid(Decimal(950), END - 2 * WINDOW)}

    def end(now: datetime) -> tuple[AuctionState, AuctionClosed]:
        then, steps = advance(state, autobids, now, standings=dict.fromkeys("ab", "active"), new_id=lambda: "id")
        log = [Verdict(a_bid(who, amount), event) for who, amount, event in _accepted(state, steps)]
        return then, close(then, log, now)[1]

    in_time, days_later = end(END + WINDOW), end(END + timedelta(days=3))
    assert in_time == days_later
    assert (in_time[1].winner_id, in_time[1].amount, in_time[1].bids) == ("b", Decimal("960.00"), 4)


def _accepted(state: AuctionState, steps: list[object]) -> list[tuple[str, Decimal, BidAccepted]]:
    before = [
        ("a", Decimal(990), 1),
        ("b", Decimal(980), 2),
    ]
    told = [
        (
            who,
            amount,
            BidAccepted(
                auction_id="auction",
                sequence=sequence,
                participant=sequence,
                amount=amount,
                arrived_at=NOON_UTC,
                closes_at=END,
                extended=False,
            ),
        )
        for who, amount, sequence in before
    ]
    for step in steps:
        if isinstance(step, Verdict) and step.accepted:
            told.append((step.bid.supplier_id, step.bid.amount, step.accepted))
    return told


# Last-second bids lost to latency.


@pytest.mark.parametrize("latency", [timedelta(), timedelta(milliseconds=400), timedelta(milliseconds=999)])
def test_last_second_bids_lost_to_latency(latency: timedelta) -> None:
    """The bid arrived before the end and is decided after it, within the settle window. The close waits for it, and it
    counts."""
    state = an_auction()
    with pytest.raises(NotOverYet):
        close(state, [], END + latency)
    bid = asked("a", "990", END - TICK)
    outcome = judged(state, bid, now=END + latency)
    accepted = outcome.answers[bid.bid_id].verdict.accepted
    assert accepted and accepted.closes_at == END - TICK + WINDOW
