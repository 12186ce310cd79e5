"""The verdict on each bid: accepted with a sequence number, or refused with the rule named.

Order and time. The order of decision makes the sequence: the service decides bids in the order in which they arrived, and
where two processes let a bid pass an earlier one, the one decided first is the first. Arrival is judged against one thing
only: the effective end as it stands at the decision. So a bid that arrived before the end and is decided after it (the close
waits the settle window for it) is as good as any, and no later fact ever changes a verdict.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from catalogue.money import minor_units, round_money
from catalogue.rules import RuleBroken
from events.auctions import BidAccepted, BidRefused
from events.values import Refusal
from services.auctions.domain.auction import AuctionState, Bid, Verdict, apply


class AuctionNotOpenYet(RuleBroken):
    code = "auction-not-open-yet"


class AuctionOver(RuleBroken):
    code = "auction-over"


class BuyerCannotBid(RuleBroken):
    code = "buyer-cannot-bid"


class SupplierNotActive(RuleBroken):
    code = "supplier-not-active"


class LeaderCannotUnderbidItself(RuleBroken):
    code = "leader-cannot-underbid-itself"


class AmountNotPositive(RuleBroken):
    code = "amount-not-positive"


class AmountTooFine(RuleBroken):
    """More decimals than the currency's minor unit has."""

    code = "amount-too-fine"


class NotLower(RuleBroken):
    code = "not-lower"


class CutBelowStep(RuleBroken):
    code = "cut-below-step"


class CutNotWholeSteps(RuleBroken):
    code = "cut-not-whole-steps"


@dataclass(frozen=True, slots=True)
class Decided:
    """``answers`` has one verdict for each bid asked about, in order; ``new`` those among them that must be stored."""

    state: AuctionState
    answers: list[Verdict]
    new: list[Verdict]


def decide(state: AuctionState, bids: Iterable[Bid], known: Mapping[tuple[str, str], Verdict]) -> Decided:
    """Decide a micro-batch of one auction's bids in the order given, each exactly once.

    ``known`` are the stored verdicts of this auction by ``Bid.key``, at least those whose keys occur in ``bids``. A bid sent
    again is answered with its first verdict, which names its own amount, even where the repeat asks for another.
    """
    first = dict(known)
    answers: list[Verdict] = []
    new: list[Verdict] = []
    for bid in bids:
        verdict = first.get(bid.key)
        if verdict is None:
            verdict = first[bid.key] = place_bid(state, bid)
            state = apply(state, verdict)
            new.append(verdict)
        answers.append(verdict)
    return Decided(state, answers, new)


def place_bid(state: AuctionState, bid: Bid) -> Verdict:
    """The verdict on a bid not seen before. Never raises: a refusal is a fact too."""
    participant = state.participants.get(bid.supplier_id)
    try:
        amount = _allowed(state, bid)
    except RuleBroken as broken:
        refused = BidRefused(
            auction_id=state.opened.auction_id,
            participant=participant,
            amount=bid.amount,
            arrived_at=bid.arrived_at,
            refusal=Refusal.of(broken),
        )
        return Verdict(bid, refused)
    closes_at = _end_after(state, amount, bid.arrived_at)
    accepted = BidAccepted(
        auction_id=state.opened.auction_id,
        sequence=state.sequence + 1,
        participant=participant or len(state.participants) + 1,
        amount=amount,
        arrived_at=bid.arrived_at,
        closes_at=closes_at,
        extended=closes_at > state.closes_at,
    )
    return Verdict(bid, accepted)


def next_bid(state: AuctionState) -> Decimal | None:
    """The highest amount that would be accepted now from a rival of the leader; None when none would be."""
    return next(iter(ladder(state, 1)), None)


def ladder(state: AuctionState, rungs: int) -> tuple[Decimal, ...]:
    """The next amounts that would be accepted, highest first: at most ``rungs``, fewer near zero, none at the floor."""
    if state.closed or state.price <= state.floor:
        return ()
    amounts = (state.price - state.opened.step * steps for steps in range(1, rungs + 1))
    return tuple(amount for amount in amounts if amount > 0)


def _allowed(state: AuctionState, bid: Bid) -> Decimal:
    """The amount, written to the minor unit. Raises the first rule the bid breaks, who and when before how much."""
    opened, arrived_at = state.opened, bid.arrived_at
    if arrived_at < opened.opens_at:
        raise AuctionNotOpenYet(
            f"Bidding opens at {_clock(opened.opens_at)}; the bid arrived at {_clock(arrived_at)}.",
            opens_at=opened.opens_at,
            arrived_at=arrived_at,
        )
    if state.over(arrived_at):
        raise AuctionOver(
            f"The session ended at {_clock(state.closes_at)}; the bid arrived at {_clock(arrived_at)}.",
            closes_at=state.closes_at,
            arrived_at=arrived_at,
            price=state.price,
        )
    if bid.supplier_id == opened.buyer_id:
        raise BuyerCannotBid("The buyer cannot bid in its own session.", buyer=opened.buyer_id)
    if bid.standing != "active":
        raise SupplierNotActive(f"Only an active supplier bids; this one is {bid.standing}.", standing=bid.standing)
    if bid.supplier_id == state.leader_id:
        raise LeaderCannotUnderbidItself(
            f"The price of {_money(state.price, opened.currency)} is your own: you lead, and cannot underbid yourself.",
            field="amount",
            price=state.price,
            sequence=state.sequence,
        )
    return _lower_by_steps(state, bid.amount)


def _lower_by_steps(state: AuctionState, amount: Decimal) -> Decimal:
    """The order of the checks keeps the arithmetic exact: what passes is finite, no longer than the price, no finer."""
    currency, price, step = state.opened.currency, state.price, state.opened.step
    if not amount.is_finite() or amount <= 0:
        raise AmountNotPositive(f"A bid is an amount above zero, not {amount}.", field="amount", amount=amount)
    if amount >= price:
        raise NotLower(
            f"A bid must be lower than the price now, {_money(price, currency)}.",
            field="amount",
            amount=amount,
            price=price,
            step=step,
        )
    exponent = amount.as_tuple().exponent
    if isinstance(exponent, int) and -exponent > minor_units(currency):
        raise AmountTooFine(
            f"Amounts in {currency} have at most {minor_units(currency)} decimals; this one has {-exponent}.",
            field="amount",
            amount=amount,
            decimals=minor_units(currency),
        )
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
    if cut % step:
        raise CutNotWholeSteps(
            f"A bid must be whole steps of {_money(step, currency)} below {_money(price, currency)}; {cut:f} is not.",
            field="amount",
            amount=amount,
            price=price,
            step=step,
            cut=cut,
        )
    return round_money(amount, currency)


def _end_after(state: AuctionState, amount: Decimal, arrived_at: datetime) -> datetime:
    """The effective end once the bid is accepted: at the floor it is over with the bid; late, it moves; else it stays."""
    if amount <= state.floor:
        return arrived_at
    if state.closes_at - arrived_at < timedelta(seconds=state.rules.extension_window_seconds):
        return arrived_at + timedelta(seconds=state.rules.extension_seconds)
    return state.closes_at


def _money(amount: Decimal, currency: str) -> str:
    return f"{amount:,f} {currency}"


def _clock(instant: datetime) -> str:
    return f"{instant:%Y-%m-%d %H:%M:%S.%f}"[:-3] + " UTC"
