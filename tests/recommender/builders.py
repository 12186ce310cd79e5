"""Builders of a small market with a pattern to find: each supplier stays in its trade, and buyers stay in their
region."""

from __future__ import annotations

import datetime as dt
from functools import cache

from recommender import Award, Model, Opportunity, train

START = dt.date(2025, 1, 1)
TRADES = ("33100000", "33190000", "44110000", "44210000", "30200000", "55100000")
REGIONS = ("North", "South")


def a_purchase(category: str = "33190000", region: str = "North", buyer: str = "", **rest: str) -> Opportunity:
    return Opportunity(category=category, region=region, buyer=buyer or f"{region} hospital", **rest)


def an_award(supplier: str, opportunity: Opportunity | None = None, *, day: int = 0, tender: str = "") -> Award:
    date = START + dt.timedelta(days=day)
    return Award(supplier=supplier, opportunity=opportunity or a_purchase(), date=date, tender=tender)


def a_market(awards: int = 240) -> list[Award]:
    """One award per day; in each trade and region two suppliers win, the first twice as often."""
    found = []
    for day in range(awards):
        trade, region = TRADES[day % len(TRADES)], REGIONS[day // len(TRADES) % 2]
        winner = "second" if day // 12 % 3 == 2 else "first"
        found.append(
            an_award(
                f"{winner} {trade} {region}", a_purchase(trade, region, title=f"order{day}"), day=day, tender=f"t{day}"
            )
        )
    return found


NOW = START + dt.timedelta(days=240)


@cache
def a_model() -> Model:
    """A model trained on the whole market."""
    return train(a_market(), NOW)
