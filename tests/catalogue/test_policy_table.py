"""The presets side by side: every number of a mini-auction that they differ in, and that each is in a file with its source."""

from __future__ import annotations

from datetime import time
from decimal import Decimal
from pathlib import Path

import pytest

import catalogue.policy
from catalogue.policy import AuctionRules, Equivalents, Outage, Policy, Restart, Rounds, Window, Withdrawal, load

NAMES = ("moscow", "pregao", "prozorro", "demo", "acordar")
FOLDER = Path(catalogue.policy.__file__).parent / "policies"
OUTAGE = Outage(after_seconds=5, margin_seconds=60, lost_end_seconds=900)
HOURS = Withdrawal(minutes_before_end=300, window=Window(first=time(9), last=time(17)))
ALL_DAY = Withdrawal(minutes_before_end=2, window=Window(first=time(0), last=time(23, 59, 59)))
MILLIONS = {"goods": 5_000_000, "works": 3_000_000, "services": 3_000_000}

# What                  moscow                pregao      prozorro                demo                   acordar
TABLE: dict[str, tuple[object, ...]] = {
    "currency": ("RUB", "BRL", "UAH", "RUB", "ARS"),
    "ceilings": (MILLIONS, {}, {}, MILLIONS, {}),
    "minutes": ((180, 360, 1440), (10,), (10_080, 20_160), (3, 6, 24), ()),
    "autobid_seconds": ((60, 120, 180), (None,), (None, None), (5, 10, 15), ()),
    "step_percents": (("0.5", "1"), ("0.5", "1", "2"), ("0.5", "1", "2", "3"), ("0.5", "1"), ("1",)),
    "whole_steps": (True, False, False, True, True),
    "improve_on": ("price", "own", "own", "price", "price"),
    "floor_percent": ("0.5", "0", "0", "0.5", "0"),
    "extension_window_seconds": (300, 120, 0, 30, 0),
    "extension_seconds": (300, 120, 0, 30, 0),
    "settle_seconds": (1, 1, 1, 1, 0),
    "delete_seconds": (0, 15, 0, 0, 0),
    "reference_grades": (("A", "B"),) * 5,
    "scorings": (("price",), ("price",), ("price", "quality", "life-cycle"), ("price",), ("price",)),
    "withdrawal": (
        HOURS,
        Withdrawal(minutes_before_end=0),
        Withdrawal(minutes_before_end=0),
        ALL_DAY,
        Withdrawal(minutes_before_end=0),
    ),
    "outage": (OUTAGE, OUTAGE, OUTAGE, Outage(after_seconds=5, margin_seconds=5, lost_end_seconds=60), OUTAGE),
    "restart": (None, Restart(gap_percent=Decimal(5), seconds=600), None, None, None),
    "rounds": (None, None, Rounds(turn_seconds=120, pauses_seconds=(300, 120, 120)), None, None),
    "equivalents": (
        Equivalents(min_lines=5, max_percent=Decimal(20)),
        None,
        None,
        Equivalents(min_lines=5, max_percent=Decimal(20)),
        None,
    ),
}


def number(policy: Policy, name: str) -> object:
    rules = policy.auction
    match name:
        case "currency":
            return policy.currency
        case "minutes" | "autobid_seconds":
            return tuple(getattr(duration, name) for duration in rules.durations)
        case "step_percents":
            return tuple(str(percent) for percent in rules.step_percents)
        case "floor_percent":
            return str(rules.floor_percent)
    return getattr(rules, name)


@pytest.mark.parametrize("name", TABLE)
def test_the_presets_have_these_numbers(name: str) -> None:
    assert tuple(number(load(preset), name) for preset in NAMES) == TABLE[name]


def test_the_table_leaves_no_number_of_a_mini_auction_out() -> None:
    told = {*TABLE, "durations", "none_because"}
    assert set(AuctionRules.__struct_fields__) <= told


def test_acordar_has_no_live_auction_and_says_so() -> None:
    assert "no live auction" in load("acordar").auction.none_because
    assert all(not load(name).auction.none_because for name in NAMES if name != "acordar")


def test_the_shipped_presets_are_those_of_the_table() -> None:
    assert {path.stem for path in FOLDER.glob("*.toml")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_number_of_the_auction_has_its_source_beside_it(name: str) -> None:
    """On its own line, or on the line that heads its table; "no law" is a source too."""
    headed = False
    for line in (FOLDER / f"{name}.toml").read_text(encoding="utf-8").partition("\n[auction]")[2].splitlines():
        if line.startswith("["):
            headed = "#" in line
            if line.startswith("[contract]"):
                return
        elif line.strip() and not line.startswith("#") and name != "acordar":
            assert headed or "#" in line, f"{name}.toml: {line}"
