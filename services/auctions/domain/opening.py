"""Whether this mini-auction may be opened, and as what: lines, ceilings, the reference price, steps.

See :mod:`catalogue.durations` for durations and hours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

import msgspec

from catalogue.calendar import RegionCalendar
from catalogue.durations import end_of
from catalogue.money import minor_step, round_money
from catalogue.openings import require_terms, require_under_ceiling, require_under_references
from catalogue.policy import AuctionRules, Duration, Policy, text_of
from catalogue.references import ReferencePrice
from catalogue.rules import (
    AnyOf,
    BuyerNotActive,
    LineIdRepeated,
    LineNotComplete,
    LineQuantityNotPositive,
    LinesMissing,
    PriceAbsurd,
    PriceNotPositive,
    QuantityAbsurd,
    RuleBroken,
    Several,
)
from events.auctions import AuctionOpened, OpeningRules, Scoring
from events.values import Category, Line, Place
from services.auctions.domain.scoring import check as check_scoring

BY_PRICE = Scoring()
_ABSURD = Decimal(10**12)  # a bound that keeps the arithmetic exact; every ceiling is far below it


class AuctionWithoutLines(LinesMissing):
    def __init__(self) -> None:
        super().__init__("A mini-auction needs at least one line.", field="lines")


class InitialPriceTooLow(RuleBroken):
    """The price is so low that no bid could follow."""

    code = "initial-price-too-low"


class OpensInThePast(RuleBroken):
    code = "opens-in-the-past"


class TooManyOpen(RuleBroken):
    code = "too-many-auctions-open"


class StepNotOffered(RuleBroken):
    code = "step-not-offered"


class ScoringNotOffered(RuleBroken):
    code = "scoring-not-offered"


class EquivalentsNotAllowed(RuleBroken):
    """The policy allows no equivalents."""

    code = "equivalents-not-allowed"


class TooFewLines(RuleBroken):
    """Equivalents need an auction with more lines."""

    code = "too-few-lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenAuction:
    """A buyer, or a pool in its lead's name, asks for a mini-auction.

    ``lines`` have quantity and unit price (the price of one unit of the quantity); their amounts are computed here.
    ``standing`` is the state of the buyer's organisation. ``opens_at`` None means at once.
    """

    auction_id: str
    buyer_id: str
    buyer_name: str
    title: str
    kind: str
    category: Category
    place: Place
    currency: str
    lines: tuple[Line, ...]
    duration_minutes: int
    step_percent: Decimal
    standing: str = "active"
    opens_at: datetime | None = None
    pool_id: str | None = None
    scoring: Scoring = BY_PRICE
    equivalents: bool = False


def open_auction(
    command: OpenAuction,
    *,
    policy: Policy,
    calendar: RegionCalendar,
    references: Mapping[str, ReferencePrice],
    now: datetime,
) -> AuctionOpened:
    """Return the opening. ``calendar`` is the buyer's. ``references`` are by line id, for lines that have a published
    one.

    Raise the first rule that is broken: a class of this module, :mod:`catalogue.openings` or :mod:`catalogue.durations`.
    """
    if command.standing != "active":
        raise BuyerNotActive(
            f"Only an active buyer can open a mini-auction; this one is {command.standing}.", standing=command.standing
        )
    if not command.lines:
        raise AuctionWithoutLines
    duration = require_terms(command, policy)
    lines = tuple(_complete(line, command.currency) for line in command.lines)
    _own_ids(lines)
    initial_price = sum((line.amount for line in lines if line.amount is not None), start=Decimal(0))
    require_under_ceiling(command.kind, initial_price, policy)
    _scored(command.scoring, policy)
    if command.equivalents:
        _enough_for_equivalents(lines, policy)
    reference_ids = require_under_references(lines, references, policy)
    opens_at = command.opens_at or now
    if opens_at < now:
        raise OpensInThePast(
            f"A mini-auction cannot open at {opens_at:%Y-%m-%d %H:%M} UTC, which has passed.",
            field="opens_at",
            opens_at=opens_at,
            now=now,
        )
    closes_at = end_of(duration, opens_at, initial_price, policy, calendar)
    return AuctionOpened(
        auction_id=command.auction_id,
        buyer_id=command.buyer_id,
        buyer_name=command.buyer_name,
        title=command.title.strip(),
        kind=command.kind,
        category=command.category,
        place=command.place,
        currency=command.currency,
        initial_price=initial_price,
        step=step_amount(initial_price, command.step_percent, policy),
        lines=lines,
        policy=policy.name,
        opens_at=opens_at,
        closes_at=closes_at,
        reference_ids=reference_ids,
        pool_id=command.pool_id,
        rules=opening_rules(policy.auction, duration),
        scoring=command.scoring,
        equivalents=command.equivalents,
        policy_text=text_of(policy),
    )


def opening_rules(rules: AuctionRules, duration: Duration | None) -> OpeningRules:
    """Return the policy's numbers by which the log is checked, for an auction of this duration."""
    return OpeningRules(
        whole_steps=rules.whole_steps,
        improve_on=rules.improve_on,
        floor_percent=rules.floor_percent,
        extension_window_seconds=rules.extension_window_seconds,
        extension_seconds=rules.extension_seconds,
        settle_seconds=rules.settle_seconds,
        delete_seconds=rules.delete_seconds,
        autobid_seconds=duration.autobid_seconds if duration else None,
        restart_gap_percent=rules.restart.gap_percent if rules.restart else None,
        restart_seconds=rules.restart.seconds if rules.restart else 0,
        outage_margin_seconds=rules.outage.margin_seconds,
        outage_lost_end_seconds=rules.outage.lost_end_seconds,
        turn_seconds=rules.rounds.turn_seconds if rules.rounds else 0,
        pauses_seconds=rules.rounds.pauses_seconds if rules.rounds else (),
    )


