"""What the clock does in a session: automatic cuts, rounds and turns, the restart, the close. One function says when, one what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from fractions import Fraction

from events.auctions import AuctionExtended, RoundBegan, TurnEnded
from services.auctions.domain import rounds
from services.auctions.domain.auction import AuctionState, Bid, Verdict, apply, ranking
from services.auctions.domain.autobid import Autobid, due_cut
from services.auctions.domain.bids import place_bid

Step = Verdict | RoundBegan | TurnEnded | AuctionExtended


def due_at(state: AuctionState, autobids: Mapping[str, Autobid]) -> datetime | None:
    """When the clock has something to do next, the settle window included; None after the close."""
    if state.closed:
        return None
    if state.rules.pauses_seconds:
        return rounds.due_at(state)
    cut = due_cut(state, autobids)
    return min(cut.at, state.settles_at) if cut else state.settles_at


def advance(
    state: AuctionState,
    autobids: Mapping[str, Autobid],
    now: datetime,
    *,
    standings: Mapping[str, str],
    new_id: Callable[[], str],
) -> tuple[AuctionState, list[Step]]:
    """Everything due by ``now`` but the close itself, in order, and the state after it.

    ``standings`` are the autobidders' organisation states. A cut that is refused (a supplier suspended meanwhile) switches its
    autobid off for the caller to store: it is the verdict's ``bid.automatic`` with no acceptance.
    """
    steps: list[Step] = []
    waiting = dict(autobids)
    while not state.closed:
        step = _next(state, waiting, now, standings, new_id)
        if step is None:
            break
        if isinstance(step, Verdict) and step.accepted is None:
            del waiting[step.bid.supplier_id]
        steps.append(step)
        state = apply(state, step)
    return state, steps


def _next(
    state: AuctionState,
    autobids: Mapping[str, Autobid],
    now: datetime,
    standings: Mapping[str, str],
    new_id: Callable[[], str],
) -> Step | None:
    if state.rules.pauses_seconds:
        return rounds.advance(state, now)
    cut = due_cut(state, autobids)
    if cut is not None and cut.at <= now:
        bid_id = new_id()
        bid = Bid(
            bid_id=bid_id,
            supplier_id=cut.supplier_id,
            request_key=f"automatic/{bid_id}",  # nobody's request had it: two that are refused at one price, and whoever guesses
            amount=cut.amount,
            arrived_at=cut.at,
            standing=standings.get(cut.supplier_id, "unknown"),
            automatic=True,
        )
        return place_bid(state, bid)
    return restart(state, now)


def restart(state: AuctionState, now: datetime) -> AuctionExtended | None:
    """Once, when the session would close and the second is so far from the first (pregao)."""
    gap = state.rules.restart_gap_percent
    if gap is None or state.restarted or now < state.settles_at:
        return None
    places = ranking(state)
    if len(places) < 2:
        return None
    first, second = places[0][2].amount, places[1][2].amount
    if Fraction(second - first) / Fraction(first) * 100 < gap:
        return None
    return AuctionExtended(
        auction_id=state.opened.auction_id,
        reason="restart",
        since=state.closes_at,
        until=now,
        closes_at=now + timedelta(seconds=state.rules.restart_seconds),
    )
