"""What becomes due in an auction: automatic cuts, rounds and turns, the restart, the close. One function says when, one
says what."""

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
    """Return when something becomes due next, with the settle window; None after the close."""
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
    """Return everything that is due by ``now`` except the close, in order, and the state after it.

    ``standings`` are the states of the organisations with autobids. If a cut is refused (its supplier was suspended
    meanwhile), its autobid is switched off, and the caller must store that: such a verdict has ``bid.automatic`` and no
    acceptance.
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
            # a key that no request had and nobody can guess, even if two cuts are refused at one price
            request_key=f"automatic/{bid_id}",
            amount=cut.amount,
            arrived_at=cut.at,
            standing=standings.get(cut.supplier_id, "unknown"),
            automatic=True,
        )
        return place_bid(state, bid)
    return restart(state, now)


def restart(state: AuctionState, now: datetime) -> AuctionExtended | None:
    """Return the restart, or None. An auction restarts once, if it would close while the second bid is far enough from
    the first (pregao)."""
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
