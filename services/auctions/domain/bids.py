"""The verdict on each bid: accepted with a sequence number, or refused with the name of the rule.

Order and time: the order of decision makes the sequence. The service decides bids in the order in which they arrived.
If two processes decide bids in another order, the bid that is decided first is the first. The arrival is compared only
with the effective end at the time of the decision. So a bid that arrived before the end and is decided after it counts
in full (the close waits the settle window for it), and no later fact ever changes a verdict.

A policy varies three things: what a bid must undercut (the price, or the bidder's own last bid), whether by whole
steps, and whether everybody bids at any time or in turns (``rounds``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from catalogue.money import minor_units, round_money
from catalogue.numbers import written_out
from catalogue.rules import RuleBroken, SupplierNotActive
from events.auctions import AuctionClosed, BidAccepted, BidRefused
from events.values import Refusal
from services.auctions.domain.auction import AuctionState, Bid, Offered, Verdict, apply
from services.auctions.domain.closing import AuctionCancelled, AuctionWithdrawn
from services.auctions.domain.rounds import timetable, turn_of
from services.auctions.domain.scoring import complete, score

BUYER = "buyer"
"""The standing of a bid that the buyer itself sent. The public log names it like this."""


class AuctionNotOpenYet(RuleBroken):
    code = "auction-not-open-yet"


class AuctionOver(RuleBroken):
    code = "auction-over"


class BuyerCannotBid(RuleBroken):
    code = "buyer-cannot-bid"


class NotYourTurn(RuleBroken):
    code = "not-your-turn"


class NoFirstBid(RuleBroken):
    """Only bidders that sent a sealed first bid get turns."""

    code = "no-first-bid"


class LeaderCannotUnderbidItself(RuleBroken):
    code = "leader-cannot-underbid-itself"


class AmountNotPositive(RuleBroken):
    code = "amount-not-positive"


class AmountTooFine(RuleBroken):
    """The amount has more decimals than the currency's minor unit."""

    code = "amount-too-fine"


class NotLower(RuleBroken):
    code = "not-lower"


class AboveInitialPrice(RuleBroken):
    """A bidder's first bid is above the initial price, where each bidder undercuts its own last bid."""

    code = "above-initial-price"


WRITTEN_AS = {AboveInitialPrice.code: NotLower.code}
"""The codes of refusals that logs still have by their former code, because the former release, with which people verify logs too,
does not know the new one. The next release can write the new code."""


class CutBelowStep(RuleBroken):
    code = "cut-below-step"


class CutNotWholeSteps(RuleBroken):
    code = "cut-not-whole-steps"


class Decided(msgspec.Struct, frozen=True):
    """``answers`` has one verdict for each of the bids, in order; it is None if another bid has the same key. ``new``
    are the verdicts that must be stored."""

    state: AuctionState
    answers: list[Verdict | None]
    new: list[Verdict]


def decide(state: AuctionState, bids: Iterable[Bid], known: Mapping[tuple[str, str], Verdict]) -> Decided:
    """Decide a micro-batch of one auction's bids in the given order, each exactly once.

    ``known`` are the stored verdicts of this auction by ``Bid.key``, at least those whose keys occur in ``bids``. A bid
    that is sent again is answered with its first verdict. Another bid under the same key, with another amount or other
    choices, gets none.
    """
    first = dict(known)
    answers: list[Verdict | None] = []
    new: list[Verdict] = []
    for bid in bids:
        verdict = first.get(bid.key)
        if verdict is None:
            verdict = first[bid.key] = place_bid(state, bid)
            state = apply(state, verdict)
            new.append(verdict)
        answers.append(verdict if verdict.bid.wants_the_same(bid) else None)
    return Decided(state, answers, new)


def place_bid(state: AuctionState, bid: Bid) -> Verdict:
    """Return the verdict on a new bid. This never raises: a refusal is a fact too."""
    number = state.number_of(bid.supplier_id)
    try:
        amount = _allowed(state, bid)
    except RuleBroken as broken:
        refused = BidRefused(
            auction_id=state.opened.auction_id,
            participant=number,
            amount=bid.amount,
            arrived_at=bid.arrived_at,
            refusal=_written(Refusal.of(broken)),
            choices=bid.choices,
            standing=BUYER if bid.supplier_id == state.opened.buyer_id else bid.standing,
        )
        return Verdict(bid, refused)
    closes_at = _end_after(state, amount, bid.arrived_at)
    accepted = BidAccepted(
        auction_id=state.opened.auction_id,
        sequence=state.sequence + 1,
        participant=number or len(state.participants) + 1,
        amount=amount,
        arrived_at=bid.arrived_at,
        closes_at=closes_at,
        extended=closes_at > state.closes_at,
        choices=bid.choices,
        score=str(score(state.opened.scoring, amount, bid.choices)) if bid.choices else "",
    )
    return Verdict(bid, accepted)


