"""Auctions that last seconds instead of hours: the presets' rules with small numbers, and an opening drawn from the
seed."""

import random
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache

import msgspec

from catalogue.policy import Policy, Restart, Rounds, Withdrawal, load
from events.auctions import AuctionOpened, Criterion, Option, Scoring
from events.values import Category, Line, Place
from services.auctions.domain.opening import opening_rules, step_amount
from tests.simulation.faults import BEGINNING

PAPER = Category(code="30197630", title="Printing paper")
PRESETS = ("moscow", "moscow", "pregao", "prozorro")
"""The presets, as often as they should be drawn."""


@lru_cache
def policy(name: str) -> Policy:
    """Return the preset with seconds instead of minutes, and the same kinds of rules."""
    preset = load(name)
    rules = preset.auction
    outage = msgspec.structs.replace(rules.outage, after_seconds=4, margin_seconds=2, lost_end_seconds=3)
    extended = {"moscow": 4, "pregao": 3, "prozorro": 0}[name]
    rules = msgspec.structs.replace(
        rules,
        outage=outage,
        extension_window_seconds=extended,
        extension_seconds=extended,
        withdrawal=Withdrawal(minutes_before_end=0),
        delete_seconds=4 if rules.delete_seconds else 0,
        restart=Restart(gap_percent=rules.restart.gap_percent, seconds=5) if rules.restart else None,
        rounds=Rounds(turn_seconds=2, pauses_seconds=(2, 1, 1)) if rules.rounds else None,
        durations=tuple(
            msgspec.structs.replace(each, autobid_seconds=2 if each.autobid_seconds else None)
            for each in rules.durations
        ),
    )
    return msgspec.structs.replace(preset, auction=rules)


def opening(rng: random.Random, auction_id: str) -> tuple[AuctionOpened, Policy]:
    """Return the opening of an auction that runs for some seconds after the beginning."""
    rules = policy(rng.choice(PRESETS))
    lines = tuple(
        Line(
            line_id=str(number),
            description=f"Paper {number}",
            category=PAPER,
            quantity=Decimal(rng.randint(1, 9)),
            unit="H87",
            unit_price=Decimal(rng.randint(500, 20_000)) / 100,
        )
        for number in range(rng.randint(1, 3))
    )
    priced = tuple(
        msgspec.structs.replace(line, amount=(line.quantity or 0) * (line.unit_price or Decimal(0))) for line in lines
    )
    initial = sum((line.amount or Decimal(0) for line in priced), start=Decimal(0))
    opens_at = BEGINNING + timedelta(seconds=round(1 + rng.random() * 2, 3))
    opened = AuctionOpened(
        auction_id=auction_id,
        buyer_id="the buyer",
        buyer_name="School No. 1",
        title="Paper",
        kind="goods",
        category=PAPER,
        place=Place(country="RU", region="RU-MOW"),
        currency=rules.currency,
        initial_price=initial,
        step=step_amount(initial, rng.choice(rules.auction.step_percents), rules),
        lines=priced,
        policy=rules.name,
        opens_at=opens_at,
        closes_at=opens_at + timedelta(seconds=round(5 + rng.random() * 7, 3)),
        rules=opening_rules(rules.auction, rules.auction.durations[-1]),
        scoring=scoring(rng, rules),
    )
    return opened, rules


def scoring(rng: random.Random, rules: Policy) -> Scoring:
    by = rng.choice(rules.auction.scorings)
    if by == "price":
        return Scoring()
    values = ("0", "0.05", "0.2") if by == "quality" else ("0", "10", "55.5")
    options = tuple(Option(title=value, value=Decimal(value)) for value in values)
    return Scoring(by=by, criteria=(Criterion(criterion_id="one", title="One", options=options),))