def step_amount(initial_price: Decimal, percent: Decimal, policy: Policy) -> Decimal:
    """Return the step in money: rounded half-even once, at least one minor unit. Raise StepNotOffered or
    InitialPriceTooLow."""
    if percent not in policy.auction.step_percents:
        offered = AnyOf(policy.auction.step_percents)
        raise StepNotOffered(
            f"The step must be {offered} %, not {percent} %.",
            field="step_percent",
            step_percent=percent,
            offered=offered,
        )
    step = max(round_money(initial_price * percent / 100, policy.currency), minor_step(policy.currency))
    if step >= initial_price:
        raise InitialPriceTooLow(
            f"The total of all lines is {initial_price} {policy.currency}. A bid one step of {step}"
            f" {policy.currency} lower would not be above zero.",
            field="lines",
            initial_price=initial_price,
            step=step,
            currency=policy.currency,
        )
    return step


def _complete(line: Line, currency: str) -> Line:
    """Return the line with its amount, rounded to the minor unit."""
    quantity, price = line.quantity, line.unit_price
    if not line.line_id or not line.description.strip() or line.category is None or quantity is None or price is None:
        raise LineNotComplete(
            f"Line {line.line_id!r} needs a description, a category, a quantity and a unit price.",
            field="lines",
            line=line.line_id,
        )
    _possible(line.line_id, quantity, price)
    return msgspec.structs.replace(line, amount=round_money(quantity * price, currency))


def _possible(line: str, quantity: Decimal, price: Decimal) -> None:
    """Check that both are above zero, and small enough for exact arithmetic."""
    if quantity.is_nan() or quantity <= 0:
        raise LineQuantityNotPositive(f"The quantity of line {line} must be above zero.", field="lines", line=line)
    if quantity >= _ABSURD:
        raise QuantityAbsurd(
            f"The quantity of line {line} must be below {_ABSURD:,f}, not {quantity}.",
            field="lines",
            line=line,
            quantity=quantity,
            below=_ABSURD,
        )
    if price.is_nan() or price <= 0:
        raise PriceNotPositive(
            f"The price of line {line} must be above zero, not {price}.", field="lines", line=line, price=price
        )
    if price >= _ABSURD:
        raise PriceAbsurd(
            f"The unit price of line {line} must be below {_ABSURD:,f}, not {price}.",
            field="lines",
            line=line,
            price=price,
            below=_ABSURD,
        )


def _own_ids(lines: tuple[Line, ...]) -> None:
    if len({line.line_id for line in lines}) < len(lines):
        raise LineIdRepeated("Every line needs its own id.", field="lines")


def _scored(scoring: Scoring, policy: Policy) -> None:
    if scoring.by not in policy.auction.scorings:
        offered = Several(policy.auction.scorings)
        raise ScoringNotOffered(
            f"Bids here are ranked by {offered}, not by {scoring.by}.", field="scoring", offered=offered, by=scoring.by
        )
    check_scoring(scoring)


def _enough_for_equivalents(lines: tuple[Line, ...], policy: Policy) -> None:
    rules = policy.auction.equivalents
    if rules is None:
        raise EquivalentsNotAllowed("This market does not allow equivalents.", field="equivalents")
    if len(lines) < rules.min_lines:
        raise TooFewLines(
            f"Equivalents need a mini-auction of at least {rules.min_lines} lines; this one has {len(lines)}.",
            field="equivalents",
            min_lines=rules.min_lines,
            lines=len(lines),
        )


def check_open(number: int, rules: AuctionRules) -> None:
    """Raise TooManyOpen if a buyer with so many auctions announced or running may not open another."""
    if number >= rules.open_in_all:
        raise TooManyOpen(
            f"A buyer may have at most {rules.open_in_all} mini-auctions announced or running. Open this one when others are closed.",
            most=rules.open_in_all,
        )