def _written(refusal: Refusal) -> Refusal:
    return msgspec.structs.replace(refusal, rule=WRITTEN_AS.get(refusal.rule, refusal.rule))


def next_bid(state: AuctionState) -> Decimal | None:
    """Return the highest amount that would be accepted now from a rival of the leader, or None if no amount would."""
    return next(iter(ladder(state, 1)), None)


def ladder(
    state: AuctionState, rungs: int, supplier_id: str | None = None, below: Decimal | None = None
) -> tuple[Decimal, ...]:
    """Return the next amounts that would be accepted from the supplier, the highest first: at most ``rungs``, fewer
    near zero, none at the floor. Without a supplier: the amounts that would take the lead. None is above ``below``.

    The supplier's turn, standing and lead are not checked.
    """
    if state.closed or state.price <= state.floor:
        return ()
    step = state.opened.step
    highest = _highest(state, supplier_id) if supplier_id else state.price - step if state.leader_id else None
    if highest is None:
        highest = state.opened.initial_price - (step if state.rules.improve_on == "price" else 0)
    found: list[Decimal] = []
    amount = highest if below is None else min(highest, below)
    while len(found) < rungs and amount > 0:
        if _clear_of_the_price(state, amount):
            found.append(amount)
        amount -= step
    return tuple(found)


def _clear_of_the_price(state: AuctionState, amount: Decimal) -> bool:
    """Return whether the amount keeps the required distance from the price. In continuous auctions a bid below the
    price must be a step below it; a bid that improves on the bidder's own bid may stay above the price."""
    free = bool(state.rules.pauses_seconds) or state.leader_id is None or amount >= state.price
    return free or state.price - amount >= state.opened.step


def _highest(state: AuctionState, supplier_id: str) -> Decimal:
    """Return the highest amount that the supplier may bid: a step below what it must undercut, or the initial price for
    a first bid."""
    step, initial = state.opened.step, state.opened.initial_price
    if state.rules.improve_on == "price":
        return state.price - step
    own = _own(state, supplier_id)
    return initial if own is None else own.amount - step


def _own(state: AuctionState, supplier_id: str) -> Offered | None:
    """Return the bid that the supplier's next bid must undercut, or None. In a turn it is the bid before the turn,
    because only the last of several bids in a turn counts. Sealed first bids may change freely."""
    if state.shown is None:
        return state.last_of(supplier_id)
    shown = state.shown.get(supplier_id)
    return shown.last if shown else None


def _allowed(state: AuctionState, bid: Bid) -> Decimal:
    """Return the amount, written to the minor unit. Raise the first rule that the bid breaks: identity and time are
    checked before the amount."""
    opened, arrived_at = state.opened, bid.arrived_at
    if state.stopped is not None:
        raise _stopped(state.stopped, arrived_at)
    if arrived_at < opened.opens_at:
        raise AuctionNotOpenYet(
            f"Bidding opens at {_clock(opened.opens_at)}; the bid arrived at {_clock(arrived_at)}.",
            opens_at=opened.opens_at,
            arrived_at=arrived_at,
        )
    if state.over(arrived_at):
        raise AuctionOver(
            f"The mini-auction ended at {_clock(state.closes_at)}; the bid arrived at {_clock(arrived_at)}.",
            closes_at=state.closes_at,
            arrived_at=arrived_at,
            price=state.price,
        )
    if bid.supplier_id == opened.buyer_id or bid.standing == BUYER:
        raise BuyerCannotBid("The buyer cannot bid in its own mini-auction.", buyer=opened.buyer_id)
    if bid.standing != "active":
        raise SupplierNotActive(f"Only an active supplier can bid; this one is {bid.standing}.", standing=bid.standing)
    if state.rules.pauses_seconds:
        _in_turn(state, bid)
    elif state.rules.improve_on == "price" and bid.supplier_id == state.leader_id:
        raise LeaderCannotUnderbidItself(
            f"The price of {_money(state.price, opened.currency)} is your own: you lead, and cannot underbid yourself.",
            field="amount",
            price=state.price,
            sequence=state.sequence,
        )
    if opened.scoring.criteria or bid.choices:
        complete(opened.scoring, bid.choices)
    return _low_enough(state, bid)


