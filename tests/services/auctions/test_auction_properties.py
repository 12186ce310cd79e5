"""Whatever bids arrive, in any order and repeated: there is one winner, the lowest accepted bid, and the log alone
gives the state."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from events.auctions import BidDisclosed
from services.auctions.domain.auction import AuctionState, Bid, Verdict, apply, ranking, replay
from services.auctions.domain.bids import Decided, decide, place_bid
from services.auctions.domain.closing import close
from tests.services.auctions.builders import NOON_UTC, a_bid, a_line, an_auction

END = NOON_UTC + timedelta(hours=24)

starts = st.builds(
    lambda prices, step: an_auction(
        tuple(a_line(str(number), "7", str(price)) for number, price in enumerate(prices)), step=str(step)
    ),
    st.lists(st.integers(1, 400), min_size=1, max_size=3),
    st.sampled_from([Decimal("0.50"), Decimal(1), Decimal(7)]),
)
wishes = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "c", "d", "school"]),
        st.integers(-1, 4),  # steps below the price it sees
        st.sampled_from(["0", "0", "0", "0.25"]),  # and amounts that are not whole steps
        st.integers(-400, 900),  # seconds after the first end
        st.sampled_from(["active", "active", "active", "suspended"]),
    ),
    max_size=30,
)


def bids_of(start: AuctionState, drawn: list[tuple[str, int, str, int, str]]) -> list[Bid]:
    """Return bids as suppliers that follow the price would send them, sorted by arrival or not, as drawn."""
    bids, price = [], start.price
    for number, (supplier, steps, off, seconds, standing) in enumerate(drawn):
        amount = price - start.opened.step * steps - Decimal(off)
        bids.append(a_bid(supplier, amount, at=END + timedelta(seconds=seconds), key=f"k{number}", standing=standing))
        price = min(price, amount) if amount > 0 else price
    return bids


class Service:
    """What the service does around the domain: a log of verdicts by key, batches, and restarts that replay the log."""

    def __init__(self, start: AuctionState) -> None:
        self.start, self.state = start, start
        self.log: dict[tuple[str, str], Verdict] = {}

    def receive(self, batch: list[Bid]) -> Decided:
        decided = decide(self.state, batch, {bid.key: self.log[bid.key] for bid in batch if bid.key in self.log})
        self.state = decided.state
        self.log |= {verdict.bid.key: verdict for verdict in decided.new}
        return decided

    def restart(self) -> None:
        self.state = replay(self.start.opened, self.log.values())


@given(starts, wishes, st.data())
def test_bids_repeats_reorderings_and_restarts_give_one_winner_the_lowest_accepted(
    start: AuctionState, drawn: list[tuple[str, int, str, int, str]], data: st.DataObject
) -> None:
    bids = bids_of(start, drawn)
    sent = data.draw(
        st.permutations(bids + data.draw(st.lists(st.sampled_from(bids), max_size=8) if bids else st.just([])))
    )
    service = Service(start)
    answered: dict[tuple[str, str], Verdict] = {}
    while sent:
        size = data.draw(st.integers(1, 7))
        batch, sent = sent[:size], sent[size:]
        for bid, verdict in zip(batch, service.receive(batch).answers, strict=True):
            assert answered.setdefault(bid.key, verdict) == verdict
        if data.draw(st.booleans()):
            service.restart()

    log = list(service.log.values())
    assert Counter(verdict.bid.key for verdict in log) == Counter({bid.key for bid in bids})
    accepted = [event for verdict in log if (event := verdict.accepted)]
    assert [event.sequence for event in accepted] == list(range(1, len(accepted) + 1))
    ranking, closed = close(service.state, log, service.state.settles_at)
    assert closed.amount == min((event.amount for event in accepted), default=None)
    winners = {
        verdict.bid.supplier_id for verdict in log if verdict.accepted and verdict.accepted.amount == closed.amount
    }
    assert winners == ({closed.winner_id} if accepted else set())
    for event in (*ranking, *([closed] if accepted else [])):
        assert sum(line.amount or 0 for line in event.lines) == event.amount
    assert [event.rank for event in ranking if isinstance(event, BidDisclosed)] == list(range(1, len(ranking) + 1))


@given(starts, wishes)
def test_every_step_holds_the_invariants_and_the_log_replays(
    start: AuctionState, drawn: list[tuple[str, int, str, int, str]]
) -> None:
    state, log = start, []
    for bid in bids_of(start, drawn):
        verdict = place_bid(state, bid)
        now = apply(state, verdict)
        if verdict.accepted is None:
            assert now == state
        else:
            assert bid.supplier_id not in {state.leader_id, state.opened.buyer_id} and bid.standing == "active"
            assert 0 < now.price <= state.price - state.opened.step
            assert bid.arrived_at < state.closes_at
            assert now.closes_at >= state.closes_at or now.price <= now.floor
            assert verdict.accepted.extended == (now.closes_at > state.closes_at)
        assert [who for who, _, _ in ranking(now)][:1] == ([now.leader_id] if now.leader_id else [])
        state = now
        log.append(verdict)
    assert replay(start.opened, log) == state
    assert decide(start, [verdict.bid for verdict in log], {}).new == log
