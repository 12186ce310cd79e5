"""Rounds of turns: after sealed first bids everybody may bid once in each round, the worst bid first (Prozorro).

The timetable follows from the beginning of the first round and the number of bidders. Bids of a turn become public when
it ends. A turn begins after the end of the former turn is in the log, so the log shows whose turn it was.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from events.auctions import RoundBegan, TurnEnded
from services.auctions.domain.auction import AuctionState, ranking


@dataclass(frozen=True, slots=True)
class Turn:
    """``number`` is the number of the participant whose turn it is."""

    number: int
    begins_at: datetime
    ends_at: datetime


def turn_of(state: AuctionState) -> Turn | None:
    """Return the turn that runs or comes next in this round; None between rounds and before them."""
    running = state.round
    if running is None or running.ended >= len(running.order):
        return None
    length = timedelta(seconds=state.rules.turn_seconds)
    begins_at = running.begins_at + length * running.ended
    return Turn(running.order[running.ended], begins_at, begins_at + length)


def next_round(state: AuctionState) -> RoundBegan | None:
    """Return the next round; None after the last round, and if fewer than two take part."""
    pauses = state.rules.pauses_seconds
    done = state.round.number if state.round else 0
    order = tuple(participant.number for _, participant, _ in reversed(ranking(state)))
    if done >= len(pauses) or len(order) < 2:
        return None
    length = timedelta(seconds=state.rules.turn_seconds) * len(order)
    ended_at = state.round.begins_at + length if state.round else state.closes_at
    later = len(pauses) - done - 1
    begins_at = ended_at + timedelta(seconds=pauses[done])
    closes_at = begins_at + length * (later + 1) + timedelta(seconds=sum(pauses[done + 1 :]))
    return RoundBegan(
        auction_id=state.opened.auction_id,
        number=done + 1,
        order=order,
        begins_at=begins_at,
        closes_at=closes_at,
    )


@dataclass(frozen=True, slots=True)
class Planned:
    """A round of the timetable. ``turns`` is empty while the order is unknown; ``ends_at`` is None while the number of
    bidders is unknown."""

    number: int
    begins_at: datetime
    ends_at: datetime | None
    turns: tuple[Turn, ...] = ()


def timetable(state: AuctionState) -> tuple[Planned, ...]:
    """Return the running round and those to come, as far as the public can know them."""
    pauses = state.rules.pauses_seconds
    running = state.round
    if running is None:
        return tuple(Planned(1, state.closes_at + timedelta(seconds=pauses[0]), None) for _ in pauses[:1])
    length = timedelta(seconds=state.rules.turn_seconds)
    planned = []
    begins_at = running.begins_at
    for number in range(running.number, len(pauses) + 1):
        ends_at = begins_at + length * len(running.order)
        turns = tuple(
            Turn(participant, begins_at + length * place, begins_at + length * (place + 1))
            for place, participant in enumerate(running.order)
        )
        planned.append(Planned(number, begins_at, ends_at, turns if number == running.number else ()))
        if number < len(pauses):
            begins_at = ends_at + timedelta(seconds=pauses[number])
    return tuple(planned)


def due_at(state: AuctionState) -> datetime:
    """Return when something becomes due next in an auction with rounds, with the settle window."""
    turn = turn_of(state)
    ends_at = turn.ends_at if turn else state.closes_at
    if turn is None and state.round is not None and state.round.number < len(state.rules.pauses_seconds):
        ends_at = state.round.begins_at + timedelta(seconds=state.rules.turn_seconds) * len(state.round.order)
    return ends_at + timedelta(seconds=state.rules.settle_seconds)


def advance(state: AuctionState, now: datetime) -> TurnEnded | RoundBegan | None:
    """Return the next fact that is due, or None if nothing is due or only the close is left."""
    if now < due_at(state):
        return None
    turn = turn_of(state)
    if turn is None or state.round is None:
        return next_round(state)
    return TurnEnded(
        auction_id=state.opened.auction_id,
        number=state.round.number,
        participant=turn.number,
        ended_at=turn.ends_at,
    )