def _stopped(close: AuctionClosed, arrived_at: datetime) -> RuleBroken:
    if close.outcome == "withdrawn":
        return AuctionWithdrawn(
            f"The buyer withdrew the mini-auction at {_clock(close.closed_at)}; the bid arrived at {_clock(arrived_at)}.",
            closed_at=close.closed_at,
            arrived_at=arrived_at,
        )
    return AuctionCancelled(
        f"A moderator cancelled the mini-auction at {_clock(close.closed_at)}; the bid arrived at {_clock(arrived_at)}.",
        closed_at=close.closed_at,
        arrived_at=arrived_at,
    )


def _in_turn(state: AuctionState, bid: Bid) -> None:
    """Check the turn. Before the rounds everybody may send a first bid; after that it is one participant's turn, or a
    pause."""
    running = state.round
    if running is None:
        return
    number = state.number_of(bid.supplier_id)
    if number is None:
        raise NoFirstBid("Only suppliers that sent a first bid before the rounds began get turns.")
    turn = turn_of(state)
    if turn is None or turn.number != number or not turn.begins_at <= bid.arrived_at < turn.ends_at:
        own = next(each for each in timetable(state)[0].turns if each.number == number)
        raise NotYourTurn(
            f"Your turn in round {running.number} is from {_clock(own.begins_at)} to {_clock(own.ends_at)};"
            f" the bid arrived at {_clock(bid.arrived_at)}.",
            round=running.number,
            begins_at=own.begins_at,
            ends_at=own.ends_at,
            arrived_at=bid.arrived_at,
        )


def _low_enough(state: AuctionState, bid: Bid) -> Decimal:
    """Check the amount and return it. The order of the checks keeps the arithmetic exact: an amount that passes is
    finite and has no more digits than the price."""
    currency, amount = state.opened.currency, bid.amount
    if not amount.is_finite() or amount <= 0:
        raise AmountNotPositive(f"A bid must be above zero, not {amount}.", field="amount", amount=amount)
    if state.rules.improve_on == "price":
        _undercut(state, amount, state.price, "the price now")
    else:
        own = _own(state, bid.supplier_id)
        if own is not None:
            _undercut(state, amount, own.amount, "your own last bid")
        elif amount > state.opened.initial_price:
            raise AboveInitialPrice(
                f"A first bid must be at most the initial price, {_money(state.opened.initial_price, currency)}.",
                field="amount",
                amount=amount,
                price=state.opened.initial_price,
            )
        _fine(amount, currency)
        if not state.rules.pauses_seconds and state.leader_id is not None and amount < state.price:
            _undercut(state, amount, state.price, "the price now")
    return round_money(amount, currency)


def _undercut(state: AuctionState, amount: Decimal, price: Decimal, what: str) -> None:
    currency, step = state.opened.currency, state.opened.step
    if amount >= price:
        raise NotLower(
            f"A bid must be lower than {what}, {_money(price, currency)}.",
            field="amount",
            amount=amount,
            price=price,
            step=step,
        )
    _fine(amount, currency)
    cut = price - amount
    if cut < step:
        raise CutBelowStep(
            f"A bid must be at least one step of {_money(step, currency)} below {_money(price, currency)}.",
            field="amount",
            amount=amount,
            price=price,
            step=step,
            cut=cut,
        )
    if state.rules.whole_steps and cut % step:
        raise CutNotWholeSteps(
            f"A bid must be whole steps of {_money(step, currency)} below {_money(price, currency)}; {written_out(cut)} is not.",
            field="amount",
            amount=amount,
            price=price,
            step=step,
            cut=cut,
        )


def _fine(amount: Decimal, currency: str) -> None:
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > minor_units(currency):
        raise AmountTooFine(
            f"Amounts in {currency} may have at most {minor_units(currency)} decimals; this one has {-exponent}.",
            field="amount",
            amount=amount,
            decimals=minor_units(currency),
        )


def _end_after(state: AuctionState, amount: Decimal, arrived_at: datetime) -> datetime:
    """Return the effective end after the bid is accepted. At the floor the auction ends with the bid; a late bid moves
    the end; otherwise it stays."""
    if amount <= state.floor:
        return arrived_at
    if state.closes_at - arrived_at < timedelta(seconds=state.rules.extension_window_seconds):
        return arrived_at + timedelta(seconds=state.rules.extension_seconds)
    return state.closes_at


def _money(amount: Decimal, currency: str) -> str:
    return f"{amount:,f} {currency}"


def _clock(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"
